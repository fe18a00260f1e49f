"""Levels and replicates: what enters the rounds of pruning, what leaves them, and how to resume one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from sparsight.data import Task
from sparsight.prune._mask_sources import MaskSource
from sparsight.prune._masks import density
from sparsight.sparse import Crossovers
from sparsight.train import Curve, Masks, Trainer

State = dict[str, Tensor]
"""A state dict on the CPU: parameters and buffers by name."""

Snapshots = dict[int, State]
"""States during the training of a level, by the number of steps that it had taken."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Level:
    """One round of pruning: trained with `masks`, then pruned to `next_masks`.

    Attributes
    ----------
    index : int
        0 is dense.
    masks : dict of str to Tensor of bool
        Masks during this level's training, by parameter name (``linear_0.weight``), on the CPU. With
        ``pruning.regrowth``: those at its end.
    next_masks : dict of str to Tensor of bool
        The part of `masks` that the criterion, or the source of masks, keeps: the masks of the next level, if
        there is one.
    initial, final : dict of str to Tensor
        State dict before and after training, on the CPU. Exactly 0 outside `masks`; with `initial_masks`,
        `initial` is 0 outside these.
    rewind : dict of str to Tensor or None
        State that surviving weights go back to; None if they keep their trained values.
    curve : Curve
        Losses, accuracy and learning rate during training.
    seed : int
        Seed of the replicate. Every random number is a function of this seed and of names such as the
        level's index, so no other random state needs to be stored.
    network : torch.nn.Module
        In evaluation mode, with the state `final`. The loop reuses it: it changes with the next level.
    kernels : dict of str to str
        For every layer with a mask, how training multiplied it: ``csr`` or ``dense``.
    snapshots : dict of int to dict of str to Tensor
        State dicts during training, on the CPU, by the number of steps that the level had taken; only those
        that were asked for.
    initial_masks : dict of str to Tensor of bool, or None
        Masks at the start of training, where ``pruning.regrowth`` has changed them since. None: they are
        `masks`.
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
    snapshots: Snapshots = field(default_factory=dict)
    initial_masks: Masks | None = None

    @property
    def initial_of_kept(self) -> State:
        """`initial` where it has a value for every kept weight; empty if some were grown in training."""
        return {} if self.initial_masks else self.initial

    @property
    def density(self) -> float:
        """Kept weights / all prunable weights."""
        return density(self.masks)


@dataclass(frozen=True, eq=False)
class Progress:
    """The state of a run after a training step.

    Attributes
    ----------
    trainer : Trainer
        Its trainer, which knows the step.
    rewind : dict of str to Tensor or None
        State that surviving weights will go back to; None until level 0 has passed the rewind step.
    density : float
        Kept weights / all prunable weights of the level.
    snapshots : dict of int to dict of str to Tensor
        Those that the level has kept so far; the same object at every step.
    """

    level: int
    trainer: Trainer
    rewind: State | None
    density: float
    snapshots: Snapshots = field(default_factory=dict)


OnStep = Callable[[Progress], None]
"""Called after every training step."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything needed to resume a level part-way through.

    Attributes
    ----------
    tensors, facts
        Both parts of ``Trainer.state``.
    rewind, snapshots
        As in `Progress`.
    """

    level: int
    tensors: State
    facts: dict[str, Any]
    rewind: State | None
    snapshots: Snapshots = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Replicate:
    """One network to prune: its initialisation, data and seed, and where to resume.

    Attributes
    ----------
    network : torch.nn.Module
        Its present weights are the initialisation. Left unchanged: pruning works on a copy.
    seed : int
        Seeds the batches and any criterion that samples.
    start : Level or None
        The level to resume after, from the same network, task, settings and seed.
    checkpoint : Checkpoint or None
        State part-way through the level after `start` (or through level 0). A checkpoint of another level
        is ignored.
    masks : MaskSource or None
        Where the masks of every level come from. None: from the criterion and the schedule.
    starting_state : dict of str to Tensor or None
        State that kept weights have at the start of level 1, 2, … in place of the rewound one.
    at_steps : tuple of int
        Numbers of steps after which each level keeps a snapshot.
    """

    network: nn.Module
    task: Task
    seed: int
    start: Level | None = None
    checkpoint: Checkpoint | None = None
    masks: MaskSource | None = None
    starting_state: State | None = None
    at_steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Acceleration:
    """Faster ways to compute levels. They change rounding and speed, not the mathematics.

    Attributes
    ----------
    crossovers : mapping of str to float, or None
        Densities below which layers train on kept weights only, by layer shape; see
        ``sparsight.sparse.crossover_measurements``. None: the same fixed density on every machine.
    cuda_graph : bool
        Whether levels whose layers are all dense train through a CUDA graph.
    """

    crossovers: Crossovers | None = None
    cuda_graph: bool = False


def snapshot(network: nn.Module) -> State:
    """Return a copy of the state dict, on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in network.state_dict().items()}
