"""Forward and backward pass of a network as a CUDA graph: recorded once, then replayed at one call.

A step of a small network on a GPU is dozens of kernels of some microseconds each, which Python launches one
by one, more slowly than they run. A CUDA graph launches them all together: the same kernels on the same
numbers. The shape of the batch is that of the recording; parameters may change their values, and not move.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from sparsight.errors import InputError

Forward = Callable[[Tensor], Tensor]
"""From inputs to outputs, through which gradients flow back to the parameters."""

DEVICE = "cuda"


def check_device(device: torch.device) -> None:
    """Refuse a device that knows no CUDA graphs.

    Raises
    ------
    InputError
    """
    if device.type != DEVICE:
        raise InputError(
            f"cuda_graph is for device = {DEVICE!r}, but the network is on {device.type!r}: leave it out, or "
            f"train on {DEVICE!r}"
        )


def recorded(network: nn.Module, inputs: Tensor) -> Forward:
    """Record a network's training pass, and return what replays it.

    Recording runs the network some times on what is given; its parameters, its buffers (the running
    statistics of BatchNorm among them), its gradients and its own ``forward`` are afterwards what they were.

    Parameters
    ----------
    network : torch.nn.Module
        In training mode, on a GPU, without hooks.
    inputs : Tensor, (n, num_inputs)
        A batch, of the shape that all later batches have. Its values do not matter.

    Returns
    -------
    callable
        ``forward(inputs) -> outputs``. The outputs of one call are overwritten by the next.

    Raises
    ------
    InputError
        If the network is not on a GPU.
    """
    check_device(inputs.device)
    before = [buffer.detach().clone() for buffer in network.buffers()]
    forward = capture(_Pass(network), inputs.detach().clone())
    with torch.no_grad():
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
    return forward


class _Pass(nn.Module):
    """What is recorded in the network's place, for recording replaces the ``forward`` of what it is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(inputs)
        return outputs


def capture(network: nn.Module, inputs: Tensor) -> Forward:
    """Warm up, record, and return what replays; `inputs` becomes the place that batches are copied to."""
    # Without allow_unused_input a parameter that the outputs do not depend on would be an error.
    return cast(Forward, torch.cuda.make_graphed_callables(network, (inputs,), allow_unused_input=True))
