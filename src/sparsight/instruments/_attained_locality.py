"""Quantities of the instrument ``locality``: attained share, radius and contribution of units."""

import numpy as np
import torch

from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.measure import Locality, preactivations, weighted_mean_of_defined

_SAMPLES_PER_BLOCK = 1024
"""Samples whose pre-activations are in memory together."""

_SHARE = (
    "(S_near − null)/(max − null), S_near the unit's pairs of inputs at |d| ≤ 1.5 pixels, same channel, "
    "null their expectation in random places, max the most that as many inputs can have (chance: 0; most "
    "compact: 1)"
)
_RADIUS = (
    "root mean squared distance of pairs of the unit's inputs in the same channel, over its expectation in "
    "random places (chance: 1)"
)


def share_and_radius(observation: Observation, found: Locality) -> dict[str, Quantity]:
    """Return attained share and radius per unit and on average, also weighted by what units contribute."""
    undefined = "NaN: fewer than two inputs, or all of them"
    ceiling = (
        "largest near that units of these fan-ins can have: Σ max/Σ null over units (no unit's inputs can be "
        "more compact)"
    )
    quantities = {
        "attained_share": Quantity(found.attained_share, (), f"mean over units of {_SHARE}"),
        "attained_share_per_unit": Quantity(
            found.attained_share_per_unit, ("unit",), f"{_SHARE}; {undefined}"
        ),
        "near_ceiling": Quantity(found.near_ceiling, (), ceiling),
        "radius_of_gyration_per_unit": Quantity(
            found.radius_of_gyration_per_unit, ("unit",), f"{_RADIUS}; NaN: no pair"
        ),
    }
    contribution = _contribution(observation)
    if contribution is None:
        return quantities
    weighted = "weighted by Σ|v| over the unit's outgoing weights times the sd of its output"
    return quantities | {
        "contribution_per_unit": Quantity(
            contribution,
            ("unit",),
            "Σ|v| over the unit's outgoing weights times the sd of its output over samples, as a share of "
            "the layer's sum",
        ),
        "attained_share_by_contribution": Quantity(
            weighted_mean_of_defined(found.attained_share_per_unit, contribution),
            (),
            f"mean over units, {weighted}, of {_SHARE}",
        ),
        "radius_of_gyration_by_contribution": Quantity(
            weighted_mean_of_defined(found.radius_of_gyration_per_unit, contribution),
            (),
            f"mean over units, {weighted}, of {_RADIUS}",
        ),
    }


def activity(observation: Observation) -> dict[str, Quantity]:
    """Return the number of units that no sample activates."""
    bias = None if observation.bias is None else torch.from_numpy(observation.bias)
    largest = np.full(len(observation.weight), -np.inf)
    weight = torch.from_numpy(observation.weight)
    for block in observation.inputs.split(_SAMPLES_PER_BLOCK):  # type: ignore[no-untyped-call]
        np.maximum(largest, preactivations(weight, block, bias).max(axis=0, initial=-np.inf), out=largest)
    meaning = (
        "units whose pre-activation, before any BatchNorm, is ≤ 0 on every sample: with ReLU and without "
        "BatchNorm they are never active, but count in the means over units"
    )
    return {"num_never_active": Quantity(float((largest <= 0).sum()), (), meaning)}


def _contribution(observation: Observation) -> np.ndarray | None:
    """Return Σ|v| · sd(output) of each unit as a share of the layer's, (out,); None if there is no next."""
    if observation.outgoing is None or observation.outputs is None:
        return None
    spread = observation.outputs.double().std(dim=0, correction=0).numpy()
    sizes = np.abs(observation.outgoing.astype(np.float64)).sum(axis=0) * spread
    total = sizes.sum()
    shares: np.ndarray = sizes / total if total > 0 else np.full(len(sizes), np.nan)
    return shares
