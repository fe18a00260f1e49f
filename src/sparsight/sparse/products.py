"""A layer's product with its input, on kept weights only or dense, with its gradients.

With tiles X_t (in, width), Y_t = W X_t + b. From G_t, the gradient of the loss by Y_t,

    ∂W = Σ_t G_t X_tᵀ   (kept entries only),   ∂b = Σ_t G_t 1,   ∂X_t = Wᵀ G_t   (where somebody needs it).
"""

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from sparsight.sparse.pattern import Pattern, Rows
from sparsight.sparse.threads import even_shares, in_parallel, num_threads

_GROUPS = 4
"""Tiles are added up in so many groups, whatever the number of threads: a thread reads its own groups' tiles
alone, and the sum is the same for any number."""


def sparse_product(values: Tensor, bias: Tensor, tiles: Tensor, pattern: Pattern) -> Tensor:
    """Return W X + b from the kept weights' values.

    Parameters
    ----------
    values : Tensor, (kept,)
        In the order of ``weight[mask]``.
    bias : Tensor, (out,)
    tiles : Tensor, (tiles, in, width)
    pattern : Pattern

    Returns
    -------
    Tensor, (tiles, out, width)
    """
    return cast(Tensor, _SparseProduct.apply(values, bias, tiles, pattern))  # type: ignore[no-untyped-call]


def dense_product(weight: Tensor, bias: Tensor, tiles: Tensor) -> Tensor:
    """Return W X + b; weight (out, in), bias (out,), tiles (tiles, in, width)."""
    return cast(Tensor, _DenseProduct.apply(weight, bias, tiles))  # type: ignore[no-untyped-call]


class _SparseProduct(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, bias: Tensor, tiles: Tensor, pattern: Pattern) -> Tensor:
        ctx.save_for_backward(values, tiles)
        ctx.pattern = pattern
        return _times(pattern.rows, values, bias, tiles)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, tiles = ctx.saved_tensors
        pattern: Pattern = ctx.pattern
        gradient = gradients[0].contiguous()
        by_values, by_bias = _at_kept(pattern.rows, gradient, tiles)
        by_tiles = None
        if ctx.needs_input_grad[2]:
            nothing = values.new_zeros(pattern.shape[1])
            by_tiles = _times(pattern.transposed, values[pattern.transposed_order], nothing, gradient)
        return by_values, by_bias, by_tiles, None


class _DenseProduct(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, bias: Tensor, tiles: Tensor) -> Tensor:
        ctx.save_for_backward(weight, tiles)
        return _dense_times(weight, bias, tiles)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, tiles = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        by_weight = None
        if ctx.needs_input_grad[0]:
            by_weight = torch.zeros_like(weight)
            for output_gradient, inputs in zip(gradient, tiles, strict=True):
                by_weight.addmm_(output_gradient, inputs.t())
        by_bias = gradient.sum(dim=(0, 2)) if ctx.needs_input_grad[1] else None
        by_tiles = None
        if ctx.needs_input_grad[2]:
            by_tiles = _dense_times(weight.t(), weight.new_zeros(weight.shape[1]), gradient)
        return by_weight, by_bias, by_tiles


def _dense_times(weight: Tensor, bias: Tensor, tiles: Tensor) -> Tensor:
    outputs = tiles.new_empty(tiles.shape[0], weight.shape[0], tiles.shape[2])
    for inputs, output in zip(tiles, outputs, strict=True):  # torch.matmul would copy the tiles first
        torch.addmm(bias[:, None], weight, inputs, out=output)
    return outputs


def _times(rows: Rows, values: Tensor, bias: Tensor, tiles: Tensor) -> Tensor:
    if not _has_compiled_loops(tiles):
        matrix = _matrix(rows, values, tiles.shape[1])
        return torch.stack([torch.addmm(bias[:, None], matrix, inputs) for inputs in tiles])
    from sparsight.sparse.kept_products import product

    outputs = tiles.new_empty(tiles.shape[0], len(bias), tiles.shape[2])
    arrays = [_array(tensor) for tensor in (rows.starts, rows.columns, values, bias, tiles, outputs)]
    in_parallel(product, even_shares(len(tiles)), *arrays)
    return outputs


def _at_kept(rows: Rows, gradient: Tensor, tiles: Tensor) -> tuple[Tensor, Tensor]:
    if not _has_compiled_loops(tiles):
        total = _matrix(rows, tiles.new_zeros(len(rows.columns)), tiles.shape[1])
        for output_gradient, inputs in zip(gradient, tiles, strict=True):
            total = torch.sparse.sampled_addmm(total, output_gradient, inputs.t())
        return total.values(), gradient.sum(dim=(0, 2))
    from sparsight.sparse.kept_products import weight_gradient

    groups = min(_GROUPS, len(tiles))
    by_values, by_bias = (tiles.new_empty(groups, n) for n in (len(rows.columns), len(rows.starts) - 1))
    cuts = rows.cuts(math.ceil(num_threads() / groups))
    arrays = [_array(tensor) for tensor in (rows.starts, rows.columns, gradient, tiles, by_values, by_bias)]
    in_parallel(weight_gradient, even_shares(groups * (len(cuts) - 1)), cuts, *arrays)
    return by_values.sum(dim=0), by_bias.sum(dim=0)


def _has_compiled_loops(tiles: Tensor) -> bool:
    """Whether numba's loops serve these tiles; torch's own sparse products (cuSPARSE) do on a GPU."""
    return tiles.device.type == "cpu"


def _matrix(rows: Rows, values: Tensor, num_columns: int) -> Tensor:
    shape = (len(rows.starts) - 1, num_columns)
    return torch.sparse_csr_tensor(rows.starts, rows.columns, values, shape, check_invariants=False)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().numpy()
