"""Expectation and spread of pair counts and their summaries under a null: what chance gives for locality."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sparsight.geometry import Geometry
from sparsight.measure._nulls import (
    Null,
    PairStatistic,
    expected_products,
    pair_statistic,
    sample_masks,
    value_moments,
    variance,
)
from sparsight.measure._pair_counts import (
    available_pairs,
    far_displacements,
    mean_squared_displacement,
    near_displacements,
    pair_counts,
)

SUMMARIES = ("near", "far", "near_different_channel", "far_different_channel", "radius_of_gyration")
"""The numbers of a `Locality` that are 1 by chance."""

_CHANCE_SHARE = 0.95


@dataclass(frozen=True, eq=False, kw_only=True)
class Chance:
    """Pair counts and summaries of a layer's random counterparts.

    `counts` are the expected S^sc(d) and S^dc(d); `summaries` are theirs, in the order of `SUMMARIES`.
    `relative_sd` is the standard deviation of each summary under the null, divided by its expectation, and
    `quantile` the half width of the central 95 % in these standard deviations; NaN if unknown.
    """

    counts: Sequence[np.ndarray]
    summaries: np.ndarray
    relative_sd: np.ndarray
    quantile: float


def chance(weights: np.ndarray, geometry: Geometry, null: Null, num_samples: int, seed: int) -> Chance:
    """Return what a null expects of a mask or map, (out, in).

    In closed form for ``uniform`` and ``fan_in``, from `num_samples` draws for ``configuration``.
    """
    if null == "configuration":
        return _from_draws(weights, geometry, num_samples, seed)
    return _closed_form(weights, geometry, null)


def summary_values(counts: Sequence[np.ndarray], geometry: Geometry) -> np.ndarray:
    """Return the five summaries of pair counts before division by chance, in the order of `SUMMARIES`."""
    near, far = near_displacements(geometry), far_displacements(geometry)
    sums = [kind[where].sum() for kind in counts for where in (near, far)]
    return np.array([*sums, np.sqrt(mean_squared_displacement(counts[0], geometry))])


def ratio(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the quotient; NaN where nothing is expected."""
    found = np.full(np.broadcast_shapes(observed.shape, expected.shape), np.nan)
    np.divide(observed, expected, out=found, where=expected > 0)
    return found


def _closed_form(weights: np.ndarray, geometry: Geometry, null: Null) -> Chance:
    moments = value_moments(weights, "uniform" if null == "uniform" else "fan_in")
    share = expected_products(moments) * (len(weights) if null == "uniform" else 1)
    if not (weights > 0).sum() >= 2:  # no pairs; a difference of squares may leave a rounding error instead
        share = 0.0
    expected = [share * available for available in available_pairs(geometry)]
    values = summary_values(expected, geometry)
    sd = np.sqrt([variance(statistic, moments) for statistic in _summary_statistics(geometry)])
    # The statistic of the radius, divided by `share`, is to first order the relative deviation of the mean
    # squared displacement from its expectation; taking the root halves it.
    scale = np.array([*values[:4], 2 * share])
    quantile = stats.norm.ppf((1 + _CHANCE_SHARE) / 2)
    return Chance(
        counts=expected, summaries=values, relative_sd=_without_dust(ratio(sd, scale)), quantile=quantile
    )


@functools.lru_cache(maxsize=8)
def _summary_statistics(geometry: Geometry) -> tuple[PairStatistic, ...]:
    """Return the pair statistics whose variances are those of the summaries, in the order of `SUMMARIES`."""
    near, far = near_displacements(geometry), far_displacements(geometry)
    none = np.zeros_like(near)
    squared = geometry.distances() ** 2
    available = available_pairs(geometry)[0]
    second_moment = max(float((squared * available).sum()), 1e-300)
    number = max(float(available.sum()), 1.0)
    deviation = squared / second_moment - 1 / number  # first order of (Σ|d|²S/ΣS) / (its expectation) − 1
    kernels = ((near, none), (far, none), (none, near), (none, far), (deviation, none))
    return tuple(pair_statistic(same, different, geometry) for same, different in kernels)


def _from_draws(weights: np.ndarray, geometry: Geometry, num_samples: int, seed: int) -> Chance:
    total = [np.zeros(geometry.distances().shape) for _ in range(2)]
    drawn = []
    for sample in sample_masks(weights, "configuration", num_samples, seed):
        counts = pair_counts(sample, geometry)
        total = [before + count for before, count in zip(total, counts, strict=True)]
        drawn.append(summary_values(counts, geometry))
    expected = [grid / num_samples for grid in total]
    values = summary_values(expected, geometry)
    if num_samples < 2:
        unknown = np.full(len(SUMMARIES), np.nan)
        return Chance(counts=expected, summaries=values, relative_sd=unknown, quantile=np.nan)
    # As for a prediction interval: the mean of the draws is itself uncertain by sd/√draws.
    sd = np.std(drawn, axis=0, ddof=1) * np.sqrt(1 + 1 / num_samples)
    quantile = stats.t(num_samples - 1).ppf((1 + _CHANCE_SHARE) / 2)
    return Chance(
        counts=expected, summaries=values, relative_sd=_without_dust(ratio(sd, values)), quantile=quantile
    )


def _without_dust(spread: np.ndarray) -> np.ndarray:
    """Return relative standard deviations, with 0 in place of rounding errors.

    Where a null leaves nothing free (a unit that keeps all or no inputs) the true value is 0, and a rounding
    error in its place would turn the rounding of the numerator into a large z.
    """
    return np.where(spread < 1e-9, 0.0, spread)
