"""Random pruning: the control for every other criterion."""

import torch
from torch import Tensor

from sparsight.prune.criteria._combinators import matched
from sparsight.prune.criteria._registry import Trained, criterion
from sparsight.streams import generator


@criterion("random")
def random(trained: Trained) -> dict[str, Tensor]:
    """Score by a uniform draw: the same densities as other criteria, without selection."""
    stream = generator(trained.seed, "random criterion", trained.level)
    return {name: torch.from_numpy(stream.random(tuple(mask.shape))) for name, mask in trained.masks.items()}


@criterion("random-matched")
def random_matched(trained: Trained) -> dict[str, Tensor]:
    """Score the rank of a uniform draw among ten weights of the same unit and similar |w|, see `matched`.

    The control of the matched criteria: like them, and unlike ``random``, it removes the same share of every
    stratum of |w| in every unit, but selects for nothing.
    """
    return matched(random, "random-matched")(trained)
