"""A level as chains of affine layers: as trained, as it began, and with fresh weights under its masks."""

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from sparsight.errors import InputError
from sparsight.instruments._observation import NetworkObservation
from sparsight.measure import Chain
from sparsight.network import chain_of, linear_layers
from sparsight.prune import Level, RearrangedMasks, State, copied
from sparsight.streams import generator


def chain_or_warning(observation: NetworkObservation, instrument: str) -> Chain | None:
    """Return the trained network as a chain; None, with a warning that says why, if it is none."""
    try:
        return chain_of(observation.network)
    except InputError as error:
        warnings.warn(
            f"{instrument} is of networks that are a chain of linear layers, and this one is not: {error}. "
            "What needs a chain is not measured",
            stacklevel=2,
        )
        return None


def chain_before(observation: NetworkObservation) -> Chain | None:
    """Return the chain of the weights that the level began with.

    None if nobody knows them, or if some of the level's connections were grown while it trained.
    """
    level = observation.level
    return _chain_with(observation, level.initial_of_kept) if isinstance(level, Level) else None


def dense_chain_before(observation: NetworkObservation) -> Chain | None:
    """Return the chain of the weights that surviving weights go back to, without masks; None if unknown.

    At level 0 these are the weights that it began with.
    """
    level = observation.level
    if not isinstance(level, Level):
        return None
    return _chain_with(observation, level.initial if level.index == 0 else level.rewind)


def _chain_with(observation: NetworkObservation, state: State | None) -> Chain | None:
    if not state:
        return None
    network = copied(observation.network)
    network.load_state_dict(state)
    return chain_of(network)


def masks_of_chain(observation: NetworkObservation, how: str = "none", seed: int = 0) -> list[np.ndarray]:
    """Return the mask of each layer of a chain, rearranged; all True for a layer without a mask.

    `how` is a row of the table of `sparsight.prune.RearrangedMasks`.
    """
    of_weights = {name: mask.cpu() for name, mask in observation.masks.items() if mask.dim() == 2}
    rearranged = of_weights
    if of_weights:
        source = RearrangedMasks(source=[of_weights], how=how, seed=seed, geometry=observation.task.geometry)
        rearranged = source.masks(0)
    return [
        rearranged.get(f"{name}.weight", torch.ones(layer.weight.shape, dtype=torch.bool)).numpy()
        for name, layer in linear_layers(observation.network).items()
    ]


def fresh_chain(
    masks: Sequence[np.ndarray], activations: Sequence[str], seed: int, *name: str | int
) -> Chain:
    """Return a chain of random weights under masks, without biases.

    The weights of a layer are drawn from a Gaussian of variance 2/k, where k is the mean number of kept
    inputs of its units, from the stream ``(seed, *name, layer)``. Every weight has its own draw, kept or
    not.
    """
    weights = []
    for layer, mask in enumerate(masks):
        drawn = generator(seed, *name, layer).normal(size=mask.shape)
        weights.append(np.where(mask, drawn * np.sqrt(2 / max(mask.sum(axis=1).mean(), 1.0)), 0.0))
    return Chain(weights, [np.zeros(len(mask)) for mask in masks], activations)


def rearranged_chain(chain: Chain, how: Literal["unit", "rows_columns"], seed: int) -> Chain:
    """Return a chain with the weights of each layer in other places.

    With ``unit`` the weights of each unit, zeros included, go to random inputs: a random mask of equal
    fan-in. With ``rows_columns`` the units of each layer and its inputs are permuted, biases with their
    units: the layer keeps its structure and loses its match with the inputs and with the layers beside it.
    The stream is ``(seed, "rearranged", how, layer)``.
    """
    weights, biases = [], []
    for layer, (weight, bias) in enumerate(zip(chain.weights, chain.biases, strict=True)):
        stream = generator(seed, "rearranged", how, layer)
        rows = np.arange(len(bias))
        if how == "unit":
            weights.append(stream.permuted(weight, axis=1))
        else:
            rows = stream.permutation(len(bias))
            weights.append(weight[rows][:, stream.permutation(weight.shape[1])])
        biases.append(bias[rows])
    return Chain(weights, biases, chain.activations)


def has_layers_of(chain: Chain, masks: Sequence[np.ndarray]) -> bool:
    """Return whether each linear layer is a layer of the chain: two without activation between are one."""
    return [weight.shape for weight in chain.weights] == [mask.shape for mask in masks]
