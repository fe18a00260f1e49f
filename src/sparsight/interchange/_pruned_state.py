"""State dicts with masks, under the names of torch.nn.utils.prune or with zeros baked into the weights."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sparsight.errors import InputError
from sparsight.interchange._state_layouts import (
    MASK,
    ORIGINAL,
    as_mask,
    has_padding_row,
    mask_keys,
    plain_state,
    zeros,
)


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
            named[name + ORIGINAL] = value
            named[name + MASK] = pruned.masks[name].to(value.dtype)
        else:
            named[name] = value
    return named


def from_prune_names(state: Mapping[str, Any]) -> PrunedState:
    """Return weights and masks from the state dict of a module pruned with ``torch.nn.utils.prune``.

    Masks are also found where other tools keep them: ``fc.weight_mask`` beside ``fc.weight`` (Synaptic-Flow,
    fasterai), ``fc.mask`` or ``fc._mask`` in a layer, ``fc.mask_weight``, and ``mask_fc.weight``.

    Parameters
    ----------
    state : mapping of str to Tensor
        ``module.state_dict()``, or the contents of a file. A checkpoint that holds a state dict, and the
        prefixes of DataParallel and torch.compile, are understood as by `read_state`.

    Raises
    ------
    InputError
        If an original lacks its mask or a mask its original, if their shapes differ, if a mask holds numbers
        other than 0 and 1, or if there are no masks but zeros in the weights.

    Warns
    -----
    UserWarning
        If there are no masks and no zeros, or if weights without a mask are partly 0.
    """
    state = plain_state(state, "state")
    keys = mask_keys(state)
    masks: dict[str, Tensor] = {}
    for key, name in keys.items():
        parameter = state[name] if name in state else state[name + ORIGINAL]
        masks[name] = as_mask(state[key], key, parameter, name if name in state else name + ORIGINAL)
    values: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.removesuffix(ORIGINAL) if key.removesuffix(ORIGINAL) in masks else key
        if name in masks:
            # Not a product with the mask: what it hides may be NaN or infinite.
            values[name] = value.detach().masked_fill(~masks[name].to(value.device), 0)
        elif key not in keys:
            values[key] = value.detach().clone()
    _check_unmasked(values, masks)
    return PrunedState(values, {name: masks[name] for name in values if name in masks})


def _check_unmasked(values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Refuse zeros in weights if nothing has a mask, and warn of other weights that may lack one."""
    shares = {name: share for name, share in zeros(values).items() if name not in masks}
    listed = ", ".join(f"{name} ({share:.0%})" for name, share in shares.items())
    if not masks and shares:
        raise InputError(
            f"state holds no masks, but zeros in {listed}; if these weights are pruned, call "
            "sparsight.interchange.from_zeros(state)"
        )
    if not masks:
        message = "state holds neither masks nor zeros in its weights: it is read as dense"
    elif shares:
        message = f"weights without a mask are partly 0 and count as kept: {listed}"
    else:
        return
    warnings.warn(message, UserWarning, stacklevel=3)


def from_zeros(state: Mapping[str, Any], prefix: str = "") -> PrunedState:
    """Return weights and inferred masks from a state dict whose pruned weights are zeros.

    ``prune.remove`` and Lightning leave such state dicts. Every entry of a matrix ``….weight`` that is
    exactly 0 counts as pruned; a matrix without zeros gets no mask, and neither does one whose only zeros are
    one row, as an embedding keeps its padding. A kept weight of 0 cannot be distinguished from a pruned one;
    a warning says so.

    Parameters
    ----------
    state : mapping of str to Tensor
        Or a checkpoint that holds one; see `read_state`.
    prefix : str
        Removed from every name, such as ``model.``; entries without it are left out.

    Raises
    ------
    InputError
        If no name has that prefix, or the state holds masks, which `from_prune_names` reads.
    """
    state = plain_state(state, "state")
    keys = mask_keys({name: value for name, value in state.items() if name.startswith(prefix)})
    if keys:
        raise InputError(
            f"state holds masks ({', '.join(list(keys)[:5])}); call "
            "sparsight.interchange.from_prune_names(state), which reads them"
        )
    values = {
        name.removeprefix(prefix): value.detach().clone()
        for name, value in state.items()
        if name.startswith(prefix)
    }
    if not values:
        raise InputError(f"prefix: no name begins with {prefix!r}; there are {', '.join(list(state)[:5])}, …")
    masks = {name: values[name] != 0 for name in zeros(values) if values[name].ndim == 2}
    padded = [name for name, value in values.items() if name.endswith("weight") and has_padding_row(value)]
    said = f"; the one row of zeros in {', '.join(padded)} counts as kept padding" if padded else ""
    warnings.warn(
        f"masks of {', '.join(masks) or 'no layer'} were inferred from zeros: a kept weight of exactly 0 "
        f"counts as pruned{said}",
        UserWarning,
        stacklevel=2,
    )
    return PrunedState(values, masks)
