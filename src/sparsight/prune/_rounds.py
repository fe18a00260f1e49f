"""The rounds of pruning of one network: how each begins and ends."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.prune._checks import check_at_steps, check_settings, dense_masks
from sparsight.prune._collapse import warn_of_collapse
from sparsight.prune._connectivity import connectivity_of
from sparsight.prune._level import (
    Acceleration,
    Level,
    OnStep,
    Progress,
    Replicate,
    Snapshots,
    State,
    snapshot,
)
from sparsight.prune._level_trainer import level_trainer
from sparsight.prune._mask_sources import MaskSource, check_nested, check_shapes
from sparsight.prune._masks import check_scores, density, num_kept_of, prune
from sparsight.prune._network_checks import (
    check_module,
    check_outputs,
    check_task,
    check_trains,
    check_weights,
    copied,
    fit_inputs_,
    layers_to_prune,
)
from sparsight.prune._schedule import Schedule, layer_of
from sparsight.prune._settings import PruningSettings
from sparsight.prune.criteria._protection import scores_of
from sparsight.prune.criteria._registry import Trained
from sparsight.sparse import Kernel, sparse_layers
from sparsight.train import Masks, Trainer, TrainingSettings


class Rounds:
    """The rounds of one network: `begin` a round, train its trainer, `finish` it, until they `are_over`.

    Settings and layers are as for `sparsight.prune.imp`. `index` is the level that begins next or is being
    trained, and `trainer` that of the level that has begun. Level 0 starts at step `first_step`. Raises
    `InputError` if settings, task and network do not fit together (see `check_settings`).
    """

    def __init__(
        self,
        replicate: Replicate,
        training: TrainingSettings,
        pruning: PruningSettings,
        layers: Sequence[str] | None = None,
        *,
        first_step: int = 0,
    ) -> None:
        self._first_step = first_step
        check_task(replicate.task)
        check_module(replicate.network)
        self._network = copied(replicate.network)
        self._task, self._training, self._pruning = replicate.task, training, pruning
        self._seed = replicate.seed
        fit_inputs_(self._network, replicate.task)
        check_outputs(self._network, replicate.task)
        layers = layers_to_prune(self._network, replicate.task, pruning.prune_output, layers)
        masks = dense_masks(self._network, pruning, layers)
        check_weights(self._network, list(dict.fromkeys(map(layer_of, masks))))
        if training.num_steps(len(replicate.task.train_labels)):
            check_trains(self._network)
        check_settings(masks, replicate.task, training, pruning, has_masks=replicate.masks is not None)
        if pruning.min_connected_fraction > 0:
            connectivity_of(self._network, masks)  # raises if units cannot be counted
        self._schedule = Schedule.of({name: mask.shape for name, mask in masks.items()}, pruning)
        self._before = start = replicate.start
        self._checkpoint = replicate.checkpoint
        self._source, self._starting_state = replicate.masks, replicate.starting_state
        _check_source(replicate, pruning, masks)
        if self._source is not None:
            masks = self._source.masks(0)
        self._masks = start.next_masks if start else masks
        self._rewind = start.rewind if start else None
        self.index = start.index + 1 if start else 0
        self.trainer: Trainer
        self._initial: State = {}
        self._at_steps = frozenset(replicate.at_steps)
        check_at_steps(replicate.at_steps, masks, task=self._task, training=training, pruning=pruning)
        self._snapshots: Snapshots = {}

    @property
    def are_over(self) -> bool:
        """Whether the level before was the last."""
        return self._before is not None and self._before.is_last

    def begin(self, kernel: Kernel, acceleration: Acceleration) -> None:
        """Rewind the network to the start of the level, or load its checkpoint, and make its trainer."""
        if self._before is not None:
            state = self._starting_state or self._before.rewind or self._before.final
            _load_masked(self._network, state, self._masks)
        checkpoint = self._checkpoint
        resumed = checkpoint if checkpoint is not None and checkpoint.level == self.index else None
        sparse = sparse_layers(self._network, self._masks, kernel, acceleration.crossovers)
        if resumed is not None:
            # Dense and sparse products round differently, and crossovers may have been measured again since:
            # a level must end with the kernels it began with to be bit-identical to one never interrupted.
            sparse = resumed.facts["layers_on_kept_weights"]
        self.trainer = level_trainer(
            self._network,
            self._task,
            self._training,
            self._pruning,
            index=self.index,
            masks=self._masks,
            stretch=self._schedule.stretch(self.index),
            seed=self._seed,
            # "Rewinding to step K also rewinds the clock" in docs/decisions.md.
            first_step=self._first_step if self.index == 0 else self._pruning.rewind_step or 0,
            layers_on_kept_weights=sparse,
            cuda_graph=acceleration.cuda_graph,
        )
        # Taken before the checkpoint is loaded: it is the state at the start of the level, not part-way
        # through it, that criteria such as movement compare with.
        self._initial = snapshot(self._network)
        self._snapshots = {0: self._initial} if 0 in self._at_steps else {}
        if resumed is not None:
            self.trainer.restore(resumed.tensors, resumed.facts)
            # Level 0 may already have passed the rewind step; its weights then exist only in the checkpoint.
            self._rewind = resumed.rewind if self.index == 0 else self._rewind
            self._snapshots |= resumed.snapshots

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
        if on_step is None and not self._at_steps:
            return None
        progress = self.progress()

        def report(_: Trainer) -> None:
            self.keep_snapshot()
            if on_step is not None:
                on_step(progress)

        return report

    def keep_snapshot(self) -> None:
        """Keep the state after the step just taken, if it is one of those that were asked for."""
        taken = self.trainer.num_taken
        if taken in self._at_steps and taken > 0:
            self._snapshots[taken] = snapshot(self.trainer.network)

    def progress(self) -> Progress:
        """Return the level's progress. Its trainer moves on, so one object serves every step."""
        return Progress(self.index, self.trainer, self._rewind, density(self._masks), self._snapshots)

    def finish(self) -> Level:
        """Prune the trained network and return the level; the next one can begin."""
        index, initial_masks = self.index, self._masks
        self._masks = self.trainer.masks
        has_changed = not _are_equal(initial_masks, self._masks)
        self._network.eval()
        next_masks, is_last = self._chosen() if self._source is None else self._given(self._source)
        if not is_last:  # after the last level nothing is trained with the masks that it leaves
            warn_of_collapse(self._network, self._task, index, self._masks, next_masks)
        level = Level(
            index=index,
            masks=self._masks,
            next_masks=next_masks,
            initial=self._initial,
            final=snapshot(self._network),
            rewind=self._rewind,
            curve=self.trainer.curve,
            seed=self._seed,
            network=self._network,
            is_last=is_last,
            kernels=_kernels(self._masks, self.trainer.layers_on_kept_weights),
            snapshots=self._snapshots,
            initial_masks=initial_masks if has_changed else None,
        )
        self._before, self._masks, self.index = level, level.next_masks, index + 1
        return level

    def _chosen(self) -> tuple[Masks, bool]:
        """Return the masks that the criterion leaves, and whether this level is the last."""
        masks, pruning, index = self._masks, self._pruning, self.index
        scores = scores_of(
            pruning.criterion,
            Trained(
                network=self._network,
                masks=masks,
                task=self._task,
                initial=self._initial,
                loss=self._training.loss,
                level=index,
                seed=self._seed,
            ),
        )
        check_scores(scores, masks)
        kept = prune(
            scores,
            masks,
            self._schedule.kept_at(index + 1),
            granularity=pruning.granularity,
            min_inputs_per_unit=pruning.min_inputs_per_unit,
        )
        return kept, self._schedule.is_last(index, num_kept_of(masks)) or self._has_lost_units()

    def _given(self, source: MaskSource) -> tuple[Masks, bool]:
        """Return the masks that the source has for the next level, and whether this level is the last."""
        following, origin = source.masks(self.index + 1), f"masks of level {self.index + 1}"
        check_shapes(following, {name: mask.shape for name, mask in self._masks.items()}, origin)
        check_nested(self._masks, following, origin)
        return following, self.index + 1 >= source.num_levels

    def _has_lost_units(self) -> bool:
        if self._pruning.min_connected_fraction == 0:
            # No fraction is smaller, and connectivity needs a chain of layers, which a module may not be.
            return False
        connected = connectivity_of(self._network, self._masks).connected_fraction
        return connected < self._pruning.min_connected_fraction


