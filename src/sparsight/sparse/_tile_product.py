"""The product of a layer's kept weights with its input, and its gradients, also through BatchNorm and ReLU.

With x the tiles of the layer before, v = a((r(x) − μ) / σ · γ + β) and Y_t = W v_t + b for tile t. From
G_t, the gradient of the loss by Y_t,

    ∂W = Σ_t G_t v_tᵀ   (kept entries only),   ∂b = Σ_t G_t 1,   ∂v_t = Wᵀ G_t   (if the input needs it),

and ∂γ, ∂β, ∂x follow from ∂v as in BatchNorm. v is computed piece by piece, where it is read, and never
stored: the backward pass computes it again. This module joins the compiled loops of
`sparsight.sparse.kernels` into one function for autograd.
"""

import math
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from sparsight.sparse._batch_norm import Moments
from sparsight.sparse._pattern import Pattern, Pieces
from sparsight.sparse._threads import even_shares, in_parallel, num_threads
from sparsight.sparse._tiles import NO_RELU, Activations, Batch, Table, Tiling
from sparsight.sparse.kernels._kept_products import input_gradient, product, weight_gradient
from sparsight.sparse.kernels._layer_inputs import Reading, finish_back
from sparsight.sparse.kernels._totals import in_mask_order, in_piece_order, norm_gradients

# The weight gradient is a sum over tiles. Each thread needs a sum of its own, and adding those up rounds by
# how many there are. A fixed number of groups of tiles, added up in a fixed order, gives the same digits
# with any number of threads. More than four threads share a group by taking different units.
_GROUPS = 4

# To wake a thread takes as long as reordering some ten thousand numbers.
_ENOUGH_FOR_THREADS = 2**15


@dataclass(frozen=True, eq=False)
class Standardisation:
    """What happens to the input of a layer before its weights: ReLU, BatchNorm, choice of features.

    `relu` is its position, always `NO_RELU` for a `Batch`; `moments` are None without a BatchNorm, which adds
    `eps` to the variance; `features` are the columns of a `Batch` that are read, ascending, where empty means
    all.
    """

    relu: int = NO_RELU
    moments: Moments | None = None
    eps: float = 0.0
    features: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))


def tile_product(
    values: Tensor,
    bias: Tensor,
    source: Batch | Activations,
    norm: tuple[Tensor, Tensor] | None,
    *,
    pattern: Pattern,
    before: Standardisation,
    tiling: Tiling,
    next_relu: int | None = None,
) -> Activations:
    """Return W v + b as tiles, (tiles, out, width), where `values` are ``weight[mask]``.

    `norm` is γ and β of the BatchNorm, (in,) each; without it they are 1 and 0. `next_relu` is the position
    of the ReLU before the BatchNorm of the next layer, for which the moments of the outputs are taken;
    without it they are not.
    """
    tiles = source.tiles if isinstance(source, Activations) else None
    gamma, beta = norm or (None, None)
    needs_moments = next_relu is not None and torch.is_grad_enabled()
    filled = np.empty((2, tiling.num_tiles, len(bias)) if needs_moments else (2, 0, 0))
    call = _Call(
        source=source,
        pattern=pattern,
        before=before,
        tiling=tiling,
        next_relu=next_relu or NO_RELU,
        moments=filled,
    )
    outputs = _TileProduct.apply(values, bias, tiles, gamma, beta, call)  # type: ignore[no-untyped-call]
    return Activations(cast(Tensor, outputs), filled if needs_moments else None)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Call:
    """The arguments of one product that autograd does not look at; `moments` is filled."""

    source: Batch | Activations
    pattern: Pattern
    before: Standardisation
    tiling: Tiling
    next_relu: int
    moments: np.ndarray


class _TileProduct(Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        bias: Tensor,
        _tiles: Tensor | None,  # those of `call.source`: autograd asks for gradients of arguments only
        gamma: Tensor | None,
        beta: Tensor | None,
        call: _Call,
    ) -> Tensor:
        weights = values.detach().numpy()
        pieces, tiling = call.pattern.pieces, call.tiling
        ctx.inputs, ctx.reading = _read(call, gamma, beta, weights.dtype)
        ctx.call = call
        ctx.save_for_backward(values, gamma)
        outputs = values.new_empty(tiling.num_tiles, len(bias), tiling.width)
        weight = (pieces, _in_piece_order(weights, pieces), bias.detach().numpy())
        filled = (outputs.numpy(), call.next_relu, call.moments)
        in_parallel(product, even_shares(tiling.num_tiles), ctx.inputs, ctx.reading, *weight, *filled)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, gamma = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        by_values, by_bias = _by_weight(ctx.inputs, ctx.reading, gradient, ctx.call.pattern)
        by_tiles = by_gamma = by_beta = None
        if any(ctx.needs_input_grad[2:5]):
            by_tiles, sums, products = _by_inputs(ctx.inputs, ctx.reading, gradient, values, ctx.call.pattern)
            if gamma is not None:
                sums_through = (by_tiles, sums, products)
                by_gamma, by_beta = _through_norm(ctx.inputs, ctx.reading, ctx.call.before, *sums_through)
        return by_values, by_bias, by_tiles, by_gamma, by_beta, None


