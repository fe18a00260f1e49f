"""Masks from scores and counts: pruning removes exactly the number of weights asked for."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sparsight.arguments import described
from sparsight.errors import InputError
from sparsight.prune._settings import Granularity


def remove_lowest(
    scores: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    num_to_remove: int,
    *,
    min_inputs_per_unit: int = 0,
) -> dict[str, Tensor]:
    """Return masks without exactly the `num_to_remove` kept entries of lowest score, ranked together.

    Scores, of any real dtype, have the names and shapes of `masks`, which are left unchanged. Scores of
    entries that are already removed are ignored, even NaN. Among equal scores the entry that comes first (in
    the order of `masks`, then in C order) is removed first. Every unit, a row of a weight, keeps its
    `min_inputs_per_unit` highest scores, or all that are left.

    Raises `InputError` if names or shapes differ, a kept entry's score is NaN, or `num_to_remove` is out of
    range.
    """
    check_scores(scores, masks)
    # torch.cat copies, so writing to flat_mask below leaves the caller's masks unchanged.
    flat_mask = torch.cat([mask.reshape(-1) for mask in masks.values()]).cpu().numpy()
    flat_scores = torch.cat([scores[name].reshape(-1) for name in masks]).detach().cpu()
    if flat_scores.dtype == torch.bfloat16:
        flat_scores = flat_scores.float()  # numpy has no bfloat16; float32 holds each of its values exactly
    kept = np.flatnonzero(flat_mask)
    kept_scores = flat_scores.numpy()[kept]
    if np.isnan(kept_scores).any():
        raise InputError("scores are NaN for kept weights; a criterion must rank every kept weight")
    if min_inputs_per_unit:
        kept = kept[~_is_held(flat_scores.numpy(), masks, min_inputs_per_unit)[kept]]
        kept_scores = flat_scores.numpy()[kept]
    if not 0 <= num_to_remove <= len(kept):
        raise InputError(f"num_to_remove is {num_to_remove}; 0 to {len(kept)} (all that may go) is allowed")
    flat_mask[kept[_is_among_lowest(kept_scores, num_to_remove)]] = False
    pieces = torch.split(torch.from_numpy(flat_mask), [mask.numel() for mask in masks.values()])
    return {
        name: piece.view(mask.shape).to(mask.device)
        for (name, mask), piece in zip(masks.items(), pieces, strict=True)
    }


def _is_among_lowest(scores: np.ndarray, number: int) -> np.ndarray:
    """Return which scores are the `number` lowest; among equal scores the first count as lower."""
    if number == 0:
        return np.zeros(len(scores), dtype=bool)
    # Selection instead of a sort: see "Ranking selects, it does not sort" in docs/decisions.md.
    highest = np.partition(scores, number - 1)[number - 1]
    is_lowest: np.ndarray = scores < highest
    # `scores <= highest` would remove every entry that ties with the last one, more than was asked for; and
    # partition orders ties arbitrarily. Taking the first ties by index makes count and choice exact.
    ties = np.flatnonzero(scores == highest)
    is_lowest[ties[: number - np.count_nonzero(is_lowest)]] = True
    return is_lowest


def _is_held(flat_scores: np.ndarray, masks: Mapping[str, Tensor], number: int) -> np.ndarray:
    """Return which weights are among the `number` kept ones of highest score of their unit, as one vector.

    Among equal scores the last count as higher. A bias is no input of a unit.
    """
    held = np.zeros(len(flat_scores), dtype=bool)
    begin = 0
    for mask in masks.values():
        if mask.dim() > 1:
            kept = np.flatnonzero(mask.cpu().numpy())
            unit = kept // (mask.numel() // len(mask))
            by_score = np.lexsort((flat_scores[begin + kept], unit))  # of each unit, the lowest first
            is_high = np.arange(len(kept)) >= np.searchsorted(unit, unit, side="right") - number
            held[begin + kept[by_score[is_high]]] = True
        begin += mask.numel()
    return held


def prune(
    scores: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    num_kept: Mapping[tuple[str, ...], int],
    *,
    granularity: Granularity = "weight",
    min_inputs_per_unit: int = 0,
) -> dict[str, Tensor]:
    """Remove the lowest scores of each group until it keeps as many weights as asked for.

    Scores and masks are as in `remove_lowest`. `num_kept` has, for each group, the names of the parameters
    that are ranked together and the number of weights to keep of them: see `Schedule.kept_at`.
    With `granularity` ``unit`` a group is one layer, whose units lose all their weights or none.
    `min_inputs_per_unit` is as in `remove_lowest`. Raises `InputError` as `remove_lowest` does, and if a
    group is to keep more than it has, or less than nothing.
    """
    check_scores(scores, masks)
    new_masks: dict[str, Tensor] = {}
    for names, number in num_kept.items():
        group = {name: masks[name] for name in names}
        num_before = num_kept_of(group)
        if not 0 <= number <= num_before:
            raise InputError(
                f"num_kept is {number} for {', '.join(names)}; 0 to {num_before}, the weights kept so far, "
                "is allowed"
            )
        if granularity == "unit":
            new_masks |= _without_lowest_units(scores, group, number)
            continue
        new_masks |= remove_lowest(
            {name: scores[name] for name in names},
            group,
            num_before - number,
            min_inputs_per_unit=min_inputs_per_unit,
        )
    return {name: new_masks[name] for name in masks}  # groups may list parameters in another order


def _without_lowest_units(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], num_kept: int
) -> dict[str, Tensor]:
    """Return the masks of one layer without its units of lowest mean score, with `num_kept` weights left."""
    kept = torch.cat([mask.reshape(len(mask), -1) for mask in masks.values()], dim=1)  # (unit, weight)
    values = torch.cat([scores[name].detach().cpu().double().reshape(len(kept), -1) for name in masks], dim=1)
    mean = values.masked_fill(~kept, 0.0).sum(dim=1) / kept.sum(dim=1)  # NaN without a kept weight
    has_weights = kept.any(dim=1)
    num_to_remove = int(has_weights.sum()) - num_kept // kept.shape[1]
    stay = remove_lowest({"unit": mean}, {"unit": has_weights}, num_to_remove)["unit"]
    return {name: mask & stay.view(-1, *[1] * (mask.dim() - 1)) for name, mask in masks.items()}


def check_scores(scores: object, masks: Mapping[str, Tensor]) -> None:
    """Refuse what a criterion may return instead of a tensor of reals for each mask, of its shape.

    Raises
    ------
    InputError
        The message says what it returned, or names the parameter.
    """
    if not isinstance(scores, Mapping):
        raise InputError(
            f"scores are {described(scores)}; a dict is needed, with a tensor for each of {', '.join(masks)}"
        )
    if scores.keys() != masks.keys():
        names = sorted(map(str, scores))
        raise InputError(f"scores are for {names}, masks for {sorted(masks)}; give one of each")
    for name, mask in masks.items():
        check_mask(name, mask)
        if not isinstance(scores[name], Tensor) or scores[name].is_complex():
            raise InputError(f"scores of {name} are {described(scores[name])}; a tensor of reals is needed")
        if scores[name].shape != mask.shape:
            raise InputError(
                f"scores of {name} have shape {tuple(scores[name].shape)}, its mask {tuple(mask.shape)}"
            )


def check_mask(name: str, mask: Tensor, shape: tuple[int, ...] | None = None) -> None:
    """Refuse a mask that is not a bool tensor, or that has another shape than required.

    Raises
    ------
    InputError
        The message names the parameter.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise InputError(f"masks of {name} are {described(mask)}; a tensor of bool is needed")
    if shape is not None and tuple(mask.shape) != shape:
        raise InputError(f"masks of {name} have shape {tuple(mask.shape)}; {shape} is needed")


def num_kept_of(masks: Mapping[str, Tensor]) -> int:
    """Return the number of kept weights."""
    # `sum` of a bool tensor takes 20 times as long as `count_nonzero`.
    return sum(int(mask.count_nonzero()) for mask in masks.values())


def density(masks: Mapping[str, Tensor]) -> float:
    """Return kept weights / all prunable weights."""
    return num_kept_of(masks) / sum(mask.numel() for mask in masks.values())
