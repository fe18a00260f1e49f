"""Criteria: what says how much a weight is worth keeping. One file each, registered by name."""

from sparsight.prune.criteria import _cavity, _grasp, _magnitude, _movement, _random, _snip, _synflow  # noqa: F401
from sparsight.prune.criteria._registry import CRITERIA, Criterion, Trained, criterion

__all__ = ["CRITERIA", "Criterion", "Trained", "criterion"]
