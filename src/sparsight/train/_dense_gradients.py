"""Gradients by whole weights, pruned ones included, of a network that trains under masks."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from sparsight.train._evaluation import batch_loss
from sparsight.train._settings import Loss


def dense_gradients(
    network: nn.Module, names: Collection[str], inputs: Tensor, labels: Tensor, loss: Loss
) -> dict[str, Tensor]:
    """Return the gradients of the loss of a batch by the parameters named, in the network's present mode.

    The network stays as it is: neither its ``grad`` nor the running statistics of BatchNorm change. The
    gradient by a parameter on which the loss does not depend is 0.
    """
    buffers = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
    parameters = [network.get_parameter(name) for name in names]
    outputs = network(inputs)
    value = batch_loss(outputs.to(parameters[0].dtype), labels, loss)
    found = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
    return dict(zip(names, found, strict=True))
