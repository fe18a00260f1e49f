"""Locality: whether the kept inputs of a unit are close together, between chance and the most compact."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure._expected_locality import SUMMARIES, chance, ratio, summary_values
from sparsight.measure._means import weighted_mean_of_defined
from sparsight.measure._nulls import Null
from sparsight.measure._pair_counts import pair_counts
from sparsight.measure._unit_locality import unit_locality

_DEFAULT_DRAWS = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class Locality:
    """Pair counts of a layer's receptive fields beside those expected under a null.

    Three numbers are read together: `attained_share` (are neighbours kept together?), `far` and
    `radius_of_gyration` (is the field bounded?). `locality_verdict` puts them into a word. `near` alone
    measures smoothness: it is 2.8 for waves over the whole image, its ceiling depends on how weights are
    divided between units, and units count by k (k − 1).

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
    attained_share : float
        Mean of `attained_share_per_unit` over the units that have one, weighted by `unit_weights` if given.
        NaN if none has.
    attained_share_per_unit : numpy.ndarray of float64, (out,)
        (S_near − null) / (max − null) of each unit, whatever the null above. S_near is its number of
        same-channel pairs at |d| ≤ 1.5, null the expectation for its k inputs in random places, and max the
        largest number that any k inputs can have (`most_near_pairs`): 0 is chance, 1 the most compact field
        there is, and below 0 neighbours are avoided. NaN for units with fewer than two inputs, for units
        that can have no other number of near pairs (all inputs kept), and for every unit of a map, which
        has no such maximum.
    near_ceiling : float
        The largest `near` that units of these fan-ins can have, Σ max / Σ null over units with two or more
        inputs. NaN for maps.
    radius_of_gyration_per_unit : numpy.ndarray of float64, (out,)
        √(Σ|d|² S^sc / Σ S^sc) of each unit, divided by its expectation for random places (the same for all
        units). NaN for units without a pair in one channel.
    mean_radius_of_gyration : float
        Its mean over units, weighted by `unit_weights` if given. A unit counts once here, and by its number
        of pairs in `radius_of_gyration`.
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
    attained_share: float
    attained_share_per_unit: np.ndarray
    near_ceiling: float
    radius_of_gyration_per_unit: np.ndarray
    mean_radius_of_gyration: float
    num_undefined: int


@checked()
def locality(
    mask: Any,
    geometry: Geometry,
    *,
    null: str = "fan_in",
    num_samples: int = _DEFAULT_DRAWS,
    seed: int = 0,
    unit_weights: Any = None,
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
    unit_weights : array-like of float, (out,), optional
        How much each unit counts in `attained_share` and `mean_radius_of_gyration`, not negative: for
        example what a unit contributes to the next layer. Default: all units alike. Nothing else depends on
        it.

    Raises
    ------
    InputError
        If the mask does not fit the geometry, holds negative or non-finite numbers, `null` or `num_samples`
        are out of range, or `unit_weights` do not fit.

    Notes
    -----
    S(d) follows Pellegrini & Biroli, arXiv 2104.13343; nulls, near, far and attained share are ours. Counts
    are summed over units before they are divided, so a unit counts by its number of pairs in `near`, `far`
    and `radius_of_gyration`; in `attained_share` every unit counts once.

    Every null treats units as independent except for what it preserves. Units of a deeper layer, seen
    through the product of masks, share paths: random pruning still gives 1 on average, but with more spread
    than z and interval allow for.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = locality(rng.random((200, 400)) < 0.05, Geometry(1, (20, 20)))
    >>> abs(found.near - 1) < 0.05
    True

    A square of 4 × 4 inputs is as compact as 16 inputs can be; a third of a stripe is not.

    >>> square = np.zeros((1, 20, 20), dtype=bool)
    >>> square[0, 3:7, 9:13] = True
    >>> found = locality(square.reshape(1, 400), Geometry(1, (20, 20)))
    >>> found.attained_share, found.far
    (1.0, 0.0)
    """
    return localities(mask, geometry, (null,), num_samples=num_samples, seed=seed, unit_weights=unit_weights)[
        0
    ]


@checked()
def localities(
    mask: Any,
    geometry: Geometry,
    nulls: Sequence[str],
    *,
    num_samples: int = _DEFAULT_DRAWS,
    seed: int = 0,
    unit_weights: Any = None,
) -> list[Locality]:
    """Return `locality` under several nulls; the pairs are counted only once."""
    weights = _weights(mask, geometry)
    counted = None if unit_weights is None else _unit_weights(unit_weights, len(weights))
    for null in nulls:
        _check_null(null, num_samples)
    counts = pair_counts(weights, geometry)
    observed = summary_values(counts, geometry)
    units = unit_locality(weights, geometry)
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
                near_per_unit=units.near,
                far_per_unit=units.far,
                attained_share=weighted_mean_of_defined(units.attained_share, counted),
                attained_share_per_unit=units.attained_share,
                near_ceiling=units.near_ceiling,
                radius_of_gyration_per_unit=units.radius_of_gyration,
                mean_radius_of_gyration=weighted_mean_of_defined(units.radius_of_gyration, counted),
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


def _unit_weights(unit_weights: Any, num_units: int) -> np.ndarray:
    given = np.asarray(unit_weights.detach().cpu() if hasattr(unit_weights, "detach") else unit_weights)
    if given.shape != (num_units,) or given.dtype.kind not in "biuf":
        raise InputError(
            f"unit_weights is {given.dtype}{given.shape}; one number for each of {num_units} units is needed"
        )
    values = given.astype(np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise InputError("unit_weights holds negative, NaN or infinite numbers; 0 leaves a unit out")
    return values


def _check_null(null: str, num_samples: int) -> None:
    if null not in get_args(Null):
        raise InputError(f"null is {null!r}; 'uniform', 'fan_in' and 'configuration' are allowed")
    if num_samples < (null == "configuration"):
        raise InputError(
            f"num_samples is {num_samples}; 0 or more is allowed, and for 'configuration' at least 1"
        )
