"""What hidden layers pass on in networks that are no chain: the inputs of linear layers and convolutions."""

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.errors import InputError
from sparsight.network import layer_inputs, linear_maps


def hidden_layers(network: nn.Module, inputs: Tensor) -> list[str]:
    """Return the linear layers and convolutions that receive something else than the network's inputs.

    Layers that are not called once per batch are left out. Their names are in the order of the modules.

    Parameters
    ----------
    inputs : Tensor of float32, (n, num_inputs)
        Samples to try; two are enough.
    """
    found = []
    for name in linear_maps(network):
        try:
            received = layer_inputs(network, [name], inputs)[name]
        except InputError:
            continue
        if received.numel() != inputs.numel() or not torch.equal(received.reshape(inputs.shape), inputs):
            found.append(name)
    return found


def hidden_responses(network: nn.Module, layers: list[str], inputs: Tensor) -> list[np.ndarray]:
    """Return what each of these layers receives, float32 (n, channel, place).

    A linear layer that is applied once to a sample has one channel, whose places are its inputs. One that is
    applied to tokens has a channel for each of its inputs, and the tokens are places.
    """
    maps, found = linear_maps(network), []
    received = layer_inputs(network, layers, inputs)
    for name in layers:
        values = received[name]
        if values.ndim == 2:
            values = values[:, None]
        elif not isinstance(maps[name].module, nn.Conv1d | nn.Conv2d):
            values = values.flatten(1, -2).transpose(1, 2)
        found.append(values.flatten(2).numpy())
    return found


def as_features(response: np.ndarray) -> np.ndarray:
    """Return features for a linear readout: (n, place) of a single channel, else means of channels."""
    features: np.ndarray = response[:, 0] if response.shape[1] == 1 else response.mean(axis=2)
    return features
