"""Iterative magnitude pruning and its relatives: the loop, and what survives a rewind."""

import copy
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from sparsight.data.task import Task
from sparsight.errors import InputError
from sparsight.network import linear_layers
from sparsight.prune.connectivity import connectivity
from sparsight.prune.criteria import CRITERIA, Trained
from sparsight.prune.masks import Scope, density, groups_of, layer_of, num_kept_by_level, prune
from sparsight.settings import Settings
from sparsight.sparse.crossover import Crossovers, sparse_layers
from sparsight.train import Curve, Masks, Trainer, TrainingSettings

State = dict[str, Tensor]
"""A state dict on the CPU: parameters and buffers by name."""


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a run is, after a training step.

    Attributes
    ----------
    level : int
    trainer : Trainer
    rewind : dict of str to Tensor or None
        What surviving weights will go back to, once level 0 has passed that step.
    density : float
    """

    level: int
    trainer: Trainer
    rewind: State | None
    density: float


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is needed to go on in the middle of a level.

    Attributes
    ----------
    level : int
    tensors, facts
        As from ``Trainer.state``.
    rewind : dict of str to Tensor or None
    """

    level: int
    tensors: State
    facts: dict[str, Any]
    rewind: State | None


OnStep = Callable[[Progress], None]
"""Called after every training step."""


class PruningSettings(Settings):
    """The ``[pruning]`` table of a recipe.

    Attributes
    ----------
    criterion : str
        Name of a registered criterion: ``magnitude``, ``random``, ``movement``, ``snip``, ``grasp``,
        ``synflow``, ``cavity``, ``cavity-reverse``, ``cavity-matched``, or one of your own.
    schedule : {"iterative", "one_shot"}
        ``one_shot`` goes from the dense level straight to the density that `max_levels` rounds give
        (or the first of them at or under `min_density`).
    rate : float
        Share of the kept weights that a round removes, rounded down to a whole number.
    max_levels : int
        Rounds of pruning at most: levels are 0 … max_levels.
    min_density : float
        The first level at or under this density is the last.
    min_connected_fraction : float
        The first level with fewer hidden units connected than this is the last.
    scope : {"global", "layer"}
        What is ranked together: all prunable weights, or those of each layer.
    rewind : str
        ``init``, ``step:K`` (the weights after step K of level 0; training goes on from step K),
        ``lr`` (weights stay, the schedule starts again) or ``none`` (weights stay, the last learning
        rate stays). See Renda, Frankle & Carbin, arXiv 2003.02389.
    prune_output : bool
        Whether the last linear layer is pruned too.
    prune_biases : bool
        Whether biases are ranked (and counted) with the weights, as in the ancestor code.
    """

    criterion: str = "magnitude"
    schedule: Literal["iterative", "one_shot"] = "iterative"
    rate: float = Field(0.3, gt=0, lt=1)
    max_levels: int = Field(20, ge=0)
    min_density: float = Field(0.02, gt=0, le=1)
    min_connected_fraction: float = Field(0.0, ge=0, le=1)
    scope: Scope = "global"
    rewind: str = "init"
    prune_output: bool = False
    prune_biases: bool = False

    @field_validator("criterion")
    @classmethod
    def _is_registered(cls, name: str) -> str:
        if name not in CRITERIA:
            raise ValueError(f"no criterion is called {name!r}; there are {', '.join(sorted(CRITERIA))}")
        return name

    @field_validator("rewind")
    @classmethod
    def _is_known(cls, rewind: str) -> str:
        if rewind not in ("init", "lr", "none") and not re.fullmatch(r"step:[1-9][0-9]*", rewind):
            raise ValueError(
                f"{rewind!r} is none of 'init', 'lr', 'none' and 'step:K' with a whole number K above 0"
            )
        return rewind

    @property
    def rewind_step(self) -> int | None:
        """K of ``step:K``, 0 of ``init``, None where the weights stay."""
        if self.rewind == "init":
            return 0
        return int(self.rewind[5:]) if self.rewind.startswith("step:") else None


