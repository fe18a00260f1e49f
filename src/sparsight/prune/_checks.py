"""Checks of pruning settings against a network, its data and its training, before the first step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.network import linear_layers
from sparsight.prune._network_checks import check_task
from sparsight.prune._schedule import Schedule
from sparsight.prune._settings import PruningSettings
from sparsight.train import Masks, TrainingSettings


def dense_masks(network: nn.Module, pruning: PruningSettings, layers: Sequence[str] | None = None) -> Masks:
    """Return the masks of level 0: True everywhere, for every prunable parameter.

    Raises
    ------
    InputError
        If a named layer is not a ``torch.nn.Linear`` of the network, two of the layers share a weight, or
        no layer is left to prune.
    """
    linear = linear_layers(network)
    if layers is None:
        layers = pruning.prunable(list(linear))
    for name in layers:
        if name not in linear:
            raise InputError(
                f"layers: {name!r} is not a torch.nn.Linear of this network; choose from {', '.join(linear)}"
            )
    if not layers:
        raise InputError("layers: the network has no torch.nn.Linear to prune; name at least one")
    masks: Masks = {}
    first_with: dict[Tensor, str] = {}
    for name in layers:
        # Two masks on one tensor would each clear what the other keeps, and count its weights twice.
        first = first_with.setdefault(linear[name].weight, name)
        if first != name:
            raise InputError(f"layers: {first!r} and {name!r} share one weight; name one of them")
        masks[f"{name}.weight"] = torch.ones_like(linear[name].weight, dtype=torch.bool, device="cpu")
        if pruning.prune_biases and linear[name].bias is not None:
            masks[f"{name}.bias"] = torch.ones_like(linear[name].bias, dtype=torch.bool, device="cpu")
    return masks


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
        the batch is larger than the training set, or pruning would stop removing weights above
        ``pruning.min_density``.
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
    if task.draw is None:
        task.batch_rows(0, 0, training.batch_size)  # raises if the batch is larger than the training set
    if not has_masks:
        Schedule.of({name: mask.shape for name, mask in masks.items()}, pruning).check_that_it_ends()
