"""Forward and backward pass of a network as a CUDA graph: recorded once, then replayed with one call.

A step of a small network on a GPU is dozens of kernels of a few microseconds each. Python launches them one
by one, which takes longer than running them. A CUDA graph launches all of them at once: the same kernels on
the same numbers. All batches must have the shape of the recorded one; parameters may change their values,
but not their addresses. See "A CUDA graph is an option of the execution, and off" in docs/decisions.md.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from sparsight.errors import InputError

Forward = Callable[[Tensor], Tensor]
"""From inputs to outputs, through which gradients flow back to the parameters."""


def check_device(device: torch.device) -> None:
    """Raise an InputError unless the device is a GPU that can record CUDA graphs."""
    if device.type != "cuda":
        raise InputError(
            f"cuda_graph is for device = 'cuda', but the network is on {device.type!r}: leave it out, or "
            "train on 'cuda'"
        )


def recorded(network: nn.Module, inputs: Tensor) -> Forward:
    """Record a network's training pass, and return a function that replays it.

    The network must be in training mode, on a GPU, without hooks. Recording runs it several times on the
    given inputs, (n, num_inputs), which have the shape of all later ones; their values do not matter. Its
    parameters, buffers (the running statistics of BatchNorm among them), gradients and its own ``forward``
    are unchanged afterwards. Each call of the function overwrites the outputs of the previous one.
    """
    check_device(inputs.device)
    before = [buffer.detach().clone() for buffer in network.buffers()]
    # A copy of the inputs, because later batches are copied to where the recorded ones are. Without
    # allow_unused_input a parameter that the outputs do not depend on (all its weights pruned) is an error.
    example = (inputs.detach().clone(),)
    forward = torch.cuda.make_graphed_callables(_Pass(network), example, allow_unused_input=True)
    with torch.no_grad():
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
    return cast(Forward, forward)


class _Pass(nn.Module):
    """A wrapper that is recorded in the network's place: torch replaces the ``forward`` of what it records.

    A deep copy of the network, as a level of pruning makes one, would take the replaced ``forward`` along.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.network(inputs)
        return outputs
