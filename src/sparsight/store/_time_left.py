"""How long a run will still take, from the levels that are done."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from sparsight.prune import PruningSettings, num_kept_by_level


@dataclass(frozen=True)
class LevelTime:
    """What one level took.

    Attributes
    ----------
    density : float
    num_steps : int
        Of training; fewer where weights were rewound to a later step.
    train_seconds, measure_seconds : float
    """

    density: float
    num_steps: int
    train_seconds: float
    measure_seconds: float


@dataclass(frozen=True)
class UnitTime:
    """One replicate of one condition: what is done, and what is to come.

    Attributes
    ----------
    done : tuple of LevelTime
    to_come : tuple of (float, int)
        Density and steps of every level that is not done, the present one first.
    seconds_into_level : float
        What the present level has taken already.
    is_running : bool
    """

    done: tuple[LevelTime, ...]
    to_come: tuple[tuple[float, int], ...]
    seconds_into_level: float = 0.0
    is_running: bool = False


def densities(num_weights: int, pruning: PruningSettings) -> list[float]:
    """Return the density of every level that a recipe will have, if no network is severed before.

    Parameters
    ----------
    num_weights : int
        Prunable.
    pruning : PruningSettings
    """
    kept = num_kept_by_level(num_weights, pruning.rate, pruning.max_levels)
    last = next(
        (index for index, count in enumerate(kept) if count / num_weights <= pruning.min_density),
        pruning.max_levels,
    )
    if pruning.schedule == "one_shot" and last > 0:
        return [1.0, kept[last] / num_weights]
    return [count / num_weights for count in kept[: last + 1]]


def seconds_left(units: Sequence[UnitTime], jobs: int) -> float | None:
    """Estimate how long a run will still take; None before a level is done.

    The seconds of a training step, and those of measuring a level, are taken as a + b · density with
    a, b ≥ 0, fitted to the levels done of all units alike; as long as only one density has been seen, as
    constant. The units that wait are given in turn to the process that is free first.

    Parameters
    ----------
    units : sequence of UnitTime
        In the order in which they are begun.
    jobs : int
        Processes side by side.

    Returns
    -------
    float or None
        Seconds.
    """
    done = [level for unit in units for level in unit.done]
    if not done:
        return None
    per_step = _linear(
        [level.density for level in done], [level.train_seconds / max(level.num_steps, 1) for level in done]
    )
    measuring = _linear([level.density for level in done], [level.measure_seconds for level in done])

    def remaining(unit: UnitTime) -> float:
        seconds = [
            num_steps * (per_step[0] + per_step[1] * density) + measuring[0] + measuring[1] * density
            for density, num_steps in unit.to_come
        ]
        if seconds:
            seconds[0] = max(seconds[0] - unit.seconds_into_level, 0.0)
        return sum(seconds)

    busy = [remaining(unit) for unit in units if unit.is_running]
    free_at = [0.0] * max(jobs - len(busy), 0) + busy
    heapq.heapify(free_at)
    for unit in units:
        if not unit.is_running and unit.to_come:
            heapq.heappush(free_at, heapq.heappop(free_at) + remaining(unit))
    return max(free_at)


def _linear(density: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """Fit seconds = a + b · density, a, b ≥ 0; sparse levels, which those to come are like, count most."""
    x, y = np.asarray(density), np.asarray(seconds)
    if np.ptp(x) == 0:
        return float(y.mean()), 0.0
    weight = 1 / np.sqrt(np.maximum(x, 1e-4))
    fitted, _ = nnls(np.stack([weight, weight * x], axis=1), weight * y)
    return float(fitted[0]), float(fitted[1])
