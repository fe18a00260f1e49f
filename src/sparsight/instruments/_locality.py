"""The instrument ``locality``: whether the inputs that a unit keeps are close together, under three nulls."""

from collections.abc import Mapping

import numpy as np

from sparsight.geometry import Geometry
from sparsight.instruments._attained_locality import activity, share_and_radius
from sparsight.instruments._field_quantities import by_fan_in, concentration, fan_in_spread, places
from sparsight.instruments._missing_geometry import warn_of_missing_geometry
from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import instrument
from sparsight.measure import (
    SUMMARIES,
    Locality,
    Null,
    fan_out,
    ipr,
    ipr_of_cut_gaussian,
    ipr_of_fan_in,
    localities,
    locality,
    mean_of_defined,
    num_components,
    sample_masks,
)
from sparsight.streams import derived_seed

_DRAWS, _FEW_DRAWS = 10, 4
"""Random masks for the null ``configuration``, in small and in large layers."""
_MANY_TO_TRADE = 100_000
"""Layers with more weights to trade than this get few draws: the more weights, the less the draws vary."""

_NULLS: dict[Null, str] = {
    "fan_in": "each unit's number of inputs kept",
    "uniform": "the layer's number of weights kept",
    "configuration": "each unit's and each input's number kept",
}
_MEANINGS = {
    "near": "pairs of inputs of one unit at |d| ≤ 1.5 pixels, same channel, over their expectation",
    "far": "pairs of inputs of one unit at |d| ≥ D/4, same channel, over their expectation",
    "near_different_channel": "pairs of inputs of one unit at |d| ≤ 1.5 pixels, different channels, "
    "over their expectation",
    "far_different_channel": "pairs of inputs of one unit at |d| ≥ D/4, different channels, "
    "over their expectation",
    "radius_of_gyration": "root mean squared distance of pairs of inputs of a unit, over its expectation",
}


@instrument("locality", uses_twin=False)
def measure_locality(observation: Observation) -> Mapping[str, Quantity]:
    """Return locality under three nulls, maps of pair counts, and position, size and fan-in of the fields.

    In deeper layers an input belongs to a unit's receptive field if any kept path leads from it to the
    unit. Units of these layers share paths, so under random pruning their locality varies more than the
    nulls say, which treat units as independent: they get no z and no interval. Plain ``near`` and ``far``
    are relative to the null ``fan_in``. Without a geometry nothing is returned, and a warning says how
    to give one.
    """
    geometry, paths = observation.geometry, observation.paths
    if geometry is None or paths is None:
        warn_of_missing_geometry(observation, "locality")
        return {}
    mask = paths > 0
    seed = derived_seed(observation.seed, "locality", observation.layer, observation.level)
    # Trades move the kept weights or, if there are fewer of them, the holes; a full or empty mask has none to
    # move, and every draw of it is the mask itself.
    to_trade = min(int(mask.sum()), int((~mask).sum()))
    num_samples = _FEW_DRAWS if to_trade > _MANY_TO_TRADE else _DRAWS if to_trade else 1
    quantities: dict[str, Quantity] = {}
    under_nulls = localities(mask, geometry, tuple(_NULLS), num_samples=num_samples, seed=seed)
    for found in under_nulls:
        quantities |= _ratios(found, with_z=observation.depth == 0)
        quantities |= _maps(found, geometry)
    quantities |= _weighted(observation, geometry, paths)
    quantities |= _per_unit(observation, mask, under_nulls[0])
    quantities |= share_and_radius(observation, under_nulls[0])
    quantities |= activity(observation)
    quantities |= _pieces(mask, geometry, seed)
    quantities |= concentration(observation.weight)
    quantities |= places(mask, geometry)
    quantities |= fan_in_spread(mask)
    quantities |= by_fan_in(mask, geometry)
    return quantities


def _ratios(found: Locality, with_z: bool) -> dict[str, Quantity]:
    suffix = "" if found.null == "fan_in" else f"_{found.null}"
    null = f"null: random masks with {_NULLS[found.null]}"
    quantities = {}
    for name in SUMMARIES:
        meaning = f"{_MEANINGS[name]} (chance: 1; {null})"
        quantities[f"{name}{suffix}"] = Quantity(getattr(found, name), (), meaning)
        if with_z:
            z = f"({name} − 1) over its sd under the null (chance: 0 ± 1; {null})"
            bounds = f"where {name} lies with probability 95 % under the null (lower, upper; {null})"
            interval = Quantity(np.array(found.interval[name]), ("bound",), bounds)
            quantities[f"{name}_z{suffix}"] = Quantity(found.z[name], (), z)
            quantities[f"{name}_interval{suffix}"] = interval
    return quantities


