"""The trainer of a level, and a level that is trained once more with other batches."""

import copy
from collections.abc import Collection

from torch import nn

from sparsight.data import Task
from sparsight.prune._level import Level, State
from sparsight.prune._regrowth import regrowth_of
from sparsight.prune._schedule import Schedule
from sparsight.prune._settings import PruningSettings
from sparsight.train import Masks, Trainer, TrainingSettings


def level_trainer(
    network: nn.Module,
    task: Task,
    training: TrainingSettings,
    pruning: PruningSettings,
    *,
    index: int,
    masks: Masks,
    stretch: int,
    seed: int,
    first_step: int,
    layers_on_kept_weights: Collection[str],
    cuda_graph: bool = False,
) -> Trainer:
    """Return the trainer of level `index`, which starts at `first_step`; arguments as for `Trainer`."""
    trainer = Trainer(
        network,
        task,
        training,
        masks,
        seed,
        first_step=first_step,
        stretch=stretch,
        layers_on_kept_weights=layers_on_kept_weights,
        cuda_graph=cuda_graph,
        mask_update=regrowth_of(pruning, level=index, seed=seed),
    )
    if index > 0 and pruning.rewind == "none":
        trainer.hold_final_rate()
    return trainer


def trained_again(
    level: Level, task: Task, training: TrainingSettings, pruning: PruningSettings, *, seed: int
) -> nn.Module:
    """Return a copy of a level's network, trained again from the rewound weights with other batches.

    Masks, learning rates, number of steps and kernels are those of the level. With ``pruning.regrowth`` the
    copy begins with the masks that the level began with, and changes them by its own batches. The dense level
    starts from the weights to which later levels rewind, so that every level's copies share the first K
    steps of ``rewind = "step:K"``; where nothing is rewound, from its initial weights.

    Parameters
    ----------
    level : Level
        With `initial` and, for a dense level that keeps a state at step K, `rewind`.
    seed : int
        Seeds the batches.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    Raises
    ------
    DivergenceError
        If the loss becomes NaN or infinite.
    """
    network = copy.deepcopy(level.network)
    network.load_state_dict(_start(level))
    schedule = Schedule.of({name: mask.shape for name, mask in level.masks.items()}, pruning)
    trainer = level_trainer(
        network,
        task,
        training.model_copy(update={"evaluations": 1}),  # nobody reads the copy's curve
        pruning,
        index=level.index,
        masks=level.initial_masks or level.masks,
        stretch=schedule.stretch(level.index),
        seed=seed,
        first_step=pruning.rewind_step or 0,
        layers_on_kept_weights=[layer for layer, kernel in level.kernels.items() if kernel == "csr"],
    )
    trainer.run()
    network.eval()
    return network


def _start(level: Level) -> State:
    if level.index == 0 and level.rewind:
        return level.rewind
    return level.initial
