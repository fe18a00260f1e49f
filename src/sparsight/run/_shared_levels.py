"""A dense level that another condition of the run has trained already.

IMP, one-shot pruning, random pruning and every other criterion begin with the same dense training, if their
data, network, training and seed are the same. What differs is which weights are pruned after it. So a
condition takes the training of level 0 from another one that has stored it, and only prunes and measures. The
result is bit-identical to training it again: whatever could change a bit of it is compared first.
"""

from collections.abc import Mapping
from typing import Any

import torch

from sparsight.errors import InputError
from sparsight.prune import Checkpoint, Replicate, Snapshots, dense_masks
from sparsight.recipe import Condition
from sparsight.run._plan import Group
from sparsight.store import RunDirectory, StoredLevel, read_level, read_snapshots
from sparsight.train import Masks

_SAME_IN_RECORDS = ("threads", "together", "cuda_graph", "made_with", "crossovers")
"""What a level records of how it was computed, and what must be as it is now."""


def trained_by_another(
    directory: RunDirectory, group: Group, number: int, replicate: Replicate, facts: Mapping[str, Any]
) -> tuple[Checkpoint, str] | None:
    """Return the end of level 0 as another condition trained it, and the name of that condition.

    Parameters
    ----------
    replicate : Replicate
        Of condition ``group.name``, with its network at initialisation.
    facts : mapping
        What level 0 would record: ``data``, and how it would be computed.

    Returns
    -------
    checkpoint, condition
        None if the replicate has begun already, or if no other condition has stored the same training.
    """
    if replicate.start is not None or replicate.checkpoint is not None:
        return None
    masks = (
        replicate.masks.masks(0)
        if replicate.masks
        else dense_masks(replicate.network, group.condition.pruning)
    )
    for name in directory.recipe.condition_names():
        other = directory.recipe.condition(name)
        if name == group.name or not _train_alike(group.condition, other):
            continue
        try:
            folder = directory.level(name, number, 0)
            level = read_level(folder)
            change = {group.condition.pruning.regrowth, other.pruning.regrowth} != {"none"}
            if _is_the_same(level, replicate, masks, facts, masks_change=change):
                kept = read_snapshots(folder) if replicate.at_steps else {}
                if kept.keys() >= set(replicate.at_steps):
                    return _end_of(level, {step: kept[step] for step in replicate.at_steps}), name
        except InputError:  # not stored yet, or damaged: this condition trains the level itself
            continue
    return None


def _train_alike(one: Condition, other: Condition) -> bool:
    """Whether two conditions differ at most in what happens after the dense training."""
    return (
        (one.data, one.network, one.training, one.device)
        == (other.data, other.network, other.training, other.device)
        and one.pruning.rewind == other.pruning.rewind  # the state to go back to is kept during the training
        and set(one.measure.at_steps) <= set(other.measure.at_steps)
    )


def _is_the_same(
    level: StoredLevel, replicate: Replicate, masks: Masks, facts: Mapping[str, Any], *, masks_change: bool
) -> bool:
    record = level.record
    if any(getattr(record, name) != facts[name] for name in _SAME_IN_RECORDS) or record.data != facts["data"]:
        return False
    if record.seed != replicate.seed or not _are_same_masks(level.masks, masks, masks_change):
        return False
    state, initial = replicate.network.state_dict(), level.initial or {}
    # Flat, because a number of no axes is stored as an array of one.
    return state.keys() == initial.keys() and all(
        torch.equal(state[name].cpu().flatten(), value.flatten()) for name, value in initial.items()
    )


def _are_same_masks(some: Masks, others: Masks, may_change: bool) -> bool:
    """Whether training is the same under both: dense, whatever is to be pruned later, or equal to the end."""
    # A dense layer has no connection to grow, so regrowth leaves its mask as it is.
    if all(bool(mask.all()) for masks in (some, others) for mask in masks.values()):
        return True
    if may_change:
        return False
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


def _end_of(level: StoredLevel, snapshots: Snapshots) -> Checkpoint:
    """Return the checkpoint of a trainer that has taken all steps of the level; no moment is needed then."""
    layers = sorted(layer for layer, kernel in level.record.kernels.items() if kernel == "csr")
    curve = level.record.curve.model_dump()
    tensors = {f"network/{name}": value for name, value in level.final.items()}
    return Checkpoint(
        level=0,
        tensors=tensors | {"losses": torch.zeros(0)},
        facts={"step": curve["step"][-1], "curve": curve, "layers_on_kept_weights": layers},
        rewind=level.rewind,
        snapshots=snapshots,
    )