def _weighted(observation: Observation, geometry: Geometry, paths: np.ndarray) -> dict[str, Quantity]:
    """Return near and far weighted by squared weights or, in deeper layers, by numbers of paths."""
    if observation.depth == 0:
        values, words, name = observation.weight.astype(np.float64) ** 2, "squared weights", "squared_weights"
    else:
        values, words, name = paths, "numbers of kept paths", "paths"
    found = locality(values, geometry)
    counted = f"a pair counting as the product of its {words}"
    null = "(chance: 1; null: each unit's values on random inputs)"
    return {
        f"{where}_{name}": Quantity(getattr(found, where), (), f"{_MEANINGS[where]}, {counted} {null}")
        for where in ("near", "far")
    }


def _maps(found: Locality, geometry: Geometry) -> dict[str, Quantity]:
    dims = ("dx",) if len(geometry.size) == 1 else ("dy", "dx")
    quantities = {}
    for kind in ("same_channel", "different_channel")[: min(geometry.channels, 2)]:  # one channel: no others
        words = kind.replace("_", " ")
        if found.null == "fan_in":
            pairs = f"S(d): pairs of inputs of one unit at displacement d, {words}, all units"
            quantities[f"pairs_{kind}"] = Quantity(getattr(found, kind), dims, pairs)
        expectation = f"expectation of S(d), {words}, under the null {found.null}"
        expected = getattr(found, f"{kind}_expected")
        quantities[f"pairs_{kind}_{found.null}"] = Quantity(expected, dims, expectation)
    return quantities


def _pieces(mask: np.ndarray, geometry: Geometry, seed: int) -> dict[str, Quantity]:
    fan_in = mask.sum(axis=1)
    connected, several = fan_in > 0, fan_in >= 2
    pieces = num_components(mask, geometry)
    # The first draw is the one that `num_pieces_fan_in` has always had.
    draws = [num_components(random, geometry) for random in sample_masks(mask, "fan_in", _FEW_DRAWS, seed)]
    meaning = "connected pieces of a unit's kept pixels (touching by side or corner, channels collapsed)"
    mean = f"mean over connected units of {meaning}"
    control = "the same for one random mask that keeps each unit's number of inputs"
    of_several = f"mean over units with two or more inputs of {meaning}"
    expected = f"the same for random masks that keep each unit's number of inputs, mean of {_FEW_DRAWS} draws"
    by_chance = mean_of_defined(np.mean(draws, axis=0)[several])
    return {
        "num_pieces_per_unit": Quantity(pieces.astype(np.float64), ("unit",), meaning),
        "num_pieces": Quantity(mean_of_defined(pieces[connected]), (), mean),
        "num_pieces_fan_in": Quantity(mean_of_defined(draws[0][connected]), (), control),
        "pieces": Quantity(mean_of_defined(pieces[several]), (), of_several),
        "pieces_expected": Quantity(by_chance, (), expected),
    }


def _per_unit(observation: Observation, mask: np.ndarray, found: Locality) -> dict[str, Quantity]:
    fan_in = mask.sum(axis=1)
    concentration, by_chance = ipr(observation.weight), ipr_of_fan_in(observation.mask.sum(axis=1))
    undefined = "units with fewer than two inputs: near, far NaN"
    by_unit = "of each unit, under fan_in (chance: 1)"
    meaning = "Σw⁴/(Σw²)² of the unit's weights (1/n … 1)"
    null = "mean over units of 3/(k + 2): the ipr of k independent Gaussian weights, k the unit's fan-in"
    density = float(observation.mask.mean()) if observation.mask.size else 0.0
    after_cut = np.full(len(fan_in), np.nan)
    if density > 0:
        after_cut = ipr_of_cut_gaussian(observation.mask.sum(axis=1), density)
    truncated = (
        "mean over units of the ipr of k independent Gaussian weights of which the layer's density was kept "
        "by |w|, k the unit's fan-in: the null after magnitude pruning"
    )
    field, readers = "inputs in the unit's receptive field", "units whose receptive field holds the input"
    return {
        "connected_units": Quantity(float((fan_in > 0).sum()), (), "units with at least one kept input"),
        "num_undefined": Quantity(float(found.num_undefined), (), undefined),
        "fan_in_per_unit": Quantity(fan_in.astype(np.float64), ("unit",), field),
        "near_per_unit": Quantity(found.near_per_unit, ("unit",), f"near {by_unit}"),
        "far_per_unit": Quantity(found.far_per_unit, ("unit",), f"far {by_unit}"),
        "ipr_per_unit": Quantity(concentration, ("unit",), meaning),
        "ipr": Quantity(mean_of_defined(concentration), (), f"mean over units of {meaning}"),
        "ipr_null": Quantity(mean_of_defined(by_chance), (), null),
        "ipr_null_truncated": Quantity(mean_of_defined(after_cut), (), truncated),
        "fan_out_per_input": Quantity(fan_out(mask).astype(np.float64), ("input",), readers),
    }
