"""Magnitude pruning: the smallest weights are removed first."""

from torch import Tensor

from sparsight.prune.criteria._registry import Trained, criterion


@criterion("magnitude")
def magnitude(trained: Trained) -> dict[str, Tensor]:
    """Score |w|: iterative magnitude pruning (Frankle & Carbin, arXiv 1803.03635)."""
    return {name: parameter.abs() for name, parameter in trained.parameters().items()}
