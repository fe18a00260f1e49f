"""Criteria by name: functions from a trained level to a score for every weight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from sparsight.data import Task
from sparsight.registry import Registry
from sparsight.train import Loss


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained:
    """A trained level, as a criterion sees it.

    Attributes
    ----------
    network : torch.nn.Module
        The trained network in evaluation mode. A criterion of your own gets a copy, as of `masks` and
        `initial`; the arrays of `task` can be read and not written.
    masks : mapping of str to Tensor of bool
        The level's masks, by parameter name.
    initial : mapping of str to Tensor
        State dict at the start of the level's training, on the CPU; at level 0 this is the initialisation.
        0 for connections that ``pruning.regrowth`` has grown since.
    level : int
        0 is dense.
    seed : int
        Seed of the replicate. A criterion that samples uses
        ``streams.generator(seed, "<criterion>", level)``, so that its draws can be repeated.
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


NUM_SAMPLES = 2048
"""Number of training samples from which criteria compute their scores, see `Task.representative`."""

Criterion = Callable[[Trained], dict[str, Tensor]]

CRITERIA: Registry[Criterion] = Registry("criterion")


def criterion(name: str) -> Callable[[Criterion], Criterion]:
    """Register a function as a criterion, under the name that recipes use.

    The function takes a `Trained` level and returns a score for every entry of every prunable parameter,
    with the names and shapes of the masks. Pruning removes the lowest scores first and ignores the scores
    of entries that are already removed.

    Parameters
    ----------
    name : str
        The value of ``pruning.criterion`` in a recipe.

    Raises
    ------
    InputError
        If another function has this name.
    """
    return CRITERIA.register(name)
