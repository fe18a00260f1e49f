"""From scores and counts to masks: exactly as many weights go as were asked for."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sparsight.arguments import described
from sparsight.errors import InputError

Scope = Literal["global", "layer"]


def num_removed(rate: float, num_kept: int) -> int:
    """Return ⌊rate · num_kept⌋, with the rate taken as the decimal it is written as.

    In floating point 0.29 · 100 is 28.999…96; here it is 29.

    Examples
    --------
    >>> num_removed(0.29, 100)
    29
    """
    if not 0 <= rate <= 1:
        raise InputError(f"rate is {rate}; a share from 0 to 1 is needed")
    if num_kept < 0:
        raise InputError(f"num_kept is {num_kept}; 0 or more is allowed")
    return int(Fraction(repr(float(rate))) * num_kept)


def num_kept_by_level(num_weights: int, rate: float, num_levels: int) -> list[int]:
    """Return how many of `num_weights` are kept at levels 0 … `num_levels` of iterative pruning."""
    for name, number in (("num_weights", num_weights), ("num_levels", num_levels)):
        if number < 0:
            raise InputError(f"{name} is {number}; 0 or more is allowed")
    kept = [num_weights]
    for _ in range(num_levels):
        kept.append(kept[-1] - num_removed(rate, kept[-1]))
    return kept


def layer_of(parameter_name: str) -> str:
    """Return the layer that a parameter belongs to: ``linear_0`` of ``linear_0.weight``."""
    return parameter_name.rpartition(".")[0]


def groups_of(names: list[str], scope: Scope) -> list[list[str]]:
    """Return which parameters are ranked together: all, or those of one layer."""
    if scope == "global":
        return [names]
    if scope != "layer":
        raise InputError(f"scope is {scope!r}; 'global' and 'layer' are allowed")
    layers = dict.fromkeys(layer_of(name) for name in names)
    return [[name for name in names if layer_of(name) == layer] for layer in layers]


def remove_lowest(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], num_to_remove: int
) -> dict[str, Tensor]:
    """Remove exactly the `num_to_remove` kept entries with the lowest scores, ranked together.

    Parameters
    ----------
    scores : mapping of str to Tensor, any real dtype
        Same names and shapes as `masks`. Looked at where the mask is True only.
    masks : mapping of str to Tensor of bool
        What is kept now. Not changed.
    num_to_remove : int
        0 … number of kept entries.

    Returns
    -------
    dict of str to Tensor of bool
        New masks, subsets of the old. Among equal scores the entry that comes first (in the order of
        `masks`, then C order) goes first.

    Raises
    ------
    InputError
        If names or shapes differ, a kept entry's score is NaN, or more is to be removed than is kept.
    """
    if scores.keys() != masks.keys():
        raise InputError(f"scores are for {sorted(scores)}, masks for {sorted(masks)}; give one of each")
    for name, mask in masks.items():
        check_mask(name, mask)
        if not isinstance(scores[name], Tensor) or scores[name].is_complex():
            raise InputError(f"scores of {name} are {described(scores[name])}; a tensor of reals is needed")
        if scores[name].shape != mask.shape:
            raise InputError(
                f"scores of {name} have shape {tuple(scores[name].shape)}, its mask {tuple(mask.shape)}"
            )
    flat_mask = torch.cat([mask.reshape(-1) for mask in masks.values()]).cpu().numpy()
    flat_scores = _on_cpu(torch.cat([scores[name].reshape(-1) for name in masks]))
    kept = np.flatnonzero(flat_mask)
    kept_scores = flat_scores[kept]
    if np.isnan(kept_scores).any():
        raise InputError("scores are NaN for weights that are kept; a criterion must rank every kept weight")
    if not 0 <= num_to_remove <= len(kept):
        raise InputError(f"num_to_remove is {num_to_remove}; 0 to {len(kept)}, which are kept, are allowed")
    flat_mask[kept[_is_among_lowest(kept_scores, num_to_remove)]] = False
    pieces = torch.split(torch.from_numpy(flat_mask), [mask.numel() for mask in masks.values()])
    return {
        name: piece.view(mask.shape).to(mask.device)
        for (name, mask), piece in zip(masks.items(), pieces, strict=True)
    }


def _on_cpu(scores: Tensor) -> np.ndarray:
    scores = scores.detach().cpu()
    return (scores.float() if scores.dtype == torch.bfloat16 else scores).numpy()


def _is_among_lowest(scores: np.ndarray, number: int) -> np.ndarray:
    """Return which scores are the `number` lowest, the first of equal ones; a sort takes 50 times as long."""
    if number == 0:
        return np.zeros(len(scores), dtype=bool)
    highest = np.partition(scores, number - 1)[number - 1]
    is_lowest: np.ndarray = scores < highest
    ties = np.flatnonzero(scores == highest)
    is_lowest[ties[: number - np.count_nonzero(is_lowest)]] = True
    return is_lowest


def prune(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], rate: float, scope: Scope, rounds: int = 1
) -> dict[str, Tensor]:
    """Remove ⌊rate · kept⌋ of the kept weights, over the whole network or in each layer.

    Parameters
    ----------
    scores, masks
        As in `remove_lowest`.
    rate : float
        Between 0 and 1, both excluded.
    scope : {"global", "layer"}
        Whether all prunable parameters are ranked together, or those of each layer.
    rounds : int
        Remove as many as so many rounds would, at once: one-shot pruning to the density of a level.
    """
    for name, mask in masks.items():
        check_mask(name, mask)
    new_masks: dict[str, Tensor] = {}
    for names in groups_of(list(masks), scope):
        group = {name: masks[name] for name in names}
        num_kept = num_kept_of(group)
        num_to_remove = num_kept - num_kept_by_level(num_kept, rate, rounds)[-1]
        new_masks |= remove_lowest({name: scores[name] for name in names}, group, num_to_remove)
    return {name: new_masks[name] for name in masks}


def check_mask(name: str, mask: Tensor, shape: tuple[int, ...] | None = None) -> None:
    """Refuse what is no bool tensor, or not of the shape.

    Raises
    ------
    InputError
        The message says for which parameter.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise InputError(f"masks of {name} are {described(mask)}; a tensor of bool is needed")
    if shape is not None and tuple(mask.shape) != shape:
        raise InputError(f"masks of {name} have shape {tuple(mask.shape)}; {shape} is needed")


def num_kept_of(masks: Mapping[str, Tensor]) -> int:
    """Return the number of kept weights; the sum of a bool tensor takes 20 times as long."""
    return sum(int(mask.count_nonzero()) for mask in masks.values())


def density(masks: Mapping[str, Tensor]) -> float:
    """Return kept weights / all prunable weights."""
    return num_kept_of(masks) / sum(mask.numel() for mask in masks.values())
