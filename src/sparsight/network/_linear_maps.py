"""A layer as the linear map that it is: of its inputs or, for a convolution, of its patches."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.arguments import described
from sparsight.errors import InputError
from sparsight.geometry import Geometry

MOST_NUMBERS = 2**25
"""Largest size of the patches, and of the outputs on them, that are measured together: 128 MiB in float32."""

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A layer whose outputs are W x + b, with the names of its parameters.

    A ``torch.nn.Linear`` multiplies its input. A convolution multiplies every patch of its input: the entries
    under the kernel at one position, all channels, in the order of its weight flattened, (in_channels,
    *kernel_size). Its units are its output channels. The ``in_proj`` of a ``torch.nn.MultiheadAttention``
    multiplies every token; its units are those of queries, keys and values, in this order.

    Attributes
    ----------
    module : torch.nn.Module
        The layer, or the attention that has it.
    weight_name, bias_name : str
        Names of its parameters in the network. It need not have a bias.
    """

    module: nn.Module
    weight_name: str
    bias_name: str

    @property
    def weight(self) -> Tensor:
        """The weight in its own shape: (out, in), or (out_channels, in_channels / groups, *kernel_size)."""
        return cast(Tensor, getattr(self.module, self.weight_name.rpartition(".")[2]))

    @property
    def bias(self) -> Tensor | None:
        """The bias, (out,), or None."""
        return cast(Tensor | None, getattr(self.module, self.bias_name.rpartition(".")[2]))

    @property
    def matrix(self) -> Tensor:
        """The weight as a matrix (out, in), see `as_matrix`."""
        return as_matrix(self.weight)

    @property
    def num_groups(self) -> int:
        """Groups of a convolution, whose units read patches of other channels; 1 for other layers."""
        return self.module.groups if isinstance(self.module, _CONVOLUTIONS) else 1

    @property
    def geometry(self) -> Geometry | None:
        """The kernel of a convolution: (in_channels / groups, *kernel_size). None for other layers.

        Distances are in steps of the kernel. With a dilation d, a step is d pixels of the layer's input.
        """
        if not isinstance(self.module, _CONVOLUTIONS):
            return None
        return Geometry(self.module.in_channels // self.module.groups, self.module.kernel_size)

    def vectors(self, received: Tensor, stream: np.random.Generator) -> Tensor:
        """Return the vectors that the weight is multiplied with, sample by sample.

        Parameters
        ----------
        received : Tensor, (n, …)
            What the layer receives, see `layer_inputs`.
        stream : numpy.random.Generator
            Draws the positions of a convolution, if there are more than `MOST_NUMBERS` allows: as many for
            each sample, without replacement.

        Returns
        -------
        Tensor, (n, places, in · groups)
            Places are the positions of a convolution, or the tokens to which another layer is applied.
        """
        if not isinstance(self.module, _CONVOLUTIONS):
            return received.reshape(len(received), -1, received.shape[-1])
        size = self.num_groups * self.matrix.shape[1]
        most = MOST_NUMBERS // (max(size, len(self.weight)) * max(len(received), 1))
        return patches(self.module, received, max(most, 1), stream)


def as_matrix(values: Tensor) -> Tensor:
    """Return a weight, or a mask of one, as a matrix (out, in): an output channel's whole kernel is a row."""
    return values.flatten(1)


def linear_maps(network: nn.Module) -> dict[str, LinearMap]:
    """Return the layers that can be pruned and measured, by name, in the order they were defined.

    They are the modules of the classes ``torch.nn.Linear``, ``Conv1d`` and ``Conv2d``, and the ``in_proj`` of
    each ``MultiheadAttention`` whose queries, keys and values have one size.
    """
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, *_CONVOLUTIONS)):
            found[name] = LinearMap(module, f"{name}.weight", f"{name}.bias")
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            found[f"{name}.in_proj"] = LinearMap(module, f"{name}.in_proj_weight", f"{name}.in_proj_bias")
    return found


def patches(layer: nn.Conv1d | nn.Conv2d, inputs: Tensor, most: int, stream: np.random.Generator) -> Tensor:
    """Return the patches that a convolution multiplies with its kernels.

    Stride, padding (of any mode) and dilation are those of the layer. What padding adds is part of a patch.

    Parameters
    ----------
    inputs : Tensor, (n, in_channels, *size)
        What the layer receives.
    most : int
        Most positions of a sample. If there are more, so many are drawn.

    Returns
    -------
    Tensor, (n, positions, in_channels · ∏ kernel_size)
        In the order of the outputs; one after the other, as ``weight.flatten(1)`` has them, of all groups.

    Raises
    ------
    InputError
        If the inputs have another number of axes.
    """
    num_axes = len(layer.kernel_size)
    if inputs.ndim != num_axes + 2:
        raise InputError(
            f"a {type(layer).__name__} receives {described(inputs)}; samples, channels and {num_axes} axes "
            "of positions are needed to measure it"
        )
    windows = _padded(layer, inputs)
    for axis, (size, stride, step) in enumerate(
        zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)
    ):
        windows = windows.unfold(2 + axis, step * (size - 1) + 1, stride)[..., ::step]
    windows = windows.movedim(1, num_axes + 1)  # (n, *positions, channels, *kernel_size), without a copy
    places = windows.shape[1 : num_axes + 1]
    num_places = int(np.prod(places))
    if num_places <= most:
        return windows.flatten(num_axes + 1).flatten(1, num_axes)
    drawn = np.stack([np.sort(stream.choice(num_places, most, replace=False)) for _ in range(len(inputs))])
    index = [torch.from_numpy(each) for each in np.unravel_index(drawn, places)]
    return windows[(torch.arange(len(inputs))[:, None], *index)].flatten(2)


def _padded(layer: nn.Conv1d | nn.Conv2d, inputs: Tensor) -> Tensor:
    if layer.padding == "valid":
        return inputs
    if layer.padding == "same":
        # An odd number of them has one more at the end, as in torch.
        totals = [step * (size - 1) for size, step in zip(layer.kernel_size, layer.dilation, strict=True)]
        sides = [(total // 2, total - total // 2) for total in totals]
    else:
        sides = [(int(each), int(each)) for each in layer.padding]
    widths = [width for side in reversed(sides) for width in side]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(inputs, widths, mode=mode)