@dataclass(frozen=True, eq=False)
class Level:
    """One round of pruning: trained with `masks`, then pruned to `next_masks`.

    Attributes
    ----------
    index : int
        0 is dense.
    masks : dict of str to Tensor of bool
        What this level trained with, by parameter name (``linear_0.weight``), on the CPU.
    next_masks : dict of str to Tensor of bool
        What the criterion keeps of it: the masks of the next level, if there is one.
    initial, final : dict of str to Tensor
        State dict before and after training, on the CPU. Exactly 0 outside `masks`.
    rewind : dict of str to Tensor or None
        What surviving weights go back to; None where they stay.
    curve : Curve
    seed : int
        All random numbers are functions of the seed and of names such as the level's index: this is
        the whole state of the random numbers.
    network : torch.nn.Module
        In evaluation mode, with the state `final`. Reused: it changes when the loop goes on.
    is_last : bool
    kernels : dict of str to str
        ``csr`` or ``dense`` for every layer with a mask: how it was multiplied in training.
    """

    index: int
    masks: Masks
    next_masks: Masks
    initial: State
    final: State
    rewind: State | None
    curve: Curve
    seed: int
    network: nn.Module
    is_last: bool
    kernels: dict[str, str] = field(default_factory=dict)

    @property
    def density(self) -> float:
        """Kept weights / all prunable weights."""
        return density(self.masks)


def imp(
    network: nn.Module,
    task: Task,
    training: TrainingSettings,
    pruning: PruningSettings,
    *,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    start: Level | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep | None = None,
    crossovers: Crossovers | None = None,
) -> Iterator[Level]:
    """Train, prune, rewind, train again: yield every level once it is trained and pruned.

    Parameters
    ----------
    network : torch.nn.Module
        Its present weights are the initialisation. It is left as it is: the loop works on a copy.
    task : Task
    training : TrainingSettings
    pruning : PruningSettings
    seed : int
        Of the batches and of criteria that draw.
    layers : sequence of str, optional
        Names of the ``torch.nn.Linear`` layers to prune. Default: all, the last one only with
        ``pruning.prune_output``.
    start : Level, optional
        Go on after this level (of the same network, task, settings and seed), as if the loop had never
        stopped.
    checkpoint : Checkpoint, optional
        Go on in the middle of the level after `start` (or of level 0). One of another level is ignored.
    on_step : callable, optional
        Called with a `Progress` after every training step.
    crossovers : mapping of str to float, optional
        Densities below which layers train on kept weights only, as ``sparse.crossover.measured_crossovers``
        returns them. Default: the same fixed density on every machine.

    Yields
    ------
    Level

    Raises
    ------
    InputError
        If settings, task and network do not fit together (see `check_settings`).
    DivergenceError
        If the loss becomes NaN or infinite.

    Notes
    -----
    Frankle & Carbin, arXiv 1803.03635 (``init``); Frankle et al., arXiv 1903.01611 (``step:K``).
    """
    network = copy.deepcopy(network)
    masks = dense_masks(network, pruning, layers)
    check_settings(masks, task, training, pruning)
    rewind = start.rewind if start else None
    index = start.index + 1 if start else 0
    if start:
        masks = start.next_masks
        _load_masked(network, start.rewind if start.rewind is not None else start.final, masks)
    while not (start and start.is_last):
        resumed = checkpoint if checkpoint is not None and checkpoint.level == index else None
        sparse = sparse_layers(network, masks, training.effective_kernel, crossovers)
        if resumed is not None:  # the same rounding to the end of the level
            sparse = resumed.facts["layers_on_kept_weights"]
        trainer = _trainer(network, task, training, pruning, masks, seed, index, sparse)
        initial = snapshot(network)
        if resumed is not None:
            trainer.restore(resumed.tensors, resumed.facts)
            rewind = resumed.rewind if index == 0 else rewind
        if index == 0 and pruning.rewind_step is not None and rewind is None:
            trainer.run(pruning.rewind_step, _reporting(on_step, index, None, masks))
            rewind = snapshot(network)
        trainer.run(on_step=_reporting(on_step, index, rewind, masks))
        network.eval()
        scores = CRITERIA[pruning.criterion](
            Trained(network, masks, task, initial, training.loss, index, seed)
        )
        next_masks = prune(scores, masks, pruning.rate, pruning.scope, _rounds(masks, pruning, index))
        final = snapshot(network)
        is_last = _is_last(index, masks, network, pruning)
        start = Level(
            index,
            masks,
            next_masks,
            initial,
            final,
            rewind,
            trainer.curve,
            seed,
            network,
            is_last,
            _kernels(masks, sparse),
        )
        yield start
        masks, index = next_masks, index + 1
        _load_masked(network, rewind if rewind is not None else final, masks)


