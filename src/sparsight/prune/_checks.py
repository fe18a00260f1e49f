"""Checks of pruning settings against a network, its data and its training, before the first step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.network import linear_layers, linear_maps
from sparsight.prune._network_checks import check_task
from sparsight.prune._regrowth import regrowth_of
from sparsight.prune._schedule import Schedule
from sparsight.prune._settings import PruningSettings
from sparsight.train import Masks, TrainingSettings


def dense_masks(network: nn.Module, pruning: PruningSettings, layers: Sequence[str] | None = None) -> Masks:
    """Return the masks of level 0: True everywhere, for every prunable parameter.

    Raises
    ------
    InputError
        If a named layer is not one of `linear_maps`, two of the layers share a weight, or no layer is left to
        prune.
    """
    linear, prunable = linear_layers(network), linear_maps(network)
    if layers is None:
        layers = pruning.prunable(list(linear))
    for name in layers:
        if name not in prunable:
            raise InputError(_not_prunable(network, name, list(prunable)))
    if not layers:
        others = f", among {', '.join(prunable)}" if prunable else ""
        raise InputError(
            "layers: there is no layer to prune (by default each torch.nn.Linear is); name at least "
            f"one{others}"
        )
    masks: Masks = {}
    first_with: dict[Tensor, str] = {}
    for name in layers:
        # Two masks on one tensor would each clear what the other keeps, and count its weights twice.
        layer = prunable[name]
        first = first_with.setdefault(layer.weight, name)
        if first != name:
            raise InputError(f"layers: {first!r} and {name!r} share one weight; name one of them")
        # Not ones_like, which for a weight on the device "meta" imports a system of computer algebra.
        masks[layer.weight_name] = torch.ones(layer.weight.shape, dtype=torch.bool, device="cpu")
        if pruning.prune_biases and layer.bias is not None:
            masks[layer.bias_name] = torch.ones(layer.bias.shape, dtype=torch.bool, device="cpu")
    return masks


def _not_prunable(network: nn.Module, name: str, prunable: Sequence[str]) -> str:
    modules = dict(network.named_modules())
    found = f"a {type(modules[name]).__name__}" if name in modules else "no layer of this network"
    return (
        f"layers: {name!r} is {found}; layers of the classes torch.nn.Linear, Conv1d and Conv2d, and in_proj "
        f"of MultiheadAttention are pruned: choose from {', '.join(prunable) or 'none'}"
    )


def check_settings(
    masks: Masks,
    task: Task,
    training: TrainingSettings,
    pruning: PruningSettings,
    *,
    has_masks: bool = False,
) -> None:
    """Refuse settings that would fail only later, perhaps after hours of training.

    With `has_masks` the masks of all levels are given, and the schedule is not followed.

    Raises
    ------
    InputError
        If the task is not a `Task`, K of ``step:K`` is not before the end of training (never, without steps),
        the batch is larger than the training set, pruning would stop removing weights above
        ``pruning.min_density``, or ``pruning.regrowth`` would never change a mask.
    """
    check_task(task)
    num_steps = training.num_steps(len(task.train_labels))
    if pruning.rewind_step and num_steps == 0:
        raise InputError(
            f"pruning.rewind is {pruning.rewind!r}, but training.steps (or epochs) is 0, so that there is no "
            "such step; choose rewind = 'init' or train"
        )
    if pruning.rewind_step and pruning.rewind_step >= num_steps:
        raise InputError(
            f"pruning.rewind is {pruning.rewind!r}, but training has {num_steps} steps; "
            f"choose K below {num_steps} or train longer"
        )
    _check_regrowth(masks, num_steps, pruning)
    if task.draw is None:
        task.batch_rows(0, 0, training.batch_size)  # raises if the batch is larger than the training set
    if not has_masks:
        Schedule.of({name: mask.shape for name, mask in masks.items()}, pruning).check_that_it_ends()


def _check_regrowth(masks: Masks, num_steps: int, pruning: PruningSettings) -> None:
    regrowth = regrowth_of(pruning, level=1, seed=0)
    if regrowth is None:
        return
    schedule = Schedule.of({name: mask.shape for name, mask in masks.items()}, pruning)
    length = schedule.stretch(1) * (num_steps - (pruning.rewind_step or 0))
    end = regrowth.end(length)
    if pruning.update_every >= end:
        raise InputError(
            f"pruning.update_every is {pruning.update_every}, but masks stay from step {end} of a level on "
            f"(pruning.update_until is {pruning.update_until:g} of its {length} steps), so that none would "
            "change: choose a smaller update_every, or train longer"
        )


def check_at_steps(
    at_steps: Sequence[int],
    masks: Masks,
    *,
    task: Task,
    training: TrainingSettings,
    pruning: PruningSettings,
) -> None:
    """Refuse snapshots after more steps than the longest level has, and of masks that change.

    Raises
    ------
    InputError
        If a number is negative or too large, or masks change within a level.
    """
    if not at_steps:
        return
    if pruning.regrowth != "none":
        raise InputError(
            f"measure.at_steps is {list(at_steps)}, but pruning.regrowth is {pruning.regrowth!r}: a snapshot "
            "has the masks of its level, and these change within it; leave one of the two out"
        )
    num_steps = training.num_steps(len(task.train_labels))
    schedule = Schedule.of({name: mask.shape for name, mask in masks.items()}, pruning)
    longest = max(num_steps, schedule.stretch(1) * (num_steps - (pruning.rewind_step or 0)))
    for step in at_steps:
        if not 0 <= step <= longest:
            raise InputError(
                f"measure.at_steps has {step}, but the longest level has {longest} steps: choose numbers "
                f"from 0 to {longest}"
            )
