"""Locality and shape of the receptive fields of one layer, for recipes."""

from collections.abc import Mapping

import numpy as np

from sparsight.geometry import Geometry
from sparsight.instruments._field_quantities import by_fan_in, concentration, fan_in_spread, places
from sparsight.instruments._registry import Observation, Quantity, instrument
from sparsight.measure import (
    SUMMARIES,
    Locality,
    Null,
    fan_out,
    fit_gabor,
    fit_gaussian,
    ipr,
    ipr_of_fan_in,
    localities,
    locality,
    num_components,
    sample_masks,
    shuffled_over_kept,
)
from sparsight.streams import derived_seed

_DRAWS, _FEW_DRAWS = 10, 4
_MANY_TO_TRADE = 100_000
"""Above so many weights to trade a layer gets few draws: the more there are, the less the draws vary."""

_FITTED_SHARE = 0.125
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


@instrument("locality")
def observe_locality(observation: Observation) -> Mapping[str, Quantity]:
    """Return locality under three nulls, maps of pair counts (of quarters by fan-in, too), shape and fan-in.

    Deeper layers are looked at through the product of masks: an input belongs to a unit's receptive
    field if any kept path leads from it to the unit. Their units share paths, so random pruning spreads
    more than the nulls, which take units to be independent; no z and no interval are given for
    them. ``near`` and ``far`` alone are under ``fan_in``. Nothing is returned without a geometry.
    """
    geometry, paths = observation.geometry, observation.paths
    if geometry is None or paths is None:
        return {}
    mask = paths > 0
    seed = derived_seed(observation.seed, "locality", observation.layer, observation.level)
    to_trade = min(int(mask.sum()), int((~mask).sum()))
    num_samples = _FEW_DRAWS if to_trade > _MANY_TO_TRADE else _DRAWS if to_trade else 1
    quantities: dict[str, Quantity] = {}
    under_nulls = localities(mask, geometry, tuple(_NULLS), num_samples=num_samples, seed=seed)
    for found in under_nulls:
        quantities |= _ratios(found, with_z=observation.depth == 0)
        quantities |= _maps(found, geometry)
    quantities |= _weighted(observation, geometry, paths)
    quantities |= _per_unit(observation, mask, under_nulls[0])
    quantities |= _pieces(mask, geometry, seed)
    quantities |= concentration(observation.weight)
    quantities |= places(mask, geometry)
    quantities |= fan_in_spread(mask)
    quantities |= by_fan_in(mask, geometry)
    return quantities


@instrument("shape_fits")
def observe_shape_fits(observation: Observation) -> Mapping[str, Quantity]:
    """Return r² of Gaussian and Gabor fits to an eighth of the units of the first layer, and of a control.

    The control fits the same weights, shuffled over the same kept inputs. Deeper layers have no weights in
    the geometry of the input: nothing is returned for them, nor without a geometry.
    """
    geometry = observation.geometry
    if observation.depth > 0 or geometry is None:
        return {}
    seed = derived_seed(observation.seed, "shape fits", observation.layer)  # the same units at every level
    weight = observation.weight.astype(np.float64)
    quantities: dict[str, Quantity] = {}
    for shape, fit in (("gaussian", fit_gaussian), ("gabor", fit_gabor)):
        for suffix, values in (("", weight), ("_shuffled", shuffled_over_kept(weight, seed))):
            found = fit(values, geometry, share=_FITTED_SHARE, seed=seed)
            whose = "weights shuffled over the unit's kept inputs" if suffix else "weights"
            per_unit = np.full(len(weight), np.nan)
            per_unit[found.units] = found.r_squared
            quantities |= {
                f"{shape}_r_squared{suffix}": Quantity(
                    _mean(found.r_squared),
                    (),
                    f"mean r² of the {shape} fits to {whose}, of an eighth of the units",
                ),
                f"{shape}_r_squared_per_unit{suffix}": Quantity(
                    per_unit, ("unit",), f"r² of the {shape} fit to {whose}; NaN: not fitted"
                ),
                f"{shape}_num_failed{suffix}": Quantity(
                    float(found.num_failed), (), f"{shape} fits to {whose} that did not converge"
                ),
                f"{shape}_num_undefined{suffix}": Quantity(
                    float(found.num_undefined),
                    (),
                    f"units with no more kept pixels than the {shape} has parameters",
                ),
            }
    return quantities


