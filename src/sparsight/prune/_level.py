"""What the rounds of pruning yield, and what is needed to go on in the middle of one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from sparsight.prune._masks import density
from sparsight.train import Curve, Masks, Trainer

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


def snapshot(network: nn.Module) -> State:
    """Return a copy of the state dict, on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in network.state_dict().items()}
