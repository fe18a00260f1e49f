"""Locality: how often two kept inputs of one unit lie close together or far apart, against a null."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
from scipy import stats

from sparsight.arguments import checked
from sparsight.errors import InputError
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
    unit_pair_sums,
)

SUMMARIES = ("near", "far", "near_different_channel", "far_different_channel", "radius_of_gyration")
"""The numbers of a `Locality` that are 1 by chance."""

DEFAULT_DRAWS = 20
_CHANCE_SHARE = 0.95


@dataclass(frozen=True, eq=False)
class Locality:
    """Pair counts of a layer's receptive fields, and what a null expects.

    Attributes
    ----------
    null : {"uniform", "fan_in", "configuration"}
    same_channel, different_channel : numpy.ndarray of float64, grid of displacements
        S^sc(d), S^dc(d), summed over units; see `sparsight.measure._pair_counts.pair_counts`.
    same_channel_expected, different_channel_expected : numpy.ndarray of float64, grid
        Their expectation under the null.
    near, far : float
        Σ S^sc(d) over |d| ≤ 1.5, or |d| ≥ D/4, divided by its expectation: 1 is chance. NaN where the null
        expects no pair.
    near_different_channel, far_different_channel : float
        The same for S^dc (near with d = 0). NaN with one channel.
    radius_of_gyration : float
        √(Σ|d|² S^sc / Σ S^sc) over the same of the expectation: 1 is chance, below is compact.
    z : dict of str to float
        For each of these five (`SUMMARIES`), (value − 1) / sd under the null. Of ``uniform`` and ``fan_in``
        the variance is exact (for the radius: to first order in it). Of ``configuration`` it is that of the
        draws times 1 + 1/draws, as their mean is uncertain, too; z is then Student t with draws − 1 degrees
        of freedom. NaN where nothing can vary.
    interval : dict of str to tuple of float
        Where the null has the value with probability 95 %: 1 ± the normal (``configuration``: t) quantile
        times the sd. A value outside is more, or less, than chance explains. Rough below ten expected pairs.
    near_per_unit, far_per_unit : numpy.ndarray of float64, (out,)
        Against the ``fan_in`` expectation of each unit alone, whatever the null. NaN for units with fewer
        than two inputs.
    num_undefined : int
        How many these are.
    """

    null: Null
    same_channel: np.ndarray
    different_channel: np.ndarray
    same_channel_expected: np.ndarray
    different_channel_expected: np.ndarray
    near: float
    far: float
    near_different_channel: float
    far_different_channel: float
    radius_of_gyration: float
    z: dict[str, float]
    interval: dict[str, tuple[float, float]]
    near_per_unit: np.ndarray
    far_per_unit: np.ndarray
    num_undefined: int


@checked()
def locality(
    mask: Any,
    geometry: Geometry,
    *,
    null: str = "fan_in",
    num_samples: int = DEFAULT_DRAWS,
    seed: int = 0,
) -> Locality:
    """Measure how local the receptive fields of a layer are.

    Parameters
    ----------
    mask : array-like or Tensor, (out, in)
        A mask (bool, True = kept), or a map of non-negative numbers: squared weights, or the numbers of
        kept paths from each input to each unit of a deeper layer. A pair then counts as the product of its
        two values. ``in`` is ``geometry.num_inputs``.
    geometry : Geometry
    null : {"uniform", "fan_in", "configuration"}
        What random maps share with this one: all values of the layer, on any place; the values of each
        unit, on any of its inputs; and also how many units keep each input. Without the last, a set of
        objects in the centre of the image looks local. The first two are closed forms, the third is
        estimated from draws.
    num_samples : int
        Draws for ``configuration``, at least 1 (2 for z and interval); nothing is drawn for the others.
    seed : int
        Of the draws.

    Returns
    -------
    Locality

    Raises
    ------
    InputError
        If the mask does not fit the geometry, holds negative or non-finite numbers, or `null` or
        `num_samples` are out of range.

    Notes
    -----
    S(d) follows Pellegrini & Biroli, arXiv 2104.13343; nulls, near and far are this package's. The sums of
    all units are divided, not averages of their ratios, so that a unit counts by its number of pairs.

    Every null takes the units to be independent but for what it keeps. Units of a deeper layer, looked at
    through the product of masks, share paths: random pruning still gives 1 on average, but with more spread
    than z and interval know.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = locality(rng.random((200, 400)) < 0.05, Geometry(1, (20, 20)))
    >>> abs(found.near - 1) < 0.05
    True
    """
    return localities(mask, geometry, (null,), num_samples=num_samples, seed=seed)[0]


@checked()
def localities(
    mask: Any, geometry: Geometry, nulls: Sequence[str], *, num_samples: int = DEFAULT_DRAWS, seed: int = 0
) -> list[Locality]:
    """Return `locality` under several nulls, counting the pairs only once."""
    weights = _checked(mask, geometry)
    checked = [_checked_null(null, num_samples) for null in nulls]
    counts = pair_counts(weights, geometry)
    near_per_unit, far_per_unit = unit_locality(weights, geometry)
    found = []
    for null in checked:
        if null == "configuration":
            expected, expected_values, spread = _drawn(weights, geometry, num_samples, seed)
            quantile = stats.t(num_samples - 1).ppf((1 + _CHANCE_SHARE) / 2) if num_samples > 1 else np.nan
        else:
            expected, expected_values, spread = _closed_form(weights, geometry, null)
            quantile = stats.norm.ppf((1 + _CHANCE_SHARE) / 2)
        values = _ratio(_summary_values(counts, geometry), expected_values)
        near, far, near_different, far_different, radius = values.tolist()
        found.append(
            Locality(
                null=null,
                same_channel=counts[0],
                different_channel=counts[1],
                same_channel_expected=expected[0],
                different_channel_expected=expected[1],
                near=near,
                far=far,
                near_different_channel=near_different,
                far_different_channel=far_different,
                radius_of_gyration=radius,
                z=dict(zip(SUMMARIES, _ratio(values - 1, spread).tolist(), strict=True)),
                interval={
                    name: (max(1 - quantile * sd, 0.0), 1 + quantile * sd)
                    for name, sd in zip(SUMMARIES, spread.tolist(), strict=True)
                },
                near_per_unit=near_per_unit,
                far_per_unit=far_per_unit,
                num_undefined=int(((weights > 0).sum(axis=1) < 2).sum()),
            )
        )
    return found


@checked()
def unit_locality(mask: Any, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return near and far of every unit, against the ``fan_in`` expectation of that unit.

    Parameters
    ----------
    mask, geometry
        As in `locality`.

    Returns
    -------
    near, far : numpy.ndarray of float64, (out,)
        NaN for units with fewer than two kept inputs.
    """
    weights = _checked(mask, geometry)
    kernels = np.stack([near_displacements(geometry), far_displacements(geometry)])
    observed = unit_pair_sums(weights, geometry, kernels)
    products = weights.sum(axis=1, dtype=np.float64) ** 2 - np.square(weights, dtype=np.float64).sum(axis=1)
    share = products / max(weights.shape[1] * (weights.shape[1] - 1), 1)
    share[(weights > 0).sum(axis=1) < 2] = 0  # where a difference of squares could leave dust
    available = available_pairs(geometry)[0]
    near, far = _ratio(observed, np.outer([available[kernel].sum() for kernel in kernels], share))
    return near, far


