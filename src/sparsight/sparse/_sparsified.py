"""Networks with sparse layers in place of masked ones, and back."""

import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from sparsight.errors import InputError
from sparsight.sparse._sparse_linear import SparseLinear


def sparsify(module: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of a network in which masked linear layers are `SparseLinear`.

    Parameters
    ----------
    module : torch.nn.Module
        Unchanged, and of any architecture.
    masks : mapping of str to Tensor of bool
        By parameter name (``linear_0.weight``), as ``level.masks`` of `sparsight.imp`.

    Raises
    ------
    InputError
        If a mask is not that of the weight of a plain ``torch.nn.Linear`` (a bias or a convolution cannot be
        sparse), its shape differs, or the weight is shared with another module.

    Examples
    --------
    >>> import torch, sparsight
    >>> network = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> sparsight.sparsify(network, {"0.weight": torch.rand(4, 6) > 0.5})[2]
    Linear(in_features=4, out_features=2, bias=True)
    """
    copied = copy.deepcopy(module)
    for name, mask in masks.items():
        layer = _masked_layer(copied, name)
        try:
            made = SparseLinear.from_dense(layer, mask)
        except InputError as error:
            raise InputError(f"masks[{name!r}]: {error}") from None
        copied = _with_layer(copied, name, made)
    return copied


def densify(module: nn.Module) -> nn.Module:
    """Return a copy of a network in which every `SparseLinear` is a ``torch.nn.Linear`` with zeros.

    Parameters
    ----------
    module : torch.nn.Module
        Unchanged.
    """
    copied = copy.deepcopy(module)
    sparse = [(name, layer) for name, layer in copied.named_modules() if isinstance(layer, SparseLinear)]
    for name, layer in sparse:
        copied = _with_layer(copied, f"{name}.weight" if name else "weight", _dense(layer))
    return copied


@torch.no_grad()
def _dense(layer: SparseLinear) -> nn.Linear:
    made = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Linear, layer.in_features, layer.out_features, layer.bias is not None,
        device=layer.values.device, dtype=layer.values.dtype,
    )  # fmt: skip
    made.weight.copy_(layer.weight)
    made.weight.requires_grad_(layer.values.requires_grad)
    if layer.bias is not None:
        made.bias.copy_(layer.bias)
        made.bias.requires_grad_(layer.bias.requires_grad)
    return cast(nn.Linear, made.train(layer.training))


def _masked_layer(module: nn.Module, name: str) -> nn.Linear:
    """Return the layer whose weight has this name, if it can be replaced."""
    path, _, parameter = name.rpartition(".")
    weights = dict(module.named_parameters(remove_duplicate=False))
    if parameter != "weight" or name not in weights:
        listed = ", ".join(key for key in weights if key.rpartition(".")[2] == "weight") or "none"
        raise InputError(f"masks name {name!r}; weights of the network are {listed}")
    shared = [key for key, value in weights.items() if value is weights[name] and key != name]
    if shared:
        raise InputError(f"masks name {name!r}, which is shared with {', '.join(shared)}: give each its own")
    return cast(nn.Linear, module.get_submodule(path))


def _with_layer(module: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Put a layer where that of a weight's name is; return the network, which may be the layer itself."""
    path = name.rpartition(".")[0]
    if not path:
        return layer
    parent, _, child = path.rpartition(".")
    setattr(module.get_submodule(parent), child, layer)
    return module
