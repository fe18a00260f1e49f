"""The instrument ``recovery``: the first layer's mask beside the planted supports of the task."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import network_instrument
from sparsight.measure import input_auroc, support_recovery

_MATCHED = "planted units matched with units of the first layer"
_BY_CHANCE = "the same for random masks with the fan-in of every unit, matched likewise, mean of 20"
_KEEPS_MORE = "keeps more weights than one that no planted unit reads, ties half; ½ by chance"
_DEFINITIONS = {
    "input_precision": "share of the first layer's kept weights on inputs that a planted unit reads",
    "input_precision_expected": "share of such inputs among all: expectation for weights kept at random",
    "input_precision_low": "2.5 % quantile of input_precision for weights kept at random (hypergeometric)",
    "input_precision_high": "97.5 % quantile of input_precision for weights kept at random (hypergeometric)",
    "precision": f"share of the matched units' kept weights inside the planted supports; {_MATCHED}",
    "recall": f"share of the planted supports that the matched units keep; {_MATCHED}",
    "precision_expected": f"precision: {_BY_CHANCE}",
    "recall_expected": f"recall: {_BY_CHANCE}",
    "input_auroc": f"probability that an input that a planted unit reads {_KEEPS_MORE}",
    "input_auroc_permuted": "input_auroc for supports whose inputs are permuted, mean of 20; ½ by chance",
}


@network_instrument("recovery")
def measure_recovery(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return precision and recall of the first layer's mask, see `sparsight.measure.support_recovery`.

    If the card names kinds of inputs as well, as that of the source ``belief`` does in ``support_kinds``,
    `sparsight.measure.input_auroc` is returned for each kind, against the inputs that nothing planted reads.

    Nothing is returned if the task's card has no ``support``, as that of the source ``teacher`` has, or if
    the first mask is not that of a layer on the task's inputs.
    """
    card = observation.task.card
    planted = card.get("support")
    num_inputs = observation.task.geometry.num_inputs
    first = next((mask for name, mask in observation.masks.items() if name.endswith("weight")), None)
    if not planted or first is None or first.ndim != 2 or first.shape[1] != num_inputs:
        return {}
    mask = first.cpu().numpy()
    support = np.stack([_are_inputs(inputs, num_inputs) for inputs in planted])
    found = asdict(support_recovery(mask, support, seed=observation.seed))
    quantities = {name: Quantity(value, (), _DEFINITIONS[name]) for name, value in found.items()}
    nobody_reads = ~np.logical_or.reduce(support, axis=0)
    for kind, inputs in card.get("support_kinds", {}).items():
        value = input_auroc(mask, _are_inputs(inputs, num_inputs), nobody_reads)
        definition = f"probability that an input of the kind {kind} {_KEEPS_MORE}"
        quantities[f"input_auroc_of_{kind}"] = Quantity(value, (), definition)
    return quantities


def _are_inputs(inputs: Sequence[int], num_inputs: int) -> np.ndarray:
    """Return which inputs are listed, as bool."""
    are_listed = np.zeros(num_inputs, dtype=bool)
    are_listed[list(inputs)] = True
    return are_listed