@dataclass(frozen=True, eq=False)
class FanInClass:
    """Units of similar fan-in, and the locality of these alone."""

    units: np.ndarray
    lowest: int
    highest: int
    locality: Locality


@checked()
def locality_by_fan_in(
    mask: Any, geometry: Geometry, *, num_classes: int = 4, null: str = "fan_in", seed: int = 0
) -> list[FanInClass]:
    """Return `locality` of classes of units, from few inputs to many.

    Parameters
    ----------
    mask, geometry, null, seed
        As in `locality`.
    num_classes : int
        The units with two or more inputs, sorted by fan-in, are cut into so many classes of equal size (to
        one unit); fewer if there are fewer units.

    Returns
    -------
    list of FanInClass
        ``units`` (int64 indices), ``lowest`` and ``highest`` fan-in, ``locality``.

    Raises
    ------
    InputError
        As `locality`, or if `num_classes` is below 1.
    """
    weights = _checked(mask, geometry)
    if num_classes < 1:
        raise InputError(f"num_classes is {num_classes}; 1 or more is allowed")
    fan_in = (weights > 0).sum(axis=1)
    order = np.argsort(fan_in, kind="stable")
    order = order[fan_in[order] >= 2]
    classes = np.array_split(order, min(num_classes, len(order))) if len(order) else []
    return [
        FanInClass(
            units,
            int(fan_in[units[0]]),
            int(fan_in[units[-1]]),
            locality(weights[units], geometry, null=null, seed=seed),
        )
        for units in classes
    ]


