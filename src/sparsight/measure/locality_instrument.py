"""Locality and shape of the receptive fields of one layer, for recipes."""

from collections.abc import Mapping

import numpy as np

from sparsight.geometry import Geometry
from sparsight.measure.instrument import Observation, Quantity, instrument
from sparsight.measure.locality import Locality, locality, unit_locality
from sparsight.measure.nulls import Null
from sparsight.measure.receptive_field import fan_out, ipr, ipr_of_fan_in
from sparsight.streams import derived_seed

NUM_DRAWS = 4
_NULLS: dict[Null, str] = {
    "fan_in": "each unit's number of inputs kept",
    "uniform": "the layer's number of weights kept",
    "configuration": "each unit's and each input's number kept",
}


@instrument("locality")
def observe_locality(observation: Observation) -> Mapping[str, Quantity]:
    """Return locality under three nulls, maps of pair counts, ipr and fan-in.

    Deeper layers are looked at through the product of masks: an input belongs to a unit's receptive
    field if any kept path leads from it to the unit. ``near`` and ``far`` alone are under ``fan_in``.
    """
    mask = observation.paths > 0
    geometry = observation.geometry
    seed = derived_seed(observation.seed, "locality", observation.layer, observation.level)
    quantities: dict[str, Quantity] = {}
    for null, kept in _NULLS.items():
        num_samples = NUM_DRAWS if null == "configuration" else 0
        found = locality(mask, geometry, null=null, num_samples=num_samples, seed=seed)
        quantities |= _ratios(
            found, "" if null == "fan_in" else f"_{null}", f"null: random masks with {kept}"
        )
        quantities |= _maps(found, geometry)
    quantities |= _per_unit(observation, mask)
    return quantities


def _ratios(found: Locality, suffix: str, null: str) -> dict[str, Quantity]:
    distances = {"near": "|d| ≤ 1.5 pixels", "far": "|d| ≥ D/4"}
    quantities = {}
    for name, where in distances.items():
        meaning = (
            f"pairs of inputs of one unit at {where}, same channel, over their expectation "
            f"(chance: 1; {null})"
        )
        quantities[f"{name}{suffix}"] = Quantity(getattr(found, name), (), meaning)
        quantities[f"{name}_different_channel{suffix}"] = Quantity(
            getattr(found, f"{name}_different_channel"),
            (),
            meaning.replace("same channel", "different channels"),
        )
    quantities[f"radius_of_gyration{suffix}"] = Quantity(
        found.radius_of_gyration,
        (),
        f"root mean squared distance of pairs of inputs of a unit, over its expectation (chance: 1; {null})",
    )
    return quantities


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


def _per_unit(observation: Observation, mask: np.ndarray) -> dict[str, Quantity]:
    fan_in = mask.sum(axis=1)
    connected = fan_in > 0
    near, far = unit_locality(mask, observation.geometry)
    own_fan_in = observation.mask.sum(axis=1)
    concentration, by_chance = ipr(observation.weight), ipr_of_fan_in(own_fan_in)
    weighted = own_fan_in > 0
    meaning = "Σw⁴/(Σw²)² of the unit's weights (1/n … 1)"
    return {
        "connected_units": Quantity(float(connected.sum()), (), "units with at least one kept input"),
        "num_undefined": Quantity(
            float((fan_in < 2).sum()), (), "units with fewer than two inputs: near, far NaN"
        ),
        "fan_in_per_unit": Quantity(
            fan_in.astype(np.float64), ("unit",), "inputs in the unit's receptive field"
        ),
        "near_per_unit": Quantity(near, ("unit",), "near of each unit, under fan_in (chance: 1)"),
        "far_per_unit": Quantity(far, ("unit",), "far of each unit, under fan_in (chance: 1)"),
        "ipr_per_unit": Quantity(concentration, ("unit",), meaning),
        "ipr": Quantity(
            float(concentration[weighted].mean()) if weighted.any() else np.nan,
            (),
            f"mean over units of {meaning}",
        ),
        "ipr_null": Quantity(
            float(by_chance[weighted].mean()) if weighted.any() else np.nan,
            (),
            "mean over units of 3/(k + 2): the ipr of k independent Gaussian weights, k the unit's fan-in",
        ),
        "fan_out_per_input": Quantity(
            fan_out(mask).astype(np.float64), ("input",), "units whose receptive field holds the input"
        ),
    }
