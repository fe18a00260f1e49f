"""The rounds of pruning of one network: how each begins and ends."""

import copy
from collections.abc import Callable, Sequence

from torch import nn

from sparsight.network import linear_layers
from sparsight.prune._checks import check_settings, dense_masks
from sparsight.prune._connectivity import connectivity
from sparsight.prune._level import Acceleration, Level, OnStep, Progress, Replicate, State, snapshot
from sparsight.prune._masks import density, num_kept_of, prune
from sparsight.prune._schedule import Schedule, layer_of
from sparsight.prune._settings import PruningSettings
from sparsight.prune.criteria._registry import CRITERIA, Trained
from sparsight.sparse import Kernel, sparse_layers
from sparsight.train import Masks, Trainer, TrainingSettings


class Rounds:
    """The rounds of one network: `begin` a round, train its trainer, `finish` it, until they `are_over`.

    Settings and layers are as for `sparsight.prune.imp`. `index` is the level that begins next or is being
    trained, and `trainer` that of the level that has begun. Raises `InputError` if settings, task and network
    do not fit together (see `check_settings`).
    """

    def __init__(
        self,
        replicate: Replicate,
        training: TrainingSettings,
        pruning: PruningSettings,
        layers: Sequence[str] | None = None,
    ) -> None:
        self._network = copy.deepcopy(replicate.network)
        self._task, self._training, self._pruning = replicate.task, training, pruning
        self._seed = replicate.seed
        masks = dense_masks(self._network, pruning, layers)
        check_settings(masks, replicate.task, training, pruning)
        self._schedule = Schedule.of({name: mask.shape for name, mask in masks.items()}, pruning)
        self._before = start = replicate.start
        self._checkpoint = replicate.checkpoint
        self._masks = start.next_masks if start else masks
        self._rewind = start.rewind if start else None
        self.index = start.index + 1 if start else 0
        self.trainer: Trainer
        self._initial: State = {}

    @property
    def are_over(self) -> bool:
        """Whether the level before was the last."""
        return self._before is not None and self._before.is_last

    def begin(self, kernel: Kernel, acceleration: Acceleration) -> None:
        """Rewind the network to the start of the level, or load its checkpoint, and make its trainer."""
        if self._before is not None:
            _load_masked(self._network, self._before.rewind or self._before.final, self._masks)
        checkpoint = self._checkpoint
        resumed = checkpoint if checkpoint is not None and checkpoint.level == self.index else None
        sparse = sparse_layers(self._network, self._masks, kernel, acceleration.crossovers)
        if resumed is not None:
            # Dense and sparse products round differently, and crossovers may have been measured again since:
            # a level must end with the kernels it began with to be bit-identical to one never interrupted.
            sparse = resumed.facts["layers_on_kept_weights"]
        self.trainer = Trainer(
            self._network,
            self._task,
            self._training,
            self._masks,
            self._seed,
            # "Rewinding to step K also rewinds the clock" in docs/decisions.md.
            first_step=0 if self.index == 0 else self._pruning.rewind_step or 0,
            stretch=self._schedule.stretch(self.index),
            layers_on_kept_weights=sparse,
            cuda_graph=acceleration.cuda_graph,
        )
        if self.index > 0 and self._pruning.rewind == "none":
            self.trainer.hold_final_rate()
        # Taken before the checkpoint is loaded: it is the state at the start of the level, not part-way
        # through it, that criteria such as movement compare with.
        self._initial = snapshot(self._network)
        if resumed is not None:
            self.trainer.restore(resumed.tensors, resumed.facts)
            # Level 0 may already have passed the rewind step; its weights then exist only in the checkpoint.
            self._rewind = resumed.rewind if self.index == 0 else self._rewind

    @property
    def step_to_keep(self) -> int | None:
        """The step after which to call `keep_rewind`; None if the state is already kept or never needed."""
        is_kept = self.index > 0 or self._rewind is not None
        return None if is_kept else self._pruning.rewind_step

    def keep_rewind(self) -> None:
        """Keep the present weights as the state that surviving weights go back to."""
        self._rewind = snapshot(self._network)

    def reporter(self, on_step: OnStep | None) -> Callable[[Trainer], None] | None:
        """Return the function for the trainer to call after every step."""
        if on_step is None:
            return None
        progress = self.progress()
        return lambda _: on_step(progress)

    def progress(self) -> Progress:
        """Return the level's progress. Its trainer moves on, so one object serves every step."""
        return Progress(self.index, self.trainer, self._rewind, density(self._masks))

    def finish(self) -> Level:
        """Prune the trained network and return the level; the next one can begin."""
        network, masks, pruning, index = self._network, self._masks, self._pruning, self.index
        network.eval()
        scores = CRITERIA[pruning.criterion](
            Trained(
                network=network,
                masks=masks,
                task=self._task,
                initial=self._initial,
                loss=self._training.loss,
                level=index,
                seed=self._seed,
            )
        )
        level = Level(
            index=index,
            masks=masks,
            next_masks=prune(scores, masks, pruning.rate, pruning.scope, self._schedule.rounds_after(index)),
            initial=self._initial,
            final=snapshot(network),
            rewind=self._rewind,
            curve=self.trainer.curve,
            seed=self._seed,
            network=network,
            is_last=self._schedule.is_last(index, num_kept_of(masks)) or self._has_lost_units(),
            kernels=_kernels(masks, self.trainer.layers_on_kept_weights),
        )
        self._before, self._masks, self.index = level, level.next_masks, index + 1
        return level

    def _has_lost_units(self) -> bool:
        if self._pruning.min_connected_fraction == 0:
            # No fraction is smaller, and connectivity needs a chain of layers, which a module may not be.
            return False
        linear = linear_layers(self._network)
        shapes = {name: (layer.out_features, layer.in_features) for name, layer in linear.items()}
        connected = connectivity(self._masks, shapes).connected_fraction
        return connected < self._pruning.min_connected_fraction


def _load_masked(network: nn.Module, state: State, masks: Masks) -> None:
    # The rewound state holds weights that have since been pruned: without the mask they would come back.
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
