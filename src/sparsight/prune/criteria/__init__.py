"""Criteria: what says how much a weight is worth keeping. One file each, registered by name."""

from sparsight.prune.criteria import cavity, grasp, magnitude, movement, random, snip, synflow
from sparsight.prune.criteria.registry import CRITERIA, Criterion, Trained, criterion

__all__ = [
    "CRITERIA",
    "Criterion",
    "Trained",
    "cavity",
    "criterion",
    "grasp",
    "magnitude",
    "movement",
    "random",
    "snip",
    "synflow",
]
