"""Dynamic sparse training: connections that are dropped and grown while a level trains."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.prune._masks import remove_lowest
from sparsight.prune._schedule import num_removed
from sparsight.prune._settings import PruningSettings
from sparsight.streams import generator
from sparsight.train import Masks, Trainer


def regrown(weight: Tensor, mask: Tensor, preference: Tensor, number: int) -> Tensor:
    """Return the mask of one weight after `number` connections were dropped and as many grown.

    The kept entries of smallest |weight| are dropped. The entries of largest preference are grown, among all
    that are not kept then, those just dropped included. Of equal entries the first is dropped, and the last
    is grown.

    Parameters
    ----------
    weight, preference : Tensor
        Of the shape of `mask`.
    mask : Tensor of bool
    number : int
        From 0 to the number of kept entries.

    Returns
    -------
    Tensor of bool
        With as many kept entries as `mask`.
    """
    stays = remove_lowest({"": weight.detach().abs()}, {"": mask}, number)[""]
    absent = ~stays
    others = int(absent.count_nonzero()) - number
    return stays | remove_lowest({"": preference}, {"": absent}, others)[""]


@dataclass(frozen=True, kw_only=True)
class Regrowth:
    """When the connections of a level change, how many, and to which: a `sparsight.train.MaskUpdate`.

    After t steps of the level, with t a multiple of ``pruning.update_every`` before T = ⌊``update_until`` ·
    steps of the level⌋, each weight matrix or kernel drops ⌊α/2 · (1 + cos(π t / T)) · kept⌋ connections and
    grows as many (see `regrown`), where α is ``update_fraction``. Weights without an absent connection,
    frozen ones and biases keep their masks.

    Attributes
    ----------
    pruning : PruningSettings
        With ``regrowth`` ``random`` or ``gradient``.
    level, seed : int
        With the step and the name of a weight, they name the random stream of ``random``.

    Notes
    -----
    ``gradient`` is RigL (Evci et al., arXiv 1911.11134, algorithm 1), with the gradient on the batch of the
    step that follows: no step is left out. ``random`` is SET (Mocanu et al., Nature Communications 9, 2383
    (2018)) with the numbers and the zero-valued new connections of the former.
    """

    pruning: PruningSettings
    level: int
    seed: int

    def end(self, num_steps: int) -> int:
        """Return the number of steps T from which on masks stay, in a level of `num_steps` steps."""
        return num_removed(self.pruning.update_until, num_steps)

    def fraction(self, num_taken: int, num_steps: int) -> float:
        """Return the share of kept connections that changes after `num_taken` steps of a level."""
        decay = (1 + math.cos(math.pi * num_taken / self.end(num_steps))) / 2
        return self.pruning.update_fraction * decay

    def is_due(self, trainer: Trainer) -> bool:
        """Return whether masks change before the trainer's next step."""
        taken = trainer.num_taken
        return 0 < taken < self.end(trainer.length) and taken % self.pruning.update_every == 0

    def new_masks(self, trainer: Trainer) -> Masks:
        """Return the masks of the next step."""
        fraction = self.fraction(trainer.num_taken, trainer.length)
        weights = {name: trainer.network.get_parameter(name) for name in trainer.masks}
        numbers = {
            name: int(fraction * int(mask.count_nonzero()))
            for name, mask in trainer.masks.items()
            if mask.dim() > 1 and weights[name].requires_grad and not mask.all()
        }
        changing = [name for name, number in numbers.items() if number]
        preferences = self._preferences(trainer, changing)
        return trainer.masks | {
            name: regrown(weights[name], trainer.masks[name], preferences[name], numbers[name])
            for name in changing
        }

    def _preferences(self, trainer: Trainer, names: list[str]) -> dict[str, Tensor]:
        if not names:
            return {}
        if self.pruning.regrowth == "gradient":
            return {name: each.abs() for name, each in trainer.dense_gradients(names).items()}
        place = ("regrowth", self.level, trainer.num_taken)
        return {
            name: torch.from_numpy(
                generator(self.seed, *place, name).random(tuple(trainer.masks[name].shape))
            )
            for name in names
        }


def regrowth_of(pruning: PruningSettings, *, level: int, seed: int) -> Regrowth | None:
    """Return the changes of masks within a level; None if its masks stay."""
    return None if pruning.regrowth == "none" else Regrowth(pruning=pruning, level=level, seed=seed)
