"""The instrument ``initialisation``: how much of a mask the weights decide that training began with."""

from collections.abc import Mapping
from dataclasses import asdict

from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import instrument
from sparsight.measure import initialisation_trace

_BEFORE = "before the level's training (level 0: the initialisation; later: the rewound weights)"
_DEFINITIONS = {
    "rank_correlation": f"Spearman correlation of |w| after training with |w| {_BEFORE}, over the weights "
    "trained (training changes no rank: 1; unrelated: 0)",
    "foretold_share": f"share of the pruned weights that pruning by |w| {_BEFORE} would also remove",
    "foretold_share_chance": "expectation of foretold_share if the pruned weights were drawn at random",
    "same_sign_share": f"share of the weights kept after the level with the sign they had {_BEFORE} "
    "(chance: ½)",
}


@instrument("initialisation", uses_twin=False)
def measure_initialisation(observation: Observation) -> Mapping[str, Quantity]:
    """Return how far trained weights, and what pruning removes, follow the weights that training began with.

    Quantities: see `InitialisationTrace`. Nothing is returned for a network that did not come out of the
    pruning loop, because nobody knows what its training began with.
    """
    if observation.weight_before is None:
        return {}
    trace = initialisation_trace(
        observation.weight_before, observation.weight, observation.mask, observation.next_mask
    )
    return {name: Quantity(value, (), _DEFINITIONS[name]) for name, value in asdict(trace).items()}
