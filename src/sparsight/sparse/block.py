"""A linear layer on tiles with the ReLU and BatchNorm that stand before it: one function, with its gradients.

With x the tiles that the layer before gave, v = a((r(x) − μ) / σ · γ + β) and Y_t = W v_t + b. From G_t, the
gradient of the loss by Y_t,

    ∂W = Σ_t G_t v_tᵀ   (kept entries only),   ∂b = Σ_t G_t 1,   ∂v_t = Wᵀ G_t   (where somebody needs it),

and ∂γ, ∂β, ∂x from ∂v as in BatchNorm. v is made piece by piece, where it is read, and never stored.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function

from sparsight.sparse import kept_products, layer_inputs
from sparsight.sparse.batch_norm import Moments, moments
from sparsight.sparse.pattern import Pattern
from sparsight.sparse.threads import even_shares, in_parallel, num_threads
from sparsight.sparse.tiles import NO_RELU, Activations, Batch, Tiling

_GROUPS = 4
"""Tiles are added up in so many groups, whatever the number of threads: a thread reads its own groups' tiles
alone, and the sum is the same for any number."""


@dataclass(frozen=True, eq=False)
class Block:
    """What a block is made of, without its weights.

    Attributes
    ----------
    pattern : Pattern
        Of the linear layer's kept weights.
    norm : torch.nn.BatchNorm1d or None
    relu : int
        Where a ReLU stands, as in `sparsight.sparse.tiles`; on a `Batch` nowhere.
    next_relu : int or None
        The same of the block that follows, if that has a BatchNorm: its moments are taken here.
    """

    pattern: Pattern
    norm: nn.BatchNorm1d | None = None
    relu: int = NO_RELU
    next_relu: int | None = None

    def __call__(
        self, values: Tensor, bias: Tensor, source: Batch | Activations, tiling: Tiling
    ) -> Activations:
        """Return the layer's outputs.

        Parameters
        ----------
        values : Tensor, (kept,)
            In the order of ``weight[mask]``.
        bias : Tensor, (out,)
        source : Batch or Activations
        tiling : Tiling
        """
        gamma = beta = None
        if self.norm is not None:
            gamma, beta = self.norm.weight, self.norm.bias
            if isinstance(source, Batch):
                values, bias = folded(values, bias, gamma, beta, self.pattern)
                gamma = beta = None
        tiles = source.tiles if isinstance(source, Activations) else None
        needs_moments = self.next_relu is not None and torch.is_grad_enabled()
        filled = np.empty((2, tiling.num_tiles, len(bias)) if needs_moments else (2, 0, 0))
        outputs = _Block.apply(values, bias, tiles, gamma, beta, source, self, tiling, filled)  # type: ignore[no-untyped-call]
        return Activations(outputs, filled if needs_moments else None)


def folded(
    values: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, pattern: Pattern
) -> tuple[Tensor, Tensor]:
    """Return weights and bias with a BatchNorm's γ and β folded in, for inputs that need no gradient.

    With standardised pixels x̂, W (γ ⊙ x̂ + β) + b = (W γ) x̂ + (W β + b): so no gradient by the pixels is
    needed, and those by γ and β come from the kept weights' gradient.
    """
    shifts = torch.zeros_like(bias).index_put(
        (pattern.units,), values * beta[pattern.inputs], accumulate=True
    )
    return values * gamma[pattern.inputs], bias + shifts


@dataclass(frozen=True, eq=False)
class _Source:
    """What the compiled loops read, in the order of their arguments; see `sparsight.sparse.layer_inputs`."""

    inputs: np.ndarray
    rows: np.ndarray | None
    num_samples: int
    centre: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    relu: int

    def arguments(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())


class _Block(Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        bias: Tensor,
        _tiles: Tensor | None,  # the source's, so that their gradient is asked for
        gamma: Tensor | None,
        beta: Tensor | None,
        source: Batch | Activations,
        block: Block,
        tiling: Tiling,
        filled: np.ndarray,
    ) -> Tensor:
        found = None if block.norm is None else moments(block.norm, source, tiling, block.relu)
        eps = 0.0 if block.norm is None else block.norm.eps
        ctx.source = _source(source, tiling, block.relu, found, eps, gamma, beta)
        ctx.moments, ctx.eps, ctx.pattern = found, eps, block.pattern
        ctx.save_for_backward(values, gamma)
        pieces = block.pattern.pieces
        outputs = values.new_empty(tiling.num_tiles, len(bias), tiling.width)
        weight = (pieces.size, pieces.starts, pieces.columns, values.detach().numpy()[pieces.order])
        given = (bias.detach().numpy(), outputs.numpy(), block.next_relu or NO_RELU, filled)
        arguments = (*ctx.source.arguments(), *weight, *given)
        in_parallel(kept_products.product, even_shares(tiling.num_tiles), *arguments)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, gamma = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        by_values, by_bias = _by_weight(ctx.source, gradient, ctx.pattern)
        by_tiles = by_gamma = by_beta = None
        if any(ctx.needs_input_grad[2:5]):
            by_tiles, sums, products = _by_inputs(ctx.source, gradient, values, ctx.pattern)
            if gamma is not None:
                by_gamma, by_beta = _through_norm(by_tiles, sums, products, gamma, ctx)
        return by_values, by_bias, by_tiles, by_gamma, by_beta, None, None, None, None


def _source(
    source: Batch | Activations,
    tiling: Tiling,
    relu: int,
    found: Moments | None,
    eps: float,
    gamma: Tensor | None,
    beta: Tensor | None,
) -> _Source:
    if isinstance(source, Batch):
        inputs, rows = source.table, source.rows
    else:
        inputs, rows = source.tiles.detach().numpy(), None
    num_features = 0 if found is None and relu == NO_RELU else inputs.shape[1]
    nothing = np.zeros(num_features, inputs.dtype)
    if found is None:
        return _Source(inputs, rows, tiling.num_samples, nothing, nothing + 1, nothing, relu)
    scale = 1 / np.sqrt(found.variance + eps)
    if gamma is not None:
        scale *= gamma.detach().numpy()
    shift = nothing if beta is None else beta.detach().numpy()
    centre, scale = (array.astype(inputs.dtype) for array in (found.mean, scale))
    return _Source(inputs, rows, tiling.num_samples, centre, scale, shift, relu)


def _by_weight(source: _Source, gradient: Tensor, pattern: Pattern) -> tuple[Tensor, Tensor]:
    pieces, groups = pattern.pieces, min(_GROUPS, len(gradient))
    by_values = gradient.new_empty(groups, pattern.num_kept)
    by_bias = gradient.new_empty(groups, gradient.shape[1])
    cuts = pieces.cuts(math.ceil(num_threads() / groups))
    arguments = (*source.arguments(), pieces.size, pieces.starts, pieces.columns)
    filled = (gradient.numpy(), by_values.numpy(), by_bias.numpy())
    in_parallel(
        kept_products.weight_gradient, even_shares(groups * (len(cuts) - 1)), cuts, *arguments, *filled
    )
    in_order = gradient.new_empty(pattern.num_kept)
    in_order.numpy()[pieces.order] = by_values.sum(dim=0).numpy()
    return in_order, by_bias.sum(dim=0)


def _by_inputs(
    source: _Source, gradient: Tensor, values: Tensor, pattern: Pattern
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Return the gradient by what the BatchNorm gives, and its sums and sums of products with the inputs."""
    pieces = pattern.transposed_pieces
    by_tiles = gradient.new_empty(source.inputs.shape)
    sums, products = np.empty((2, *by_tiles.shape[:2]))
    weight = (pieces.size, pieces.starts, pieces.columns, values.detach().numpy()[pieces.order])
    inputs, _, *others = source.arguments()
    arguments = (inputs, *others, *weight, gradient.numpy(), by_tiles.numpy(), sums, products)
    in_parallel(kept_products.input_gradient, even_shares(len(gradient)), *arguments)
    return by_tiles, sums.sum(axis=0), products.sum(axis=0)


def _through_norm(
    by_tiles: Tensor, sums: np.ndarray, products: np.ndarray, gamma: Tensor, ctx: Any
) -> tuple[Tensor, Tensor]:
    """Take a gradient back through BatchNorm in place; return the gradients by γ and β.

    With g the gradient and x̂ the standardised input: ∂β = Σ g, ∂γ = Σ g x̂ and
    ∂x = γ/σ · (g − ∂β/n − x̂ ∂γ/n), where mean and variance are the batch's.
    """
    source, found = ctx.source, ctx.moments
    inverse = 1 / np.sqrt(found.variance + ctx.eps)
    by_gamma, by_beta = products * inverse, sums
    share = 0.0 if found.num_samples is None else 1 / found.num_samples
    offset, slope = (a.astype(source.inputs.dtype) for a in (by_beta * share, by_gamma * inverse * share))
    arguments = (source.inputs, source.num_samples, source.centre, source.scale, offset, slope, source.relu)
    in_parallel(layer_inputs.finish_back, even_shares(len(by_tiles)), *arguments, by_tiles.numpy())
    return torch.from_numpy(by_gamma).to(gamma.dtype), torch.from_numpy(by_beta).to(gamma.dtype)
