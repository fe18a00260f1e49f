"""The product of a layer's kept weights with tiles, with its gradients; also through BatchNorm and ReLU.

With x the tiles that the layer before gave, v = a((r(x) − μ) / σ · γ + β) and Y_t = W v_t + b. From G_t, the
gradient of the loss by Y_t,

    ∂W = Σ_t G_t v_tᵀ   (kept entries only),   ∂b = Σ_t G_t 1,   ∂v_t = Wᵀ G_t   (where somebody needs it),

and ∂γ, ∂β, ∂x from ∂v as in BatchNorm. v is made piece by piece, where it is read, and never stored.
"""

import math
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from sparsight.sparse._batch_norm import Moments
from sparsight.sparse._pattern import Pattern
from sparsight.sparse._threads import even_shares, in_parallel, num_threads
from sparsight.sparse._tiles import NO_RELU, Activations, Batch, Table, Tiling
from sparsight.sparse.kernels import _kept_products as kept_products, _layer_inputs as layer_inputs

_GROUPS = 4
"""Tiles are added up in so many groups, whatever the number of threads: a thread reads its own groups' tiles
alone, and the sum is the same for any number."""


@dataclass(frozen=True, eq=False)
class Reading:
    """How a layer reads its input.

    Attributes
    ----------
    relu : int
        Where a ReLU stands, as in `sparsight.sparse._tiles`; on a `Batch` nowhere.
    moments : Moments or None
        That the input is standardised by.
    eps : float
        Added to the variance.
    features : ndarray of int32
        The columns of a `Batch` that are read, ascending; empty: all.
    """

    relu: int = NO_RELU
    moments: Moments | None = None
    eps: float = 0.0
    features: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))


def tile_product(
    values: Tensor,
    bias: Tensor,
    source: Batch | Activations,
    gamma: Tensor | None,
    beta: Tensor | None,
    *,
    pattern: Pattern,
    reading: Reading,
    tiling: Tiling,
    next_relu: int | None = None,
) -> Activations:
    """Return W v + b as tiles, (tiles, out, width).

    Parameters
    ----------
    values : Tensor, (kept,)
        In the order of ``weight[mask]``.
    bias : Tensor, (out,)
    source : Batch or Activations
    gamma, beta : Tensor, (in,), or None
        Of the BatchNorm; None: 1 and 0.
    pattern : Pattern
        Of the kept weights.
    reading : Reading
    tiling : Tiling
    next_relu : int, optional
        Where a ReLU stands before the BatchNorm of the next layer: the outputs' moments are taken for it.
    """
    tiles = source.tiles if isinstance(source, Activations) else None
    needs_moments = next_relu is not None and torch.is_grad_enabled()
    filled = np.empty((2, tiling.num_tiles, len(bias)) if needs_moments else (2, 0, 0))
    options = (source, pattern, reading, tiling, next_relu or NO_RELU, filled)
    outputs = _TileProduct.apply(values, bias, tiles, gamma, beta, *options)  # type: ignore[no-untyped-call]
    return Activations(cast(Tensor, outputs), filled if needs_moments else None)


@dataclass(frozen=True, eq=False)
class _Source:
    """What the compiled loops read, in the order of their arguments; see `kernels._layer_inputs`."""

    inputs: np.ndarray
    rows: np.ndarray | None
    features: np.ndarray
    num_samples: int
    centre: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    relu: int

    def arguments(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())


class _TileProduct(Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        bias: Tensor,
        _tiles: Tensor | None,  # the source's, so that their gradient is asked for
        gamma: Tensor | None,
        beta: Tensor | None,
        source: Batch | Activations,
        pattern: Pattern,
        reading: Reading,
        tiling: Tiling,
        next_relu: int,
        filled: np.ndarray,
    ) -> Tensor:
        weights = values.detach().numpy()
        ctx.source = _source(source, tiling, reading, gamma, beta, weights.dtype)
        ctx.reading, ctx.pattern = reading, pattern
        ctx.save_for_backward(values, gamma)
        pieces = pattern.pieces
        outputs = values.new_empty(tiling.num_tiles, len(bias), tiling.width)
        weight = (pieces.size, pieces.starts, pieces.columns, weights[pieces.order])
        given = (bias.detach().numpy(), outputs.numpy(), next_relu, filled)
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
                by_gamma, by_beta = _through_norm(ctx.source, ctx.reading, by_tiles, sums, products, gamma)
        return by_values, by_bias, by_tiles, by_gamma, by_beta, *[None] * 6


