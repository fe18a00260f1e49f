"""Linear layers on kept weights of other libraries, each with gradients for its kept weights only.

- ``torch CSR``: torch's own products of compressed rows (`torch.sparse.mm`, `torch.sparse.sampled_addmm`);
- ``SparseLab``: `sparselab.SparseLinear` (pip-installable, CPU);
- ``SparseProp``: `sparseprop.modules.linear.SparseLinear` (Nikdan et al. 2023; compiled on installation).

The last two are optional: `missing` says what to install.
"""

import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

PACKAGES = {"torch CSR": "torch", "SparseLab": "sparselab", "SparseProp": "sparseprop"}
"""The peers, and the package of each."""


def missing(peer: str) -> str:
    """Return what to install to time a peer, or nothing."""
    package = PACKAGES[peer]
    return "" if find_spec(package) else f"{peer} is not timed: `pip install {package}`"


def named(peer: str) -> str:
    """Return the name of a peer with its version."""
    try:
        return f"{peer} {version(PACKAGES[peer])}"
    except PackageNotFoundError:
        return peer


def replace_layers_(network: nn.Module, masks: dict[str, Tensor], peer: str) -> nn.Module:
    """Put a peer's layers in the place of the masked linear layers, with the same kept weights and biases."""
    build = _BUILDERS[peer]
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
    for name, mask in masks.items():
        path = name.removesuffix(".weight")
        layer = network.get_submodule(path)
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{path} is a {type(layer).__name__}; peers have linear layers only")
        with torch.no_grad():
            layer.weight.mul_(mask)
        owner, _, attribute = path.rpartition(".")
        setattr(network.get_submodule(owner), attribute, build(layer))
    return network


def kept_weights(layer: nn.Module) -> nn.Parameter:
    """Return the parameter that holds a peer's kept weights, row by row."""
    for name in ("values", "W_val", "_values"):
        parameter = getattr(layer, name, None)
        if isinstance(parameter, nn.Parameter):
            return parameter
    raise TypeError(f"{type(layer).__name__} is no layer of {', '.join(PACKAGES)}")


def as_matrix(values: Tensor, mask: Tensor) -> Tensor:
    """Return kept weights, or their gradients, as a dense matrix, shape of the mask, 0 outside."""
    dense = torch.zeros(mask.shape)
    dense[mask] = values.detach()
    return dense


class CsrLinear(nn.Module):
    """torch's compressed rows: y = W x + b, with the structure of Wᵀ worked out once."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        torch.sparse.check_sparse_tensor_invariants.disable()  # said out loud, or torch warns of its default
        rows = linear.weight.detach().to_sparse_csr()
        self.values = nn.Parameter(rows.values().clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        self._structure = rows.crow_indices(), rows.col_indices(), tuple(linear.weight.shape)
        numbered = torch.sparse_csr_tensor(*self._structure[:2], torch.arange(1.0, 1 + rows._nnz()).double())
        transposed = numbered.to_dense().T.to_sparse_csr()
        self._transposed = transposed.crow_indices(), transposed.col_indices()
        self._order = transposed.values().long() - 1

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs, shape (samples, units)."""
        outputs = _CsrProduct.apply(inputs, self.values, self._structure, self._transposed, self._order)
        return outputs if self.bias is None else outputs + self.bias


class _CsrProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, values: Tensor, structure: Any, transposed: Any, order: Any) -> Any:
        starts, columns, shape = structure
        ctx.save_for_backward(inputs, values)
        ctx.structure, ctx.transposed, ctx.order = structure, transposed, order
        weight = torch.sparse_csr_tensor(starts, columns, values, shape)
        return torch.sparse.mm(weight, inputs.T).T

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        inputs, values = ctx.saved_tensors
        starts, columns, shape = ctx.structure
        of_values = of_inputs = None
        if ctx.needs_input_grad[1]:
            zeros = torch.sparse_csr_tensor(starts, columns, torch.zeros_like(values), shape)
            of_values = torch.sparse.sampled_addmm(zeros, gradient.T, inputs).values()
        if ctx.needs_input_grad[0]:
            weight = torch.sparse_csr_tensor(*ctx.transposed, values[ctx.order], shape[::-1])
            of_inputs = torch.sparse.mm(weight, gradient.T).T
        return of_inputs, of_values, None, None, None


def _sparselab(linear: nn.Linear) -> nn.Module:
    import numpy as np
    from sparselab import SparseLinear
    from sparselab.layout import from_dense
    from sparselab.ops import _clear_transpose_cache

    _clear_transpose_cache()  # it is keyed by `id`, which Python gives again to other matrices
    layer = SparseLinear(linear.in_features, linear.out_features, bias=linear.bias is not None, sparsity=0.9)
    # Its constructor draws its own mask. Its values share memory with its rows, so both are replaced.
    layer._csr = from_dense(linear.weight.detach(), padding_ratio=0.0)
    layer._values = nn.Parameter(torch.from_numpy(np.asarray(layer._csr.values)))
    if linear.bias is not None:
        layer.bias = nn.Parameter(linear.bias.detach().clone())
    built: nn.Module = layer
    return built


def _sparseprop(linear: nn.Linear) -> nn.Module:
    from sparseprop.modules.linear import SparseLinear

    built: nn.Module = SparseLinear.from_dense(linear)
    return built


LEAST_DENSITY = {"SparseLab": 0.01}
"""Below it units without weights occur, which SparseLab gives a place among the values."""

_BUILDERS: dict[str, Callable[[nn.Linear], nn.Module]] = {
    "torch CSR": CsrLinear,
    "SparseLab": _sparselab,
    "SparseProp": _sparseprop,
}
