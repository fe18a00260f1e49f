"""The instrument ``recovery``: the first layer's mask beside the planted supports of the task."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import support_recovery

_MATCHED = "planted units matched with units of the first layer"
_BY_CHANCE = "the same for random masks with the fan-in of every unit, matched likewise, mean of 20"
_DEFINITIONS = {
    "input_precision": "share of the first layer's kept weights on inputs that a planted unit reads",
    "input_precision_expected": "share of such inputs among all: expectation for weights kept at random",
    "input_precision_low": "2.5 % quantile of input_precision for weights kept at random (hypergeometric)",
    "input_precision_high": "97.5 % quantile of input_precision for weights kept at random (hypergeometric)",
    "precision": f"share of the matched units' kept weights inside the planted supports; {_MATCHED}",
    "recall": f"share of the planted supports that the matched units keep; {_MATCHED}",
    "precision_expected": f"precision: {_BY_CHANCE}",
    "recall_expected": f"recall: {_BY_CHANCE}",
}


@network_instrument("recovery")
def measure_recovery(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return precision and recall of the first layer's mask, see `sparsight.measure.support_recovery`.

    Nothing is returned if the task's card has no ``support``, as that of the source ``teacher`` has, or if
    the first mask is not that of a layer on the task's inputs.
    """
    planted = observation.task.card.get("support")
    num_inputs = observation.task.geometry.num_inputs
    first = next((mask for name, mask in observation.masks.items() if name.endswith("weight")), None)
    if not planted or first is None or first.ndim != 2 or first.shape[1] != num_inputs:
        return {}
    support = np.zeros((len(planted), num_inputs), dtype=bool)
    for unit, inputs in zip(support, planted, strict=True):
        unit[inputs] = True
    found = support_recovery(first.cpu().numpy(), support, seed=observation.seed)
    return {name: Quantity(value, (), _DEFINITIONS[name]) for name, value in asdict(found).items()}
