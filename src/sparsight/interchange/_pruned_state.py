"""State dicts with masks, under the names of torch.nn.utils.prune or with zeros baked into the weights."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.errors import InputError

_ORIGINAL, _MASK = "_orig", "_mask"


@dataclass(frozen=True, eq=False)
class PrunedState:
    """The parameters and buffers of a network, with the masks of the pruned ones.

    Attributes
    ----------
    state : dict of str to Tensor
        Exactly 0 outside the masks.
    masks : dict of str to Tensor of bool
        By parameter name; True = kept. A parameter without a mask is not pruned.
    """

    state: dict[str, Tensor]
    masks: dict[str, Tensor]

    @property
    def density(self) -> float:
        """Kept entries over all entries of the masks; 1 without masks."""
        total = sum(mask.numel() for mask in self.masks.values())
        return sum(int(mask.sum()) for mask in self.masks.values()) / total if total else 1.0


def to_prune_names(pruned: PrunedState) -> dict[str, Tensor]:
    """Return a state dict with the names of ``torch.nn.utils.prune``.

    A module whose parameters were reparametrised (``prune.identity(module, "weight")``) can load it.

    Returns
    -------
    dict of str to Tensor
        ``<name>_orig`` and ``<name>_mask`` (1 = kept, in the parameter's dtype) for every mask; other entries
        unchanged.
    """
    named: dict[str, Tensor] = {}
    for name, value in pruned.state.items():
        if name in pruned.masks:
            named[name + _ORIGINAL] = value
            named[name + _MASK] = pruned.masks[name].to(value.dtype)
        else:
            named[name] = value
    return named


def from_prune_names(state: Mapping[str, Tensor]) -> PrunedState:
    """Return weights and masks from the state dict of a module pruned with ``torch.nn.utils.prune``.

    Parameters
    ----------
    state : mapping of str to Tensor
        ``module.state_dict()``, or the contents of a file.

    Raises
    ------
    InputError
        If an original lacks its mask or a mask its original, if their shapes differ, or if a mask holds
        numbers other than 0 and 1.
    """
    originals = {name.removesuffix(_ORIGINAL) for name in state if name.endswith(_ORIGINAL)}
    masked = {name.removesuffix(_MASK) for name in state if name.endswith(_MASK)}
    for name in sorted(originals ^ masked):
        missing = _MASK if name in originals else _ORIGINAL
        raise InputError(f"state: {name}{missing} is missing; torch.nn.utils.prune keeps both")
    values: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.removesuffix(_ORIGINAL)
        if key.endswith(_ORIGINAL):
            masks[name] = _as_mask(state[name + _MASK], value, name)
            values[name] = value.detach() * masks[name].to(value.dtype)
        elif not key.endswith(_MASK):
            values[key] = value.detach().clone()
    return PrunedState(values, masks)


def from_zeros(state: Mapping[str, Tensor], prefix: str = "") -> PrunedState:
    """Return weights and inferred masks from a state dict whose pruned weights are zeros.

    ``prune.remove`` and Lightning leave such state dicts. Every entry of a matrix ``….weight`` that is
    exactly 0 counts as pruned; a matrix without zeros gets no mask. A kept weight of 0 cannot be
    distinguished from a pruned one; a warning says so.

    Parameters
    ----------
    state : mapping of str to Tensor
        Or a checkpoint that holds one under ``"state_dict"``.
    prefix : str
        Removed from every name, such as ``model.``; entries without it are left out.

    Raises
    ------
    InputError
        If no name has that prefix.
    """
    inner = state.get("state_dict")
    state = inner if isinstance(inner, Mapping) else state
    values = {
        name.removeprefix(prefix): value.detach().clone()
        for name, value in state.items()
        if name.startswith(prefix)
    }
    if not values:
        raise InputError(f"prefix: no name begins with {prefix!r}; there are {', '.join(list(state)[:5])}, …")
    masks = {
        name: value != 0
        for name, value in values.items()
        if value.ndim == 2 and name.endswith("weight") and bool((value == 0).any())
    }
    warnings.warn(
        f"masks of {', '.join(masks) or 'no layer'} were inferred from zeros: a kept weight of exactly 0 "
        "counts as pruned",
        UserWarning,
        stacklevel=2,
    )
    return PrunedState(values, masks)


def _as_mask(mask: Tensor, original: Tensor, name: str) -> Tensor:
    if mask.shape != original.shape:
        raise InputError(
            f"state: {name}_mask has shape {tuple(mask.shape)}, {name}_orig {tuple(original.shape)}"
        )
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise InputError(f"state: {name}_mask holds numbers other than 0 and 1")
    return mask.to(torch.bool)