def _summary_values(counts: Sequence[np.ndarray], geometry: Geometry) -> np.ndarray:
    """Return the five summaries of pair counts, not yet divided by chance; order of `SUMMARIES`."""
    near, far = near_displacements(geometry), far_displacements(geometry)
    sums = [kind[where].sum() for kind in counts for where in (near, far)]
    return np.array([*sums, np.sqrt(mean_squared_displacement(counts[0], geometry))])


def _closed_form(
    weights: np.ndarray, geometry: Geometry, null: Null
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return the expected pair counts, their summaries, and the relative sd of those."""
    moments = value_moments(weights, "uniform" if null == "uniform" else "fan_in")
    share = expected_products(moments) * (len(weights) if null == "uniform" else 1)
    if not (weights > 0).sum() >= 2:
        share = 0.0
    expected = [share * available for available in available_pairs(geometry)]
    values = _summary_values(expected, geometry)
    sd = np.sqrt([variance(statistic, moments) for statistic in _summary_statistics(geometry)])
    # √x is x/2 to first order, and the statistic of the radius is its square over the expectation's, less 1.
    scale = np.array([*values[:4], 2 * share])
    return expected, values, _without_dust(_ratio(sd, scale))


@functools.lru_cache(maxsize=8)
def _summary_statistics(geometry: Geometry) -> tuple[PairStatistic, ...]:
    """Return what the variance of each summary needs, in the order of `SUMMARIES`."""
    near, far = near_displacements(geometry), far_displacements(geometry)
    none = np.zeros_like(near)
    squared = geometry.distances() ** 2
    available = available_pairs(geometry)[0]
    second_moment = max(float((squared * available).sum()), 1e-300)
    number = max(float(available.sum()), 1.0)
    deviation = squared / second_moment - 1 / number  # first order of (Σ|d|²S/ΣS) / (its expectation) − 1
    kernels = ((near, none), (far, none), (none, near), (none, far), (deviation, none))
    return tuple(pair_statistic(same, different, geometry) for same, different in kernels)


def _drawn(
    weights: np.ndarray, geometry: Geometry, num_samples: int, seed: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return the mean pair counts of masks with the same counts, its summaries, and the relative sd."""
    total = [np.zeros(geometry.distances().shape) for _ in range(2)]
    drawn = []
    for sample in sample_masks(weights, "configuration", num_samples, seed):
        counts = pair_counts(sample, geometry)
        total = [before + count for before, count in zip(total, counts, strict=True)]
        drawn.append(_summary_values(counts, geometry))
    expected = [grid / num_samples for grid in total]
    values = _summary_values(expected, geometry)
    if num_samples < 2:
        return expected, values, np.full(len(SUMMARIES), np.nan)
    sd = np.std(drawn, axis=0, ddof=1) * np.sqrt(1 + 1 / num_samples)
    return expected, values, _without_dust(_ratio(sd, values))


def _without_dust(spread: np.ndarray) -> np.ndarray:
    """Return 0 where a relative sd is rounding: where a null leaves nothing free, all of it is."""
    return np.where(spread < 1e-9, 0.0, spread)


def _checked(mask: Any, geometry: Geometry) -> np.ndarray:
    array = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    if array.ndim != 2 or array.shape[1] != geometry.num_inputs or array.dtype.kind not in "biuf":
        raise InputError(
            f"mask is {array.dtype}{array.shape}; bool or non-negative numbers, "
            f"(out, {geometry.num_inputs}), fit the geometry"
        )
    if array.dtype == np.bool_:
        return array
    values = array.astype(np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise InputError(
            "mask holds negative, NaN or infinite numbers; give bool, squared weights or numbers of paths"
        )
    return values


def _checked_null(null: str, num_samples: int) -> Null:
    if null not in get_args(Null):
        raise InputError(f"null is {null!r}; 'uniform', 'fan_in' and 'configuration' are allowed")
    if num_samples < (null == "configuration"):
        raise InputError(
            f"num_samples is {num_samples}; 0 or more is allowed, and for 'configuration' at least 1"
        )
    return cast(Null, null)


def _ratio(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the quotient, NaN where nothing is expected."""
    found = np.full(np.broadcast_shapes(observed.shape, expected.shape), np.nan)
    np.divide(observed, expected, out=found, where=expected > 0)
    return found
