"""Locality: how often two kept inputs of a unit are close together or far apart, against a null."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure._expected_locality import SUMMARIES, chance, ratio, summary_values
from sparsight.measure._nulls import Null
from sparsight.measure._pair_counts import (
    available_pairs,
    far_displacements,
    near_displacements,
    pair_counts,
    unit_pair_sums,
)

_DEFAULT_DRAWS = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class Locality:
    """Pair counts of a layer's receptive fields beside those expected under a null.

    Attributes
    ----------
    null : {"uniform", "fan_in", "configuration"}
        The null behind every expectation below.
    same_channel, different_channel : numpy.ndarray of float64, grid of displacements
        S^sc(d) and S^dc(d), summed over units; see `sparsight.measure._pair_counts.pair_counts`.
    same_channel_expected, different_channel_expected : numpy.ndarray of float64, grid
        Their expectation under the null.
    near, far : float
        Σ S^sc(d) over |d| ≤ 1.5, or |d| ≥ D/4, divided by its expectation: 1 is chance. NaN where the null
        expects no pair.
    near_different_channel, far_different_channel : float
        The same for S^dc (near with d = 0). NaN with one channel.
    radius_of_gyration : float
        √(Σ|d|² S^sc / Σ S^sc), divided by the same root for the expectation: 1 is chance, below 1 is
        compact.
    z : dict of str to float
        For each of these five (`SUMMARIES`), (value − 1) / sd under the null. For ``uniform`` and ``fan_in``
        the variance is exact (for the radius, to first order). For ``configuration`` it is the variance of
        the draws times 1 + 1/draws, since their mean is uncertain as well; z then follows Student's t with
        draws − 1 degrees of freedom. NaN where nothing can vary.
    interval : dict of str to tuple of float
        Range of each value under the null with probability 95 %: 1 ± the normal (``configuration``: t)
        quantile times the sd. Chance does not explain a value outside it. Rough below ten expected pairs.
    near_per_unit, far_per_unit : numpy.ndarray of float64, (out,)
        Near and far of each unit against its own ``fan_in`` expectation, whatever the null. NaN for units
        with fewer than two inputs.
    num_undefined : int
        Number of units with fewer than two inputs.
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
    num_samples: int = _DEFAULT_DRAWS,
    seed: int = 0,
) -> Locality:
    """Measure how local the receptive fields of a layer are.

    Parameters
    ----------
    mask : array-like or Tensor, (out, in)
        A mask (bool, True = kept), or a map of non-negative numbers: squared weights, or the numbers of
        kept paths from each input to each unit of a deeper layer. In a map, a pair counts as the product of
        its two values. ``in`` is ``geometry.num_inputs``.
    geometry : Geometry
        Geometry of the inputs.
    null : {"uniform", "fan_in", "configuration"}
        What random maps share with this one: the values of the layer, in any places; the values of each
        unit, on any of its inputs; or these and the number of units that keep each input. Without the
        last, a set of objects in the centre of the image looks local. The first two have closed forms, the
        third is estimated from draws.
    num_samples : int
        Number of draws for ``configuration``, at least 1 (2 for z and interval). The other nulls ignore it.
    seed : int
        Seed of the draws.

    Raises
    ------
    InputError
        If the mask does not fit the geometry, holds negative or non-finite numbers, or `null` or
        `num_samples` are out of range.

    Notes
    -----
    S(d) follows Pellegrini & Biroli, arXiv 2104.13343; nulls, near and far are ours. Counts are summed over
    units before they are divided, so a unit counts by its number of pairs.

    Every null treats units as independent except for what it preserves. Units of a deeper layer, seen
    through the product of masks, share paths: random pruning still gives 1 on average, but with more spread
    than z and interval allow for.

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
    mask: Any, geometry: Geometry, nulls: Sequence[str], *, num_samples: int = _DEFAULT_DRAWS, seed: int = 0
) -> list[Locality]:
    """Return `locality` under several nulls; the pairs are counted only once."""
    weights = _weights(mask, geometry)
    for null in nulls:
        _check_null(null, num_samples)
    counts = pair_counts(weights, geometry)
    observed = summary_values(counts, geometry)
    near_per_unit, far_per_unit = _unit_locality(weights, geometry)
    found = []
    for null in nulls:
        by_chance = chance(weights, geometry, cast(Null, null), num_samples, seed)
        values, spread = ratio(observed, by_chance.summaries), by_chance.relative_sd
        margins = (by_chance.quantile * spread).tolist()
        found.append(
            Locality(
                **dict(zip(SUMMARIES, values.tolist(), strict=True)),
                null=cast(Null, null),
                same_channel=counts[0],
                different_channel=counts[1],
                same_channel_expected=by_chance.counts[0],
                different_channel_expected=by_chance.counts[1],
                z=dict(zip(SUMMARIES, ratio(values - 1, spread).tolist(), strict=True)),
                interval={
                    name: (max(1 - margin, 0.0), 1 + margin)
                    for name, margin in zip(SUMMARIES, margins, strict=True)
                },
                near_per_unit=near_per_unit,
                far_per_unit=far_per_unit,
                num_undefined=int(((weights > 0).sum(axis=1) < 2).sum()),
            )
        )
    return found


@dataclass(frozen=True, eq=False)
class FanInClass:
    """Units of similar fan-in, and the locality of these units alone."""

    units: np.ndarray
    lowest: int
    highest: int
    locality: Locality


@checked()
def locality_by_fan_in(
    mask: Any, geometry: Geometry, *, num_classes: int = 4, null: str = "fan_in", seed: int = 0
) -> list[FanInClass]:
    """Return `locality` of classes of units, from those with few inputs to those with many.

    Parameters
    ----------
    mask, geometry, null, seed
        As in `locality`.
    num_classes : int
        Number of classes of equal size (to within one unit) into which the units with two or more inputs,
        sorted by fan-in, are divided; fewer if there are fewer units.

    Returns
    -------
    list of FanInClass
        ``units`` (int64 indices), ``lowest`` and ``highest`` fan-in, ``locality``.

    Raises
    ------
    InputError
        As `locality`, or if `num_classes` is below 1.
    """
    weights = _weights(mask, geometry)
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


def _unit_locality(weights: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return near and far of every unit against its own ``fan_in`` expectation."""
    kernels = np.stack([near_displacements(geometry), far_displacements(geometry)])
    observed = unit_pair_sums(weights, geometry, kernels)
    products = weights.sum(axis=1, dtype=np.float64) ** 2 - np.square(weights, dtype=np.float64).sum(axis=1)
    # E[w_i w_j] of two given inputs, as in `expected_products`, of each unit
    share = products / max(weights.shape[1] * (weights.shape[1] - 1), 1)
    share[(weights > 0).sum(axis=1) < 2] = 0  # no pairs; rounding may leave some
    available = available_pairs(geometry)[0]
    near, far = ratio(observed, np.outer([available[kernel].sum() for kernel in kernels], share))
    return near, far


def _weights(mask: Any, geometry: Geometry) -> np.ndarray:
    array = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    if array.ndim != 2 or array.shape[1] != geometry.num_inputs or array.dtype.kind not in "biuf":
        raise InputError(
            f"mask is {array.dtype}{array.shape}; bool or non-negative numbers of shape "
            f"(out, {geometry.num_inputs}) are needed to fit the geometry"
        )
    if array.dtype == np.bool_:
        return array
    values = array.astype(np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise InputError(
            "mask holds negative, NaN or infinite numbers; give bool, squared weights or numbers of paths"
        )
    return values


def _check_null(null: str, num_samples: int) -> None:
    if null not in get_args(Null):
        raise InputError(f"null is {null!r}; 'uniform', 'fan_in' and 'configuration' are allowed")
    if num_samples < (null == "configuration"):
        raise InputError(
            f"num_samples is {num_samples}; 0 or more is allowed, and for 'configuration' at least 1"
        )
