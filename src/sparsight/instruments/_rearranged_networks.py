"""Controls of instruments of the whole network: its own weights at other places, or other masks on them."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.errors import InputError
from sparsight.instruments._observation import NetworkObservation
from sparsight.measure import Chain
from sparsight.network import chain_of, linear_layers
from sparsight.prune import State, copied, rearranged
from sparsight.train import Masks, compute_batch_norm_again_

REARRANGEMENTS = {"same_count": "layer", "same_fan_in": "unit", "permuted": "rows_columns"}
"""Control → what is permuted, see `sparsight.prune.RearrangedMasks`."""

REARRANGED_WORDS = {
    "same_count": "in random masks with as many weights in each layer",
    "same_fan_in": "in random masks with as many weights in each unit",
    "permuted": "with the rows and the columns of each mask permuted independently",
}
"""Control → what it is, to be put behind "the same"."""


def rearranged_networks(observation: NetworkObservation) -> Iterator[tuple[str, nn.Module]]:
    """Yield a control's name and a copy of the network whose masked weights are at other places.

    Every kept weight moves with its place, so each layer keeps its weights and its density. Layers without a
    mask stay. With ``permuted``, biases move with their units. Statistics of BatchNorm are computed again on
    training samples.
    """
    samples, _ = observation.training_samples()
    for control, how in REARRANGEMENTS.items():
        yield control, _rearranged(observation, how, samples)


def _rearranged(observation: NetworkObservation, how: str, samples: Tensor) -> nn.Module:
    network = copied(observation.network).eval()
    layers = {name for name in linear_layers(network) if f"{name}.weight" in observation.masks}
    ends = ("weight", "bias") if how == "rows_columns" else ("weight",)
    names = {f"{layer}.{end}" for layer in layers for end in ends}
    values = {name: value for name, value in network.named_parameters() if name in names}
    moved = rearranged({name: value.detach().cpu() for name, value in values.items()}, how, observation.seed)
    for name, value in values.items():
        value.data.copy_(moved[name])
    compute_batch_norm_again_(network, samples)
    return network


def network_in(observation: NetworkObservation, state: State, masks: Masks) -> nn.Module:
    """Return a copy of the network with these weights under these masks.

    Statistics of BatchNorm are those of training samples, as in the first batch of a training.
    """
    network = copied(observation.network).eval()
    network.load_state_dict(
        {
            name: value.masked_fill(~masks[name], 0.0) if name in masks else value
            for name, value in state.items()
        }
    )
    samples, _ = observation.training_samples()
    compute_batch_norm_again_(network, samples)
    return network


def chain_and_masks(network: nn.Module, masks: Masks) -> tuple[Chain, list[np.ndarray]]:
    """Return a network as a chain, and the mask of each of its layers; all True where there is none.

    Raises
    ------
    InputError
        If the network is not a chain, or has linear layers without an activation between them.
    """
    chain, layers = chain_of(network), linear_layers(network)
    if len(layers) != len(chain.weights):
        raise InputError(
            f"{len(layers)} linear layers have activations between {len(chain.weights)} only: the product of "
            "two masked layers has no mask"
        )
    of_layers = [
        masks.get(f"{name}.weight", torch.ones(layer.weight.shape, dtype=torch.bool)).cpu().numpy()
        for name, layer in layers.items()
    ]
    return chain, of_layers
