"""Magnitude pruning: the smallest weights are removed first; and its reverse."""

from torch import Tensor

from sparsight.prune.criteria._combinators import highest, reverse
from sparsight.prune.criteria._registry import Trained, criterion


@criterion("magnitude")
def magnitude(trained: Trained) -> dict[str, Tensor]:
    """Score |w|: iterative magnitude pruning (Frankle & Carbin, arXiv 1803.03635)."""
    return {name: parameter.abs() for name, parameter in trained.parameters().items()}


@criterion("magnitude-reverse")
def magnitude_reverse(trained: Trained) -> dict[str, Tensor]:
    """Score −|w|: the largest weights are removed first."""
    return highest(reverse(magnitude))(trained)
