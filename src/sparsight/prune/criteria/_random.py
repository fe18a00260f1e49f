"""Random pruning: the control for every other criterion."""

import torch
from torch import Tensor

from sparsight.prune.criteria._registry import Trained, criterion
from sparsight.streams import generator


@criterion("random")
def random(trained: Trained) -> dict[str, Tensor]:
    """Score by a uniform draw: the same densities as other criteria, without selection."""
    stream = generator(trained.seed, "random criterion", trained.level)
    return {name: torch.from_numpy(stream.random(tuple(mask.shape))) for name, mask in trained.masks.items()}