def _read(
    call: _Call, gamma: Tensor | None, beta: Tensor | None, dtype: np.dtype[Any]
) -> tuple[np.ndarray, Reading]:
    """Return the array that the compiled loops read, and how they read it."""
    source, before = call.source, call.before
    if isinstance(source, Batch):
        inputs, rows = source.table.numbers, source.rows
    else:
        inputs, rows = source.tiles.detach().numpy(), None
    affine = _affine(before, inputs.shape[1], gamma, beta)
    if isinstance(source, Batch):
        affine = _on_numbers(source.table, affine, before.features)
    centre, scale, shift = (array.astype(dtype, copy=False) for array in affine)
    return inputs, Reading(
        rows=rows,
        features=before.features,
        num_samples=call.tiling.num_samples,
        centre=centre,
        scale=scale,
        shift=shift,
        relu=before.relu,
    )


def _affine(
    before: Standardisation, num_features: int, gamma: Tensor | None, beta: Tensor | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre, scale and shift of the inputs; (0,) if they are taken unchanged."""
    found = before.moments
    if found is None:
        nothing = np.zeros(0 if before.relu == NO_RELU else num_features)
        return nothing, nothing + 1, nothing
    scale = 1 / np.sqrt(found.variance + before.eps)
    if gamma is not None:
        scale *= gamma.detach().numpy()
    return found.mean, scale, np.zeros_like(scale) if beta is None else beta.detach().numpy()


def _on_numbers(
    table: Table, affine: tuple[np.ndarray, np.ndarray, np.ndarray], features: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same for the raw numbers of a table whose inputs are (numbers − mean) / sd."""
    if table.mean is None or table.sd is None:
        return affine
    mean, sd = (array[features] if len(features) else array for array in (table.mean, table.sd))
    centre, scale, shift = affine if len(affine[0]) else (np.zeros_like(mean),) * 3
    return mean + sd * centre, (scale if len(affine[0]) else 1) / sd, shift


def _by_weight(
    inputs: np.ndarray, reading: Reading, gradient: Tensor, pattern: Pattern
) -> tuple[Tensor, Tensor]:
    """Return the gradients by the kept weights, in the order of ``weight[mask]``, and by the bias."""
    pieces, groups = pattern.pieces, min(_GROUPS, len(gradient))
    by_values = gradient.new_empty(groups, pattern.num_kept)
    by_bias = gradient.new_empty(groups, gradient.shape[1])
    cuts = pieces.cuts(math.ceil(num_threads() / groups))
    shares = even_shares(groups * (len(cuts) - 1))
    filled = (gradient.numpy(), by_values.numpy(), by_bias.numpy())
    in_parallel(weight_gradient, shares, cuts, inputs, reading, pieces, *filled)
    total = gradient.new_empty(pattern.num_kept)
    in_parallel(in_mask_order, _shares_of(pieces), by_values.numpy(), pieces.order, total.numpy())
    return total, by_bias.sum(dim=0)


def _in_piece_order(values: np.ndarray, pieces: Pieces) -> np.ndarray:
    ordered = np.empty_like(values)
    in_parallel(in_piece_order, _shares_of(pieces), values, pieces.order, ordered)
    return ordered


def _shares_of(pieces: Pieces) -> list[tuple[int, int]]:
    num_kept = len(pieces.order)
    return even_shares(num_kept) if num_kept >= _ENOUGH_FOR_THREADS else [(0, num_kept)]


def _by_inputs(
    inputs: np.ndarray, reading: Reading, gradient: Tensor, values: Tensor, pattern: Pattern
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Return the gradient by v, and by tile its sums and those of its products with the inputs."""
    pieces = pattern.transposed_pieces
    by_tiles = gradient.new_empty(inputs.shape)
    sums, products = np.empty((2, *by_tiles.shape[:2]))
    weight = (pieces, _in_piece_order(values.detach().numpy(), pieces))
    filled = (gradient.numpy(), by_tiles.numpy(), sums, products)
    in_parallel(input_gradient, even_shares(len(gradient)), inputs, reading, *weight, *filled)
    return by_tiles, sums, products


def _through_norm(
    inputs: np.ndarray,
    reading: Reading,
    before: Standardisation,
    by_tiles: Tensor,
    sums: np.ndarray,
    products: np.ndarray,
) -> tuple[Tensor, Tensor]:
    """Take a gradient back through BatchNorm in place; return the gradients by γ and β.

    With g the gradient and x̂ the standardised input: ∂β = Σ g, ∂γ = Σ g x̂ and
    ∂x = γ/σ · (g − ∂β/n − x̂ ∂γ/n), where mean and variance are those of the batch. Running statistics do not
    depend on x: then the two terms with 1/n are absent.
    """
    found = before.moments
    assert found is not None
    share = 0.0 if found.num_samples is None else 1 / found.num_samples
    by_gamma, by_beta, offset, slope = np.empty((4, sums.shape[1]), reading.centre.dtype)
    norm_gradients(sums, products, found.variance, before.eps, share, by_gamma, by_beta, offset, slope)
    in_parallel(finish_back, even_shares(len(by_tiles)), inputs, reading, offset, slope, by_tiles.numpy())
    return torch.from_numpy(by_gamma), torch.from_numpy(by_beta)
