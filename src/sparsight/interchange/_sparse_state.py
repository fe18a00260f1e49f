"""State dicts that hold kept weights only, as compressed sparse rows (CSR)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sparsight.errors import InputError
from sparsight.interchange._pruned_state import PrunedState
from sparsight.interchange._state_layouts import plain_state
from sparsight.sparse import INDICES, check_csr, csr_of, mask_of_csr

_MOST_WEIGHTS = 2**31
"""A file of some bytes may name a matrix of any shape; the largest layers in use have some 10⁹ weights."""


def to_csr(pruned: PrunedState) -> dict[str, Tensor]:
    """Return a state dict whose size grows with kept weights.

    It has the names of `sparsight.SparseLinear`: a network on which `sparsight.sparsify` was called loads it.

    Returns
    -------
    dict of str to Tensor
        For every matrix ``<layer>.weight`` with a mask: ``<layer>.values``, (kept,), with
        ``<layer>.crow_indices``, ``<layer>.col_indices`` and ``<layer>.shape``. Other entries unchanged: a
        pruned bias keeps its zeros.
    """
    state: dict[str, Tensor] = {}
    for name, value in pruned.state.items():
        mask = pruned.masks.get(name)
        if mask is None or mask.ndim != 2 or not name.endswith("weight"):
            state[name] = value
            continue
        layer = name.removesuffix("weight")
        state[f"{layer}values"] = value[mask]
        state.update({layer + part: indices for part, indices in csr_of(mask).items()})
    return state


def from_csr(state: Mapping[str, Any]) -> PrunedState:
    """Return weights and masks from a state dict of `to_csr`, or of a network with `sparsight.SparseLinear`.

    Raises
    ------
    InputError
        If the entries of a layer describe no sparse matrix.
    """
    state = plain_state(state, "state")
    layers = [
        name.removesuffix("values")
        for name in state
        if name.rpartition(".")[2] == "values"
        and all(name.removesuffix("values") + part in state for part in INDICES)
    ]
    taken = {layer + part: layer for layer in layers for part in ("values", *INDICES)}
    values: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for name, value in state.items():
        if name not in taken:
            values[name] = value.detach().clone()
        elif name.endswith("values"):
            layer = taken[name]
            indices = {part: state[layer + part] for part in INDICES}
            num_rows, num_columns = _shape_of(layer, indices["shape"])
            check_csr(layer, value, indices, (num_rows, num_columns))
            mask = mask_of_csr(indices)
            masks[f"{layer}weight"] = mask
            values[f"{layer}weight"] = torch.zeros(mask.shape, dtype=value.dtype).masked_scatter(mask, value)
    return PrunedState(values, masks)


def _shape_of(layer: str, shape: Tensor) -> tuple[int, int]:
    """Return rows and columns, if a mask of them can be unpacked."""
    if shape.shape != (2,) or shape.is_floating_point() or bool((shape < 1).any()):
        raise InputError(f"{layer}shape holds {shape.flatten().tolist()[:4]}; rows and columns are needed")
    num_rows, num_columns = shape.tolist()
    if num_rows * num_columns > _MOST_WEIGHTS:
        raise InputError(
            f"{layer}shape is {num_rows} × {num_columns}: that many weights are not unpacked (at most "
            f"{_MOST_WEIGHTS})"
        )
    return num_rows, num_columns