def _source(
    source: Batch | Activations,
    tiling: Tiling,
    reading: Reading,
    gamma: Tensor | None,
    beta: Tensor | None,
    dtype: np.dtype[Any],
) -> _Source:
    if isinstance(source, Batch):
        inputs, rows = source.table.numbers, source.rows
    else:
        inputs, rows = source.tiles.detach().numpy(), None
    affine = _affine(reading, inputs.shape[1], gamma, beta)
    if isinstance(source, Batch):
        affine = _on_numbers(source.table, affine, reading.features)
    centre, scale, shift = (array.astype(dtype, copy=False) for array in affine)
    return _Source(inputs, rows, reading.features, tiling.num_samples, centre, scale, shift, reading.relu)


def _affine(
    reading: Reading, num_features: int, gamma: Tensor | None, beta: Tensor | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre, scale and shift of the inputs; (0,) where they are taken as they are."""
    found = reading.moments
    if found is None:
        nothing = np.zeros(0 if reading.relu == NO_RELU else num_features)
        return nothing, nothing + 1, nothing
    scale = 1 / np.sqrt(found.variance + reading.eps)
    if gamma is not None:
        scale *= gamma.detach().numpy()
    return found.mean, scale, np.zeros_like(scale) if beta is None else beta.detach().numpy()


def _on_numbers(
    table: Table, affine: tuple[np.ndarray, np.ndarray, np.ndarray], features: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same for the numbers of a table, of which the inputs are (numbers − mean) / sd."""
    if table.mean is None or table.sd is None:
        return affine
    mean, sd = (array[features] if len(features) else array for array in (table.mean, table.sd))
    centre, scale, shift = affine if len(affine[0]) else (np.zeros_like(mean),) * 3
    return mean + sd * centre, (scale if len(affine[0]) else 1) / sd, shift


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
    inputs, _, _, *others = source.arguments()
    arguments = (inputs, *others, *weight, gradient.numpy(), by_tiles.numpy(), sums, products)
    in_parallel(kept_products.input_gradient, even_shares(len(gradient)), *arguments)
    return by_tiles, sums.sum(axis=0), products.sum(axis=0)


def _through_norm(
    source: _Source,
    reading: Reading,
    by_tiles: Tensor,
    sums: np.ndarray,
    products: np.ndarray,
    gamma: Tensor,
) -> tuple[Tensor, Tensor]:
    """Take a gradient back through BatchNorm in place; return the gradients by γ and β.

    With g the gradient and x̂ the standardised input: ∂β = Σ g, ∂γ = Σ g x̂ and
    ∂x = γ/σ · (g − ∂β/n − x̂ ∂γ/n), where mean and variance are the batch's.
    """
    found = reading.moments
    assert found is not None
    inverse = 1 / np.sqrt(found.variance + reading.eps)
    by_gamma, by_beta = products * inverse, sums
    share = 0.0 if found.num_samples is None else 1 / found.num_samples
    offset, slope = (a.astype(source.centre.dtype) for a in (by_beta * share, by_gamma * inverse * share))
    arguments = (source.inputs, source.num_samples, source.centre, source.scale, offset, slope, source.relu)
    in_parallel(layer_inputs.finish_back, even_shares(len(by_tiles)), *arguments, by_tiles.numpy())
    return torch.from_numpy(by_gamma).to(gamma.dtype), torch.from_numpy(by_beta).to(gamma.dtype)
