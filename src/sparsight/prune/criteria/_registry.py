"""What a criterion is: a function from a trained level to a score for every weight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.train import Loss


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
    initial : mapping of str to Tensor
        State dict with which the level began to train: at level 0 the initialisation. On the CPU.
    loss : {"cross_entropy", "mse"}
        What the level was trained with.
    level, seed : int
        For criteria that draw: use ``streams.generator(seed, "<criterion>", level)``.
    """

    network: nn.Module
    masks: Mapping[str, Tensor]
    task: Task
    initial: Mapping[str, Tensor]
    loss: Loss
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
