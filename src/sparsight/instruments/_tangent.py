"""The instrument ``tangent``: the neural tangent kernel of a level beside those of random masks."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from sparsight.errors import InputError
from sparsight.instruments._observation import NetworkObservation
from sparsight.instruments._quantity import Quantity
from sparsight.instruments._rearranged_networks import (
    REARRANGED_WORDS,
    REARRANGEMENTS,
    chain_and_masks,
    network_in,
)
from sparsight.instruments._registry import network_instrument
from sparsight.measure import centred_cosine, effective_rank, label_alignment, tangent_kernel
from sparsight.prune import State, rearranged
from sparsight.train import Masks

_SAMPLES = 128

_KERNEL = (
    f"neural tangent kernel of the kept weights, without biases, summed over logits, on at most {_SAMPLES} "
    "training samples"
)
_BEFORE = "before training (at the initial or rewound weights)"
_ALIGNMENT = "yᵀΘy / (‖y‖² ‖Θ‖) with one-hot labels minus their mean"
_RANK = "exp of the entropy of the eigenvalues over their sum"
_MEANINGS = {
    "cosine_to_dense": f"centred cosine of the {_KERNEL}, {_BEFORE}, to that without masks",
    "label_alignment": f"{_ALIGNMENT}, Θ the {_KERNEL}, {_BEFORE}",
    "effective_rank": f"{_RANK}, of the {_KERNEL}, {_BEFORE}",
    "trace_over_prediction": f"trace of the {_KERNEL}, {_BEFORE}, over that without masks times the "
    "density of every masked layer (wide networks with random masks, without biases and BatchNorm: "
    "1, unless the input layer has few inputs a unit)",
}
_CONTROLS = REARRANGED_WORDS | {"fresh": "with the weights of each layer drawn from all its weights anew"}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Dense:
    """The dense network with a level's initial weights: its state and its kernel."""

    state: State
    kernel: np.ndarray


@network_instrument("tangent")
def measure_tangent(observation: NetworkObservation) -> Mapping[str, Quantity]:
    """Return what the neural tangent kernel of a level says, before and after training.

    Every number before training is beside random masks on the same weights (``_same_count``,
    ``_same_fan_in``, ``_permuted``), beside other weights under the same masks (``_fresh``), and beside the
    dense network (``_dense``). Parameters are those of `sparsight.chain_of`, with BatchNorm folded in.
    What needs weights of before training is missing where nobody knows them, and where regrowth has changed
    the level's masks since; networks that are not a chain
    of linear layers, each with its activation, have no value, and a warning says why.

    Source: after Yang & Wang, arXiv 2203.14328; see `sparsight.tangent_kernel`.
    """
    try:
        trained = _kernel(observation, observation.network, observation.masks)
    except InputError as error:
        warnings.warn(f"tangent: no kernel is computed, because {error}", UserWarning, stacklevel=2)
        return {}
    labels = observation.task.representative("train", _num_samples(observation), observation.seed)[1].numpy()
    found = {
        "label_alignment_trained": Quantity(
            label_alignment(trained, labels), (), f"{_ALIGNMENT}, Θ the {_KERNEL}, after training"
        ),
        "effective_rank_trained": Quantity(
            effective_rank(trained), (), f"{_RANK}, of the {_KERNEL}, after training"
        ),
    }
    initial = getattr(observation.level, "initial_of_kept", None)
    if not initial:
        return found
    own = _kernel_in(observation, initial, observation.masks)
    found["cosine_to_trained"] = Quantity(
        centred_cosine(own, trained),
        (),
        f"centred cosine of the {_KERNEL}, {_BEFORE}, to that after training",
    )
    dense = _dense(observation)
    found |= _numbers(observation, own, dense, labels)
    if dense is None:
        return found
    for name in ("label_alignment", "effective_rank"):
        value = (
            label_alignment(dense.kernel, labels)
            if name == "label_alignment"
            else effective_rank(dense.kernel)
        )
        found[f"{name}_dense"] = Quantity(value, (), f"{_MEANINGS[name]}: the same weights without masks")
    for control, words in _CONTROLS.items():
        kernel = _control(observation, dense.state, control)
        for name, quantity in _numbers(observation, kernel, dense, labels).items():
            found[f"{name}_{control}"] = Quantity(quantity.value, (), f"{_MEANINGS[name]}: {words}")
    return found


def _num_samples(observation: NetworkObservation) -> int:
    return min(_SAMPLES, observation.num_samples)


def _kernel(observation: NetworkObservation, network: nn.Module, masks: Masks) -> np.ndarray:
    chain, of_layers = chain_and_masks(network, masks)
    inputs, _ = observation.task.representative("train", _num_samples(observation), observation.seed)
    return tangent_kernel(chain, inputs.numpy(), masks=of_layers, biases=False)


def _kernel_in(observation: NetworkObservation, state: State, masks: Masks) -> np.ndarray:
    return _kernel(observation, network_in(observation, state, masks), masks)


def _dense(observation: NetworkObservation) -> _Dense | None:
    state = observation.dense_initial
    return None if state is None else _Dense(state=state, kernel=_kernel_in(observation, state, {}))


def _numbers(
    observation: NetworkObservation, kernel: np.ndarray, dense: _Dense | None, labels: np.ndarray
) -> dict[str, Quantity]:
    values = {"label_alignment": label_alignment(kernel, labels), "effective_rank": effective_rank(kernel)}
    if dense is not None:
        shares = [float(mask.float().mean()) for mask in observation.masks.values() if mask.dim() == 2]
        predicted = float(np.trace(dense.kernel)) * float(np.prod(shares))
        values["cosine_to_dense"] = centred_cosine(kernel, dense.kernel)
        values["trace_over_prediction"] = float(np.trace(kernel)) / predicted if predicted else float("nan")
    return {name: Quantity(value, (), _MEANINGS[name]) for name, value in values.items()}


def _control(observation: NetworkObservation, dense: State, control: str) -> np.ndarray:
    masks = observation.masks
    if control == "fresh":
        weights = {name: dense[name] for name in masks if masks[name].dim() == 2}
        drawn = rearranged(weights, "layer", observation.seed)
        return _kernel_in(observation, dense | drawn, masks)
    return _kernel_in(observation, dense, rearranged(masks, REARRANGEMENTS[control], observation.seed))
