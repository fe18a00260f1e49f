"""A block: a linear layer on tiles with the ReLU and BatchNorm before it.

One function for all three, so that the kernels apply BatchNorm and ReLU while they read the input.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.sparse._batch_norm import Moments, moments
from sparsight.sparse._live_part import LivePart
from sparsight.sparse._pattern import Pattern
from sparsight.sparse._tile_product import Standardisation, tile_product
from sparsight.sparse._tiles import NO_RELU, RELU_FIRST, RELU_LAST, Activations, Batch, Tiling


@dataclass(frozen=True, eq=False)
class Block:
    """A block without its weights, which it is called with.

    `relu` is the position of the ReLU: `NO_RELU` for a `Batch`. `next_relu` is that of the following block if
    it has a BatchNorm, whose moments are then taken here.
    """

    part: LivePart
    norm: nn.BatchNorm1d | None = None
    relu: int = NO_RELU
    next_relu: int | None = None

    def __call__(
        self, values: Tensor, bias: Tensor, source: Batch | Activations, tiling: Tiling
    ) -> Activations:
        """Return the layer's live outputs as tiles, and its constant outputs; values are ``weight[mask]``."""
        part = self.part
        if part.constants is not None:
            assert isinstance(source, Activations)
            each = values[part.constants.values] * self._constant_inputs(source)[part.constants.inputs]
            bias = bias.index_add(0, part.constants.units, each)
        if part.values is not None:
            values = values.index_select(0, part.values)
        constants = None
        if part.units is not None and part.constant_units is not None:
            bias, constants = bias[part.units], bias[part.constant_units]
        found: Moments | None = None
        norm: tuple[Tensor, Tensor] | None = None
        if self.norm is not None:
            found = moments(self.norm, source, tiling, self.relu, part)
            norm = self.norm.weight, self.norm.bias
            if part.inputs is not None:
                norm = self.norm.weight[part.inputs], self.norm.bias[part.inputs]
            if isinstance(source, Batch):
                values, bias = folded(values, bias, *norm, part.pattern)
                norm = None
        outputs = tile_product(
            values,
            bias,
            source,
            norm,
            pattern=part.pattern,
            before=Standardisation(
                relu=self.relu,
                moments=found,
                eps=0.0 if self.norm is None else self.norm.eps,
                features=self._listed_pixels if isinstance(source, Batch) else np.empty(0, np.int32),
            ),
            tiling=tiling,
            next_relu=self.next_relu,
        )
        return Activations(outputs.tiles, outputs.moments, constants)

    def _constant_inputs(self, source: Activations) -> Tensor:
        """Return the inputs that are the same for all samples, after ReLU and BatchNorm."""
        assert source.constants is not None
        inputs = functional.relu(source.constants) if self.relu == RELU_FIRST else source.constants
        if self.norm is not None:
            where = self.part.constant_inputs
            beta = self.norm.bias[where]
            if self.norm.training:
                inputs = beta  # a constant is its own mean, so it is standardised to exactly 0
            else:
                assert self.norm.running_mean is not None
                assert self.norm.running_var is not None
                inverse = torch.rsqrt(self.norm.running_var[where] + self.norm.eps)
                inputs = (inputs - self.norm.running_mean[where]) * inverse * self.norm.weight[where] + beta
        return functional.relu(inputs) if self.relu == RELU_LAST else inputs

    @cached_property
    def _listed_pixels(self) -> np.ndarray:
        inputs = self.part.inputs
        return np.empty(0, np.int32) if inputs is None else inputs.numpy().astype(np.int32)


def folded(
    values: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, pattern: Pattern
) -> tuple[Tensor, Tensor]:
    """Return weights and bias with a BatchNorm's γ and β folded in, for inputs that need no gradient.

    With standardised pixels x̂, W (γ ⊙ x̂ + β) + b = (W γ) x̂ + (W β + b). Then no gradient by the pixels is
    needed, which would be the most expensive product of all, and autograd derives those by γ and β from the
    gradient by the kept weights.
    """
    each = values * beta[pattern.inputs]
    shifts = torch.zeros_like(bias).index_put((pattern.units,), each, accumulate=True)
    return values * gamma[pattern.inputs], bias + shifts
