"""The instrument ``mask_graph``: the mask as a bipartite graph, beside random masks of the same degrees."""

from collections.abc import Mapping, Sequence

import numpy as np

from sparsight.instruments._observation import Observation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._registry import instrument
from sparsight.measure import MaskGraph, effective_rank, mask_graph, mean_of_defined, sample_masks

_NUM_DRAWS = 5
_LARGEST = 10  # singular values stored of each mask

_MEANINGS = {
    "first_singular_value": "largest singular value of the mask as a matrix of 0 and 1",
    "second_singular_value": "second largest singular value of the mask as a matrix of 0 and 1",
    "effective_rank": "exp of the entropy of the mask's singular values over their sum",
    "num_components": "connected components of the mask with at least one weight",
    "largest_component_share": "share of the weights in the largest connected component",
}
_DEGREES = {
    "fan_in_variation": "standard deviation over mean of the units' numbers of inputs",
    "fan_out_variation": "standard deviation over mean of the numbers of units that read each input",
    "fan_in_tail": "share of the weights on the tenth of the units with most inputs (equal degrees: 0.1)",
    "fan_out_tail": "share of the weights on the tenth of the inputs with most readers (equal degrees: 0.1)",
    "num_without_inputs": "units without a kept weight",
    "num_without_readers": "inputs that no unit reads",
}
_CONFIGURATION = (
    f"the same for random masks that keep every unit's fan-in and every input's fan-out, mean of {_NUM_DRAWS}"
)
_UNIFORM = f"the same for random masks with as many weights in the layer, mean of {_NUM_DRAWS}"


@instrument("mask_graph", uses_twin=False)
def measure_mask_graph(observation: Observation) -> Mapping[str, Quantity]:
    """Return properties of the layer's mask as a graph, see `sparsight.measure.mask_graph`.

    Spectrum, components, paths and the rank of the weights are beside those of random masks with the same
    degrees (``_configuration``), which they equal if the degrees explain them. Degrees themselves, which that
    null keeps, are beside random masks with as many weights (``_uniform``).
    """
    mask = observation.mask
    randomised = list(sample_masks(mask, "configuration", _NUM_DRAWS, observation.seed))
    same_number = list(sample_masks(mask, "uniform", _NUM_DRAWS, observation.seed))
    graph = mask_graph(mask)
    like_configuration = [mask_graph(each) for each in randomised]
    return (
        _beside(graph, like_configuration, _MEANINGS, ("configuration", _CONFIGURATION))
        | _beside(graph, [mask_graph(each) for each in same_number], _DEGREES, ("uniform", _UNIFORM))
        | _spectrum(graph, like_configuration)
        | _ranks_of_weights(observation)
        | _paths(observation, randomised)
        | _dead_units(observation, same_number)
    )


def _beside(
    graph: MaskGraph, by_chance: Sequence[MaskGraph], meanings: Mapping[str, str], null: tuple[str, str]
) -> dict[str, Quantity]:
    """Return named properties of a graph, each beside its mean over graphs of a null (name and words)."""
    quantities = {}
    for name, meaning in meanings.items():
        own, *drawn = (float(getattr(each, name)) for each in (graph, *by_chance))
        quantities[name] = Quantity(own, (), meaning)
        quantities[f"{name}_{null[0]}"] = Quantity(_mean(drawn), (), f"{meaning}: {null[1]}")
    return quantities


def _spectrum(graph: MaskGraph, by_chance: Sequence[MaskGraph]) -> dict[str, Quantity]:
    """Return the largest singular values, and the second over the Ramanujan bound, beside random masks."""
    bound = graph.ramanujan_bound
    over = [each.second_singular_value / bound if bound else np.nan for each in (graph, *by_chance)]
    largest = [_first_values(each) for each in (graph, *by_chance)]
    mean_degrees = "√(k₁ − 1) + √(k₂ − 1), k₁ and k₂ the mean degrees of the units and inputs with a weight"
    ratio = "second singular value over the Ramanujan bound (at most 1 in a Ramanujan graph)"
    values = f"the {_LARGEST} largest singular values of the mask as a matrix of 0 and 1"
    return {
        "ramanujan_bound": Quantity(bound, (), mean_degrees),
        "second_over_bound": Quantity(over[0], (), ratio),
        "second_over_bound_configuration": Quantity(_mean(over[1:]), (), f"{ratio}: {_CONFIGURATION}"),
        "singular_values": Quantity(largest[0], ("rank",), values),
        "singular_values_configuration": Quantity(
            np.mean(largest[1:], axis=0), ("rank",), f"{values}: {_CONFIGURATION}"
        ),
    }


def _first_values(graph: MaskGraph) -> np.ndarray:
    padded = np.full(_LARGEST, np.nan)
    first = graph.singular_values[:_LARGEST]
    padded[: len(first)] = first
    return padded


def _ranks_of_weights(observation: Observation) -> dict[str, Quantity]:
    """Return the effective rank of W, and that of its weights on the places of random masks."""
    meaning = "exp of the entropy of the weights' singular values over their sum"
    # The null draws maps without signs, so it is given the number of each weight and the weights are put
    # back: every unit keeps its own.
    numbers = np.zeros(observation.mask.shape, np.int64)
    numbers[observation.mask] = np.arange(1, int(observation.mask.sum()) + 1)
    values = np.r_[0.0, observation.weight[observation.mask].astype(np.float64)]
    by_chance = [
        effective_rank(values[each])
        for each in sample_masks(numbers, "configuration", _NUM_DRAWS, observation.seed)
    ]
    own = effective_rank(values[numbers])
    return {
        "weight_effective_rank": Quantity(own, (), meaning),
        "weight_effective_rank_configuration": Quantity(
            _mean(by_chance), (), f"{meaning}: {_CONFIGURATION}, with each unit's weights"
        ),
    }


def _paths(observation: Observation, randomised: list[np.ndarray]) -> dict[str, Quantity]:
    """Return the number of kept paths from the network's inputs through this layer."""
    below = observation.paths_to_inputs
    if below is None:
        return {}
    meaning = "kept paths from the network's inputs to the layer's units"
    by_chance = [float((each @ below).sum()) for each in randomised]
    return {
        "num_paths": Quantity(float((observation.mask @ below).sum()), (), meaning),
        "num_paths_configuration": Quantity(
            _mean(by_chance), (), f"{meaning}: {_CONFIGURATION}, in this layer alone"
        ),
    }


def _dead_units(observation: Observation, same_number: list[np.ndarray]) -> dict[str, Quantity]:
    """Return the number of units that cannot matter: no input is kept, or no later unit reads them."""
    if observation.outgoing is None:
        return {}
    is_unread = ~(observation.outgoing != 0).any(axis=0)
    own, *drawn = (float((~each.any(axis=1) | is_unread).sum()) for each in (observation.mask, *same_number))
    meaning = "units without a kept input, or that no unit of the next layer reads"
    return {
        "num_dead_units": Quantity(own, (), meaning),
        "num_dead_units_uniform": Quantity(_mean(drawn), (), f"{meaning}: {_UNIFORM}"),
    }


def _mean(values: Sequence[float]) -> float:
    return mean_of_defined(np.asarray(values, np.float64))
