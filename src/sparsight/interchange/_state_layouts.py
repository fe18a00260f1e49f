"""Where a checkpoint keeps its state dict, under which names, and which of its entries are masks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sparsight.errors import InputError

ORIGINAL, MASK = "_orig", "_mask"

_WHERE_STATES_ARE = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "params",
)
_COMPILED = "_orig_mod."  # torch.compile puts it in front of every name
_PARALLEL = "module."  # DataParallel and AveragedModel do
_COUNT_OF_AVERAGES = "n_averaged"


def plain_state(content: Any, origin: str) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint, without the prefixes that wrappers of modules add.

    The state dict is the content itself, or the one under a usual name such as ``"state_dict"`` or
    ``"model_state_dict"``, or the only one that there is. ``_orig_mod.`` (torch.compile) is removed from all
    names, and ``module.`` (DataParallel) where all names begin with it.

    Raises
    ------
    InputError
        If there is no state dict, or more than one of equal claim; the message names the keys found.
    """
    state = _innermost(content, origin)
    names = {name: name.replace(_COMPILED, "") for name in state}
    own = [name for name in names.values() if name != _COUNT_OF_AVERAGES]
    if own and all(name.startswith(_PARALLEL) for name in own):
        names = {
            key: name.removeprefix(_PARALLEL) for key, name in names.items() if name != _COUNT_OF_AVERAGES
        }
    if len(set(names.values())) < len(names):
        raise InputError(f"{origin} holds names that differ in {_COMPILED!r} alone; take one module's state")
    return {name: state[key] for key, name in names.items()}


def _innermost(content: Any, origin: str) -> Mapping[str, Tensor]:
    if not isinstance(content, Mapping):
        raise InputError(
            f"{origin} holds a {type(content).__name__} and not a state dict; a dictionary of tensors by "
            "name is needed: save module.state_dict()"
        )
    if _is_state(content):
        return content
    inner = {str(key): value for key, value in content.items() if isinstance(value, Mapping)}
    for key in (*(name for name in _WHERE_STATES_ARE if name in inner), *inner):
        if isinstance(inner[key].get("state_dict"), Mapping):  # one level further down
            inner[key] = inner[key]["state_dict"]
    states = {key: value for key, value in inner.items() if value and _is_state(value)}
    for key in _WHERE_STATES_ARE:
        if key in states:
            return states[key]
    if len(states) == 1:
        return next(iter(states.values()))
    there = ", ".join(map(str, list(content)[:8])) or "nothing"
    if states:
        raise InputError(
            f"{origin} holds several state dicts ({', '.join(states)}); read one of them: "
            f"torch.load(path, weights_only=True)[{next(iter(states))!r}]"
        )
    raise InputError(
        f"{origin} does not hold a state dict: a dictionary of tensors by name is needed; there are {there}"
    )


def _is_state(content: Mapping[Any, Any]) -> bool:
    return all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items())


def mask_keys(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the parameter that each mask of a state dict belongs to: key of the mask → name.

    =======================================  ====================================
    keys                                     written by
    =======================================  ====================================
    ``fc.weight_orig``, ``fc.weight_mask``   torch.nn.utils.prune
    ``fc.weight``, ``fc.weight_mask``        Synaptic-Flow, fasterai
    ``fc.weight``, ``fc.mask``, ``fc._mask`` layers that keep one mask
    ``fc.weight``, ``fc.mask_weight``        layers with a mask for each parameter
    ``fc.weight``, ``mask_fc.weight``        masks beside the modules; also with ``_`` for every dot
    =======================================  ====================================

    Other entries, such as the ``attn_mask`` of an attention, are buffers; so is what is not of 0 and 1 or of
    another shape than the parameter, except under the names of the first two rows.

    Raises
    ------
    InputError
        If ``<parameter>_mask`` has no parameter, or ``<parameter>_orig`` no mask.
    """
    parameters = {key.removesuffix(ORIGINAL): value for key, value in state.items()}
    underscored = {name.replace(".", "_"): name for name in parameters}
    found: dict[str, str] = {}
    for key, value in state.items():
        name = _parameter_of(key, parameters, underscored)
        if name is not None and (key == name + MASK or _could_be_mask(value, parameters[name])):
            found[key] = name
        elif key.endswith((f"weight{MASK}", f"bias{MASK}")):
            base = key.removesuffix(MASK)
            raise InputError(f"state: {base}{ORIGINAL} is missing; torch.nn.utils.prune keeps both")
    _check_originals(state, set(found.values()))
    return found


def _parameter_of(key: str, parameters: Mapping[str, Tensor], underscored: Mapping[str, str]) -> str | None:
    layer, _, local = key.rpartition(".")
    inside = f"{layer}." if layer else ""
    candidates = []
    if local in ("mask", MASK):
        candidates.append(f"{inside}weight")
    elif local.endswith(MASK):
        candidates.append(key.removesuffix(MASK))
    if local.startswith("mask_"):
        candidates.append(inside + local.removeprefix("mask_"))
    if key.startswith("mask_"):
        candidates.append(key.removeprefix("mask_"))
    for known in (dict(zip(parameters, parameters, strict=True)), underscored):
        for candidate in candidates:
            if candidate in known:
                return known[candidate]
    return None


def _could_be_mask(value: Tensor, parameter: Tensor) -> bool:
    return value.shape == parameter.shape and bool(((value == 0) | (value == 1)).all())


def _check_originals(state: Mapping[str, Tensor], masked: set[str]) -> None:
    for key in state:
        base = key.removesuffix(ORIGINAL)
        if not key.endswith(ORIGINAL) or base in masked:
            continue
        if f"{base}_u" in state:
            raise InputError(
                f"state: {key} comes from spectral_norm, which computes {base} from it; call "
                "torch.nn.utils.remove_spectral_norm on the layer before you save the state"
            )
        raise InputError(f"state: {base}{MASK} is missing; torch.nn.utils.prune keeps both")


def zeros(state: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the share of zeros in every matrix ``….weight`` (or larger) that holds some, by name.

    A matrix whose only zeros are one row is left out: that is how an embedding keeps its padding.
    """
    return {
        name: float((value == 0).float().mean())
        for name, value in state.items()
        if name.endswith("weight")
        and value.ndim > 1
        and bool((value == 0).any())
        and not has_padding_row(value)
    }


def has_padding_row(weight: Tensor) -> bool:
    """Return whether the zeros of a matrix are exactly one of its rows, of at least four entries."""
    if weight.ndim != 2 or len(weight) < 2 or weight.shape[1] < 4:
        return False
    is_zero = weight == 0
    return int(is_zero.all(dim=1).sum()) == 1 and int(is_zero.sum()) == weight.shape[1]


def as_mask(mask: Tensor, key: str, parameter: Tensor, name: str) -> Tensor:
    """Return a mask as bool, after checking its shape and that it holds 0 and 1 only."""
    if mask.shape != parameter.shape:
        raise InputError(
            f"state: {key} has shape {tuple(mask.shape)}, {name} {tuple(parameter.shape)}; they must be equal"
        )
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise InputError(f"state: {key} holds numbers other than 0 and 1")
    return mask.to(torch.bool)