def _check_source(replicate: Replicate, pruning: PruningSettings, dense: Masks) -> None:
    source, start = replicate.masks, replicate.start
    if start is not None and start.is_last:
        return  # no level follows that would need masks
    if source is None:
        if pruning.masks_from is not None:
            raise InputError(
                f"pruning.masks_from is {pruning.masks_from!r}, but no masks are given: give masks"
            )
        if replicate.starting_state is not None:
            raise InputError("starting_state is for given masks, but there are none: give masks")
        return
    if pruning.regrowth != "none":
        raise InputError(
            f"pruning.regrowth is {pruning.regrowth!r}, but masks are given, and given masks are trained as "
            "they are: leave one of the two out"
        )
    if replicate.starting_state is not None and pruning.rewind != "init":
        raise InputError(
            f"starting_state replaces initial values, but pruning.rewind is {pruning.rewind!r}; only 'init' "
            "goes with it"
        )
    if replicate.starting_state is None and pruning.weights != "rewound":
        raise InputError(
            f"pruning.weights is {pruning.weights!r}, but no starting_state is given: give what "
            "starting_state() returns"
        )
    check_shapes(source.masks(0), {name: mask.shape for name, mask in dense.items()}, "masks of level 0")
    # Levels that were trained with other masks must not be continued with these.
    if start is not None and not _are_equal(start.next_masks, source.masks(start.index + 1)):
        raise InputError(
            f"level {start.index} was stored with other masks for the level after it than are given now: the "
            "source of the masks has changed; put it back, or begin anew"
        )


def _are_equal(some: Masks, others: Masks) -> bool:
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


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
        if name.endswith("weight")
    }
