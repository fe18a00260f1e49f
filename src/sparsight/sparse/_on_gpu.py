"""The sparse step on a GPU: torch's own sparse matrices (cuSPARSE) on samples by features, without tiles.

With X (in, n) and Y = W X + b, and G the gradient of the loss by Y: ∂W = G Xᵀ at kept entries only, ∂b = G 1,
and ∂X = Wᵀ G if the input needs it.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from sparsight.sparse._batch_norm import is_supported
from sparsight.sparse._pattern import Pattern, Rows

Weights = Callable[[], tuple[Tensor, Tensor]]
"""Returns a layer's kept weights, (kept,), and bias at the time of the call."""

RowStage = Callable[[Tensor], Tensor]


def row_stages(
    network: nn.Sequential,
    patterns: Mapping[str, Pattern],
    weights_of: Callable[[str, nn.Linear], Weights],
) -> list[RowStage]:
    """Return the stages of a network, each a function of samples by features; patterns are by layer name."""
    stages: list[RowStage] = []
    modules = list(network.named_children())
    while modules:
        name, module = modules.pop(0)
        following = modules[0][0] if modules else ""
        norm = None
        if is_supported(module) and not stages and following in patterns:
            norm = module
            name, module = modules.pop(0)
        if name in patterns:
            assert isinstance(module, nn.Linear)
            stages.append(_product_stage(weights_of(name, module), patterns[name], norm))
        else:
            stages.append(module)
    return stages


def _product_stage(weights: Weights, pattern: Pattern, norm: nn.Module | None) -> RowStage:
    from sparsight.sparse._block import folded

    def stage(rows: Tensor) -> Tensor:
        values, bias = weights()
        if norm is not None:
            assert isinstance(norm, nn.BatchNorm1d)
            values, bias = folded(values, bias, norm.weight, norm.bias, pattern)
            rows = _standardised(norm, rows)
        return sparse_product(values, bias, rows, pattern)

    return stage


def _standardised(module: nn.BatchNorm1d, rows: Tensor) -> Tensor:
    """Return samples standardised as `module` does, without γ and β."""
    if module.training:
        assert module.num_batches_tracked is not None
        module.num_batches_tracked.add_(1)
    momentum = module.momentum
    assert momentum is not None
    return functional.batch_norm(
        rows, module.running_mean, module.running_var, None, None, module.training, momentum, module.eps
    )


def sparse_product(values: Tensor, bias: Tensor, inputs: Tensor, pattern: Pattern) -> Tensor:
    """Return W x + b for every sample, (n, out), from the kept weights in the order of ``weight[mask]``."""
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
