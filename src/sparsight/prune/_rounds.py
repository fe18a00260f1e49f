"""One network on its way through the rounds of pruning: how each begins and ends."""

import copy
from collections.abc import Callable, Sequence

from torch import nn

from sparsight.data import Task
from sparsight.network import linear_layers
from sparsight.prune._connectivity import connectivity
from sparsight.prune._level import Checkpoint, Level, OnStep, Progress, State, snapshot
from sparsight.prune._masks import density, layer_of, prune
from sparsight.prune._settings import (
    PruningSettings,
    check_settings,
    dense_masks,
    levels_of_group_counts,
)
from sparsight.prune.criteria._registry import CRITERIA, Trained
from sparsight.sparse import Crossovers, Kernel, sparse_layers
from sparsight.train import Masks, Trainer, TrainingSettings


class Rounds:
    """The rounds of one network: `begin` one, train its trainer, `finish` it, until there is none.

    Parameters
    ----------
    network, task, training, pruning, seed, layers, start, checkpoint
        As for `sparsight.prune.imp`.

    Attributes
    ----------
    index : int
        Of the level that comes, or is being trained.
    trainer : Trainer
        Of the level that has begun.

    Raises
    ------
    InputError
        If settings, task and network do not fit together (see `check_settings`).
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        training: TrainingSettings,
        pruning: PruningSettings,
        seed: int,
        layers: Sequence[str] | None = None,
        start: Level | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._network = copy.deepcopy(network)
        self._task, self._training, self._pruning, self._seed = task, training, pruning, seed
        masks = dense_masks(self._network, pruning, layers)
        check_settings(masks, task, training, pruning)
        self._before = start
        self._checkpoint = checkpoint
        self._masks = start.next_masks if start else masks
        self._rewind = start.rewind if start else None
        self.index = start.index + 1 if start else 0
        self.trainer: Trainer
        self._initial: State = {}

    @property
    def are_over(self) -> bool:
        """Whether the level before was the last."""
        return self._before is not None and self._before.is_last

    def begin(
        self, kernel: Kernel, crossovers: Crossovers | None = None, *, cuda_graph: bool = False
    ) -> None:
        """Rewind the network to where the level starts, or to its checkpoint, and make its trainer."""
        pruning = self._pruning
        if self._before is not None:
            _load_masked(self._network, self._before.rewind or self._before.final, self._masks)
        checkpoint = self._checkpoint
        resumed = checkpoint if checkpoint is not None and checkpoint.level == self.index else None
        sparse = sparse_layers(self._network, self._masks, kernel, crossovers)
        if resumed is not None:  # the same rounding to the end of the level
            sparse = resumed.facts["layers_on_kept_weights"]
        self.trainer = Trainer(
            self._network,
            self._task,
            self._training,
            self._masks,
            self._seed,
            first_step=0 if self.index == 0 else pruning.rewind_step or 0,
            layers_on_kept_weights=sparse,
            cuda_graph=cuda_graph,
        )
        if self.index > 0 and pruning.rewind == "none":
            self.trainer.hold_final_rate()
        self._initial = snapshot(self._network)
        if resumed is not None:
            self.trainer.restore(resumed.tensors, resumed.facts)
            self._rewind = resumed.rewind if self.index == 0 else self._rewind

    @property
    def step_to_keep(self) -> int | None:
        """The step after which `keep_rewind` is due, if it is still to be kept."""
        is_kept = self.index > 0 or self._rewind is not None
        return None if is_kept else self._pruning.rewind_step

    def keep_rewind(self) -> None:
        """Keep the present weights as what surviving weights go back to."""
        self._rewind = snapshot(self._network)

    def reporter(self, on_step: OnStep | None) -> Callable[[Trainer], None] | None:
        """Return what the trainer is to call after every step."""
        if on_step is None:
            return None
        progress = self.progress()
        return lambda _: on_step(progress)

    def progress(self) -> Progress:
        """Return where the level is."""
        return Progress(self.index, self.trainer, self._rewind, density(self._masks))

    def finish(self) -> Level:
        """Prune what was trained; the next level can begin."""
        network, masks, pruning, index = self._network, self._masks, self._pruning, self.index
        network.eval()
        scores = CRITERIA[pruning.criterion](
            Trained(network, masks, self._task, self._initial, self._training.loss, index, self._seed)
        )
        level = Level(
            index,
            masks,
            prune(scores, masks, pruning.rate, pruning.scope, _rounds_at_once(masks, pruning, index)),
            self._initial,
            snapshot(network),
            self._rewind,
            self.trainer.curve,
            self._seed,
            network,
            _is_last(index, masks, network, pruning),
            _kernels(masks, self.trainer.layers_on_kept_weights),
        )
        self._before, self._masks, self.index = level, level.next_masks, index + 1
        return level


def _load_masked(network: nn.Module, state: State, masks: Masks) -> None:
    masked = {
        name: value.masked_fill(~masks[name], 0.0) if name in masks else value
        for name, value in state.items()
    }
    network.load_state_dict(masked)


def _kernels(masks: Masks, sparse: Sequence[str]) -> dict[str, str]:
    return {
        layer_of(name): "csr" if layer_of(name) in sparse else "dense"
        for name in masks
        if name.endswith(".weight")
    }


def _rounds_at_once(masks: Masks, pruning: PruningSettings, index: int) -> int:
    if pruning.schedule == "iterative" or index > 0:
        return 1
    return max(len(levels_of_group_counts(masks, pruning)) - 1, 1)


def _is_last(index: int, masks: Masks, network: nn.Module, pruning: PruningSettings) -> bool:
    if index >= pruning.max_levels or (pruning.schedule == "one_shot" and index == 1):
        return True
    if density(masks) <= pruning.min_density:
        return True
    if pruning.min_connected_fraction == 0:  # and then the layers need not form a chain
        return False
    shapes = {name: (layer.out_features, layer.in_features) for name, layer in linear_layers(network).items()}
    return connectivity(masks, shapes).connected_fraction < pruning.min_connected_fraction
