"""Estimates of how long a run will still take, from the levels it has stored."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsight.network import linear_shapes
from sparsight.prune import Schedule
from sparsight.recipe import Condition


@dataclass(frozen=True)
class LevelTime:
    """The time that one stored level took; a level rewound to a later step has fewer training steps."""

    num_steps: int
    train_seconds: float
    measure_seconds: float


@dataclass(frozen=True)
class ReplicateTime:
    """The levels of one replicate of one condition: times of the stored ones, steps of the others.

    `to_come` holds the training steps of every level that is not stored yet, in order. The first is the
    present level, on which `seconds_into_level` have been spent so far; `is_running` if a process is training
    it now.
    """

    done: tuple[LevelTime, ...]
    to_come: tuple[int, ...]
    seconds_into_level: float = 0.0
    is_running: bool = False


def expected_schedule(
    condition: Condition, mask_shapes: Mapping[str, Sequence[int]] | None, task_facts: Mapping[str, Any]
) -> Schedule | None:
    """Return how many weights the levels of a replicate will keep, unless units lose their connections.

    The shapes of the masks come from the record of any level of the condition or, before one is stored,
    follow from the recipe and the facts about the data. None if neither is known yet.
    """
    if mask_shapes:
        return Schedule.of(mask_shapes, condition.pruning)
    if not task_facts:
        return None
    num_inputs = task_facts["geometry"]["channels"] * math.prod(task_facts["geometry"]["size"])
    shapes = linear_shapes(num_inputs, task_facts["num_classes"], condition.network)
    prunable = {
        f"{layer}.{kind}": shape
        for layer in condition.pruning.prunable(list(shapes))
        for kind, shape in shapes[layer].items()
        if kind == "weight" or condition.pruning.prune_biases
    }
    return Schedule.of(prunable, condition.pruning)


def seconds_left(replicates: Sequence[ReplicateTime], jobs: int) -> float | None:
    """Estimate how long a run will still take; None until a level is stored.

    A level is expected to take, for each training step and for measuring, the mean of what the replicates
    that have stored this level took. A level that no replicate has stored is expected to take as long as the
    deepest one that is: sparser levels are usually faster, so the estimate is rather too long than too short
    until the first replicate ends. Waiting replicates go, in the order given, to the one of `jobs` processes
    that is free first.
    """
    per_level = _mean_times(replicates)
    if not per_level:
        return None

    def remaining(replicate: ReplicateTime) -> float:
        seconds = []
        for level, num_steps in enumerate(replicate.to_come, start=len(replicate.done)):
            per_step, measuring = per_level[min(level, len(per_level) - 1)]
            seconds.append(num_steps * per_step + measuring)
        if seconds:
            seconds[0] = max(seconds[0] - replicate.seconds_into_level, 0.0)
        return sum(seconds)

    busy = [remaining(each) for each in replicates if each.is_running]
    free_at = [0.0] * max(jobs - len(busy), 0) + busy
    for each in replicates:
        if not each.is_running and each.to_come:
            free_at[free_at.index(min(free_at))] += remaining(each)
    return max(free_at)


def _mean_times(replicates: Sequence[ReplicateTime]) -> list[tuple[float, float]]:
    """Return mean seconds per training step, and per measuring, of each level stored by any replicate."""
    means = []
    for level in range(max((len(each.done) for each in replicates), default=0)):
        times = [each.done[level] for each in replicates if len(each.done) > level]
        per_step = sum(time.train_seconds / max(time.num_steps, 1) for time in times) / len(times)
        means.append((per_step, sum(time.measure_seconds for time in times) / len(times)))
    return means