def dense_masks(network: nn.Module, pruning: PruningSettings, layers: Sequence[str] | None = None) -> Masks:
    """Return the masks of level 0: True everywhere, for every prunable parameter.

    Raises
    ------
    InputError
        If a named layer is no ``torch.nn.Linear`` of the network, two of them share a weight, or nothing is
        left to prune.
    """
    linear = linear_layers(network)
    if layers is None:
        layers = list(linear) if pruning.prune_output or len(linear) == 1 else list(linear)[:-1]
    for name in layers:
        if name not in linear:
            raise InputError(
                f"layers: {name!r} is no torch.nn.Linear of this network; there are {', '.join(linear)}"
            )
    if not layers:
        raise InputError("layers: the network has no torch.nn.Linear to prune; name at least one")
    masks: Masks = {}
    owner: dict[Tensor, str] = {}
    for name in layers:
        first = owner.setdefault(linear[name].weight, name)
        if first != name:
            raise InputError(f"layers: {first!r} and {name!r} share one weight; name one of them")
        masks[f"{name}.weight"] = torch.ones_like(linear[name].weight, dtype=torch.bool, device="cpu")
        if pruning.prune_biases and linear[name].bias is not None:
            masks[f"{name}.bias"] = torch.ones_like(linear[name].bias, dtype=torch.bool, device="cpu")
    return masks


def check_settings(masks: Masks, task: Task, training: TrainingSettings, pruning: PruningSettings) -> None:
    """Refuse, before the first step, what could only fail later.

    Raises
    ------
    InputError
        If K of ``step:K`` is not before the end of training, the batch is larger than the training
        set, or pruning comes to a halt above ``pruning.min_density``.
    """
    num_steps = training.num_steps(len(task.train_labels))
    if (pruning.rewind_step or 0) >= num_steps:
        raise InputError(
            f"pruning.rewind is {pruning.rewind!r}, but training has {num_steps} steps; "
            f"choose K below {num_steps} or train longer"
        )
    if task.draw is None:
        task.batch_rows(0, 0, training.batch_size)
    kept = levels_of_group_counts(masks, pruning)
    for level, (before, after) in enumerate(itertools.pairwise(kept)):
        if after == before:
            raise InputError(
                f"pruning.min_density {pruning.min_density:g} cannot be reached: at level {level} a rate of "
                f"{pruning.rate:g} of {before} kept weights is less than one weight; "
                "raise pruning.rate or pruning.min_density"
            )


def levels_of_group_counts(masks: Masks, pruning: PruningSettings) -> list[int]:
    """Return how many weights are kept at levels 0, 1, … of iterative pruning, up to its last level."""
    sizes = [sum(masks[name].numel() for name in group) for group in groups_of(list(masks), pruning.scope)]
    by_group = [num_kept_by_level(size, pruning.rate, pruning.max_levels) for size in sizes]
    totals = [sum(level) for level in zip(*by_group, strict=True)]
    enough = [total for total in totals if total / sum(sizes) > pruning.min_density]
    return totals[: len(enough) + 1]


def snapshot(network: nn.Module) -> State:
    """Return a copy of the state dict, on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in network.state_dict().items()}


def _load_masked(network: nn.Module, state: State, masks: Masks) -> None:
    masked = {
        name: value.masked_fill(~masks[name], 0.0) if name in masks else value
        for name, value in state.items()
    }
    network.load_state_dict(masked)


def _trainer(
    network: nn.Module,
    task: Task,
    training: TrainingSettings,
    pruning: PruningSettings,
    masks: Masks,
    seed: int,
    index: int,
    sparse: Sequence[str],
) -> Trainer:
    first_step = 0 if index == 0 else pruning.rewind_step or 0
    trainer = Trainer(
        network, task, training, masks, seed, first_step=first_step, layers_on_kept_weights=sparse
    )
    if index > 0 and pruning.rewind == "none":
        trainer.hold_final_rate()
    return trainer


def _kernels(masks: Masks, sparse: Sequence[str]) -> dict[str, str]:
    return {
        layer_of(name): "csr" if layer_of(name) in sparse else "dense"
        for name in masks
        if name.endswith(".weight")
    }


def _rounds(masks: Masks, pruning: PruningSettings, index: int) -> int:
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


def _reporting(
    on_step: OnStep | None, index: int, rewind: State | None, masks: Masks
) -> Callable[[Trainer], None] | None:
    if on_step is None:
        return None
    kept = density(masks)
    return lambda trainer: on_step(Progress(index, trainer, rewind, kept))