def _ratios(found: Locality, with_z: bool) -> dict[str, Quantity]:
    suffix = "" if found.null == "fan_in" else f"_{found.null}"
    null = f"null: random masks with {_NULLS[found.null]}"
    quantities = {}
    for name in SUMMARIES:
        quantities[f"{name}{suffix}"] = Quantity(
            getattr(found, name), (), f"{_MEANINGS[name]} (chance: 1; {null})"
        )
        if with_z:
            quantities[f"{name}_z{suffix}"] = Quantity(
                found.z[name], (), f"({name} − 1) over its sd under the null (chance: 0 ± 1; {null})"
            )
            quantities[f"{name}_interval{suffix}"] = Quantity(
                np.array(found.interval[name]),
                ("bound",),
                f"where {name} lies with probability 95 % under the null (lower, upper; {null})",
            )
    return quantities


def _weighted(observation: Observation, geometry: Geometry, paths: np.ndarray) -> dict[str, Quantity]:
    """Return near and far of squared weights, or, in deeper layers, of numbers of paths."""
    if observation.depth == 0:
        values, words, name = observation.weight.astype(np.float64) ** 2, "squared weights", "squared_weights"
    else:
        values, words, name = paths, "numbers of kept paths", "paths"
    found = locality(values, geometry)
    return {
        f"{where}_{name}": Quantity(
            getattr(found, where),
            (),
            f"{_MEANINGS[where]}, a pair counting as the product of its {words} "
            "(chance: 1; null: each unit's values on random inputs)",
        )
        for where in ("near", "far")
    }


def _maps(found: Locality, geometry: Geometry) -> dict[str, Quantity]:
    dims = ("dx",) if len(geometry.size) == 1 else ("dy", "dx")
    quantities = {}
    for kind in ("same_channel", "different_channel")[: min(geometry.channels, 2)]:
        words = kind.replace("_", " ")
        if found.null == "fan_in":
            quantities[f"pairs_{kind}"] = Quantity(
                getattr(found, kind),
                dims,
                f"S(d): pairs of inputs of one unit at displacement d, {words}, all units",
            )
        quantities[f"pairs_{kind}_{found.null}"] = Quantity(
            getattr(found, f"{kind}_expected"),
            dims,
            f"expectation of S(d), {words}, under the null {found.null}",
        )
    return quantities


def _pieces(mask: np.ndarray, geometry: Geometry, seed: int) -> dict[str, Quantity]:
    connected = mask.any(axis=1)
    (random,) = sample_masks(mask, "fan_in", 1, seed)
    pieces = num_components(mask, geometry)
    meaning = "connected pieces of a unit's kept pixels (touching by side or corner, channels collapsed)"
    return {
        "num_pieces_per_unit": Quantity(pieces.astype(np.float64), ("unit",), meaning),
        "num_pieces": Quantity(_mean(pieces[connected]), (), f"mean over connected units of {meaning}"),
        "num_pieces_fan_in": Quantity(
            _mean(num_components(random, geometry)[connected]),
            (),
            "the same of one random mask with each unit's number of inputs kept",
        ),
    }


def _mean(values: np.ndarray) -> float:
    """Return the mean of what is defined; NaN if nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _per_unit(observation: Observation, mask: np.ndarray, found: Locality) -> dict[str, Quantity]:
    fan_in = mask.sum(axis=1)
    connected = fan_in > 0
    own_fan_in = observation.mask.sum(axis=1)
    concentration, by_chance = ipr(observation.weight), ipr_of_fan_in(own_fan_in)
    meaning = "Σw⁴/(Σw²)² of the unit's weights (1/n … 1)"
    return {
        "connected_units": Quantity(float(connected.sum()), (), "units with at least one kept input"),
        "num_undefined": Quantity(
            float(found.num_undefined), (), "units with fewer than two inputs: near, far NaN"
        ),
        "fan_in_per_unit": Quantity(
            fan_in.astype(np.float64), ("unit",), "inputs in the unit's receptive field"
        ),
        "near_per_unit": Quantity(
            found.near_per_unit, ("unit",), "near of each unit, under fan_in (chance: 1)"
        ),
        "far_per_unit": Quantity(found.far_per_unit, ("unit",), "far of each unit, under fan_in (chance: 1)"),
        "ipr_per_unit": Quantity(concentration, ("unit",), meaning),
        "ipr": Quantity(
            _mean(concentration),
            (),
            f"mean over units of {meaning}",
        ),
        "ipr_null": Quantity(
            _mean(by_chance),
            (),
            "mean over units of 3/(k + 2): the ipr of k independent Gaussian weights, k the unit's fan-in",
        ),
        "fan_out_per_input": Quantity(
            fan_out(mask).astype(np.float64), ("input",), "units whose receptive field holds the input"
        ),
    }
