"""State dicts with masks: the names of torch.nn.utils.prune, and weights with zeros baked in."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.errors import InputError

_ORIGINAL, _MASK = "_orig", "_mask"


@dataclass(frozen=True, eq=False)
class PrunedState:
    """Parameters and buffers of a network, and which entries of them are kept.

    Attributes
    ----------
    state : dict of str to Tensor
        Exactly 0 outside the masks.
    masks : dict of str to Tensor of bool
        By parameter name; what is not named is not pruned.
    """

    state: dict[str, Tensor]
    masks: dict[str, Tensor]

    @property
    def density(self) -> float:
        """Kept entries / entries of the masks; 1 without masks."""
        total = sum(mask.numel() for mask in self.masks.values())
        return sum(int(mask.sum()) for mask in self.masks.values()) / total if total else 1.0


def to_prune_names(pruned: PrunedState) -> dict[str, Tensor]:
    """Return a state dict with the names of ``torch.nn.utils.prune``.

    A module whose parameters were reparametrised (``prune.identity(module, "weight")``) loads it.

    Parameters
    ----------
    pruned : PrunedState

    Returns
    -------
    dict of str to Tensor
        ``<name>_orig`` and ``<name>_mask`` (1 = kept, of the parameter's dtype) for every mask; the rest as
        it is.
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
    """Read a state dict of a module that was pruned with ``torch.nn.utils.prune``.

    Parameters
    ----------
    state : mapping of str to Tensor
        ``module.state_dict()`` of a live module, or from a file.

    Raises
    ------
    InputError
        If an original has no mask, a mask no original, shapes differ, or a mask holds other numbers than 0
        and 1.
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
    """Read a state dict whose pruned weights are zeros, as left by ``prune.remove`` or by Lightning.

    Every entry of a matrix ``….weight`` that is exactly 0 counts as pruned; a matrix without zeros gets no
    mask. A kept weight that happens to be 0 cannot be told from a pruned one: a warning says so.

    Parameters
    ----------
    state : mapping of str to Tensor
        Also a checkpoint that holds one under ``"state_dict"``.
    prefix : str
        Taken off every name, as in ``model.``; names without it are left out.

    Raises
    ------
    InputError
        If no parameter has that prefix.
    """
    state = _unwrapped(state)
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


def _unwrapped(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    inner = state.get("state_dict")
    return inner if isinstance(inner, Mapping) else state


def _as_mask(mask: Tensor, original: Tensor, name: str) -> Tensor:
    if mask.shape != original.shape:
        raise InputError(
            f"state: {name}_mask has shape {tuple(mask.shape)}, {name}_orig {tuple(original.shape)}"
        )
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise InputError(f"state: {name}_mask holds other numbers than 0 and 1")
    return mask.to(torch.bool)
