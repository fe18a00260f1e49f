"""The product of kept weights with a batch in torch's own sparse matrices (cuSPARSE), for a GPU.

With X (in, n) and Y = W X + b, from G, the gradient of the loss by Y: ∂W = G Xᵀ at kept entries only,
∂b = G 1 and ∂X = Wᵀ G where somebody needs it.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from sparsight.sparse._pattern import Pattern, Rows


def sparse_product(values: Tensor, bias: Tensor, inputs: Tensor, pattern: Pattern) -> Tensor:
    """Return W x + b for every sample, from the kept weights' values.

    Parameters
    ----------
    values : Tensor, (kept,)
        In the order of ``weight[mask]``.
    bias : Tensor, (out,)
    inputs : Tensor, (n, in)
    pattern : Pattern

    Returns
    -------
    Tensor, (n, out)
    """
    outputs = _SparseProduct.apply(values, bias, inputs.t().contiguous(), pattern)  # type: ignore[no-untyped-call]
    return cast(Tensor, outputs).t()


class _SparseProduct(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, bias: Tensor, inputs: Tensor, pattern: Pattern) -> Tensor:
        ctx.save_for_backward(values, inputs)
        ctx.pattern = pattern
        return torch.addmm(bias[:, None], _matrix(pattern.rows, values, len(inputs)), inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, inputs = ctx.saved_tensors
        pattern: Pattern = ctx.pattern
        gradient = gradients[0].contiguous()
        nothing = _matrix(pattern.rows, torch.zeros_like(values), len(inputs))
        by_values = torch.sparse.sampled_addmm(nothing, gradient, inputs.t()).values()
        by_inputs = None
        if ctx.needs_input_grad[2]:
            transposed = _matrix(pattern.transposed, values[pattern.transposed_order], len(gradient))
            by_inputs = transposed @ gradient
        return by_values, gradient.sum(dim=1), by_inputs, None


def _matrix(rows: Rows, values: Tensor, num_columns: int) -> Tensor:
    shape = (len(rows.starts) - 1, num_columns)
    return torch.sparse_csr_tensor(rows.starts, rows.columns, values, shape, check_invariants=False)
