"""Compressed sparse rows (CSR) of a mask, by the names of ``torch.sparse_csr_tensor``."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sparsight.arguments import described
from sparsight.errors import InputError

INDICES = ("crow_indices", "col_indices", "shape")
"""The names of the three parts, as `csr_of` returns them."""


def csr_of(mask: Tensor) -> dict[str, Tensor]:
    """Return row starts, int32 (out + 1,), columns, int32 (kept,), and the shape, int64 (2,), by name."""
    starts = torch.cat([mask.new_zeros(1, dtype=torch.int64), mask.sum(dim=1).cumsum(0)]).to(torch.int32)
    columns = mask.nonzero(as_tuple=True)[1].to(torch.int32)
    return dict(zip(INDICES, (starts, columns, torch.tensor(mask.shape)), strict=True))


def mask_of_csr(indices: Mapping[str, Tensor]) -> Tensor:
    """Return the mask that `csr_of` was called with."""
    starts, columns, shape = (indices[name] for name in INDICES)
    num_rows, num_columns = shape.tolist()
    rows = torch.arange(num_rows, device=starts.device).repeat_interleave(starts.diff())
    mask = torch.zeros(num_rows, num_columns, dtype=torch.bool, device=starts.device)
    mask[rows, columns.long()] = True
    return mask


def check_mask(mask: Tensor, shape: tuple[int, ...] | None = None, name: str = "mask") -> None:
    """Raise `InputError` unless this is a matrix of bools with entries, and of this shape if one is given."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.ndim != 2 or not mask.numel():
        raise InputError(f"{name} is {described(mask)}; a matrix of bools is needed, True = kept")
    if shape is not None and tuple(mask.shape) != shape:
        raise InputError(f"{name} is {described(mask)}; the weight is {shape}")


def check_csr(prefix: str, values: Tensor, indices: Mapping[str, Tensor], shape: tuple[int, int]) -> None:
    """Raise `InputError` unless the entries of a state dict are a matrix of this shape, columns ascending."""
    starts, columns = (indices[name].long().cpu() for name in INDICES[:2])
    num_rows, num_columns = shape
    if indices["shape"].tolist() != list(shape):
        raise InputError(f"{prefix}shape is {indices['shape'].tolist()}; the layer is {list(shape)}")
    is_whole = (
        starts.shape == (num_rows + 1,)
        and columns.shape == values.shape == (int(starts[-1]),)
        and int(starts[0]) == 0
        and bool((starts.diff() >= 0).all())
        and bool(((columns >= 0) & (columns < num_columns)).all())
    )
    if is_whole:
        rows = torch.arange(num_rows).repeat_interleave(starts.diff())
        is_whole = bool(((rows * num_columns + columns).diff() > 0).all())
    if not is_whole:
        raise InputError(
            f"{prefix}values, {prefix}crow_indices and {prefix}col_indices are no sparse matrix of {shape}"
        )
