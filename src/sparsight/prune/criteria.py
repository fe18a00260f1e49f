"""Criteria: what says how much a weight is worth keeping."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparsight.data.task import Task
from sparsight.errors import InputError
from sparsight.streams import generator


@dataclass(frozen=True, eq=False)
class Trained:
    """What a criterion may look at: a level that has been trained.

    Attributes
    ----------
    network : torch.nn.Module
        In evaluation mode; leave it as it is.
    masks : mapping of str to Tensor of bool
        The level's masks, by parameter name.
    task : Task
    level, seed : int
        For criteria that draw: use ``streams.generator(seed, "<criterion>", level)``.
    """

    network: nn.Module
    masks: Mapping[str, Tensor]
    task: Task
    level: int
    seed: int

    def parameters(self) -> dict[str, Tensor]:
        """Return the prunable parameters by name, detached."""
        parameters = dict(self.network.named_parameters())
        return {name: parameters[name].detach() for name in self.masks}


Criterion = Callable[[Trained], dict[str, Tensor]]

CRITERIA: dict[str, Criterion] = {}


def criterion(name: str) -> Callable[[Criterion], Criterion]:
    """Register a function as a criterion, under the name that recipes use.

    The function takes a `Trained` level and returns a score for every entry of every prunable
    parameter (same names and shapes); the lowest are removed first. Scores of entries that are gone
    already do not matter.

    Parameters
    ----------
    name : str
        The value of ``pruning.criterion`` in a recipe.

    Raises
    ------
    InputError
        If the name is taken by another function.
    """

    def register(function: Criterion) -> Criterion:
        if CRITERIA.get(name, function) is not function:
            raise InputError(f"criterion {name!r} is registered already; choose another name")
        CRITERIA[name] = function
        return function

    return register


@criterion("magnitude")
def magnitude(trained: Trained) -> dict[str, Tensor]:
    """Score |w|: iterative magnitude pruning (Frankle & Carbin, arXiv 1803.03635)."""
    return {name: parameter.abs() for name, parameter in trained.parameters().items()}


@criterion("random")
def random(trained: Trained) -> dict[str, Tensor]:
    """Score by a uniform draw, the control: same densities, no selection."""
    stream = generator(trained.seed, "random criterion", trained.level)
    return {name: torch.from_numpy(stream.random(tuple(mask.shape))) for name, mask in trained.masks.items()}
