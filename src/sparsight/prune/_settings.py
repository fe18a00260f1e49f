"""What a recipe says about pruning, and whether network and training can follow it."""

import itertools
import re
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.network import linear_layers
from sparsight.prune._masks import Scope, groups_of, num_kept_by_level
from sparsight.prune.criteria._registry import CRITERIA
from sparsight.settings import Settings
from sparsight.train import Masks, TrainingSettings


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
