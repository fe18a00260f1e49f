"""Benchmark of S(d) of a whole layer: FFT autocorrelation against loops over pairs; trades of a null.

Run with ``python -m benchmarks.locality``. A random mask of 1024 units on 3x32x32 inputs (no wrapping),
density 10 %, one thread:

- *S(d)*: both grids (same and different channels), all displacements, all units;
- *loop in numpy*: unit by unit, all pairs of its kept inputs at once, with `numpy.bincount` counting their
  displacements (a first implementation); timed on some units and extrapolated;
- *loop over pairs*: the definition, pair by pair in Python; timed on one unit and extrapolated;
- *trades*: one round of the configuration null, at several densities.

The three agree exactly on the units that all of them count. Each time is a median, printed with the minimum
and maximum of the repeats.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sparsight.geometry import Geometry
from sparsight.measure._curveball import trade
from sparsight.measure._pair_counts import pair_counts
from sparsight.streams import generator

GEOMETRY = Geometry(3, (32, 32))
NUM_UNITS, DENSITY = 1024, 0.1
NUM_TIMED_UNITS = 24
REPEATS = 3


def seconds(action: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def described(times: list[float], factor: float = 1.0) -> str:
    times = [factor * each for each in times]
    return f"{statistics.median(times):.3g} s ({min(times):.3g} to {max(times):.3g})"


def random_mask(density: float) -> np.ndarray:
    return generator(0, "benchmark", "locality").random((NUM_UNITS, GEOMETRY.num_inputs)) < density


def loop_in_numpy(mask: np.ndarray) -> list[np.ndarray]:
    grid = np.array(GEOMETRY.distances().shape)
    counts = np.zeros((2, grid.prod()))
    for row in mask:
        channel, y, x = np.unravel_index(np.flatnonzero(row), GEOMETRY.shape)
        place = (y - y[:, None] + GEOMETRY.centre[0]) * grid[1] + x - x[:, None] + GEOMETRY.centre[1]
        same = channel == channel[:, None]
        counts[1] += np.bincount(place[~same], minlength=grid.prod())
        np.fill_diagonal(same, False)
        counts[0] += np.bincount(place[same], minlength=grid.prod())
    return list(counts.reshape(2, *grid))


def loop_over_pairs(mask: np.ndarray) -> list[np.ndarray]:
    counts = [[[0] * 63 for _ in range(63)] for _ in range(2)]
    for row in mask:
        kept = [divmod(i, 1024) for i in np.flatnonzero(row).tolist()]
        places = [(channel, *divmod(pixel, 32)) for channel, pixel in kept]
        for a in places:
            for b in places:
                if a is not b:
                    counts[a[0] != b[0]][b[1] - a[1] + 31][b[2] - a[2] + 31] += 1
    return [np.array(grid, dtype=float) for grid in counts]


@dataclass(frozen=True)
class PairTimes:
    """Seconds per repeat for the whole layer. The three alternate, so that other load slows all of them."""

    ours: list[float]
    in_numpy: list[float]
    over_pairs: list[float]

    def factor(self, theirs: list[float]) -> float:
        """Return the median over repeats of their time over ours."""
        return statistics.median(slow / fast for slow, fast in zip(theirs, self.ours, strict=True))


def measured(repeats: int = REPEATS) -> PairTimes:
    mask = random_mask(DENSITY)
    few = mask[:NUM_TIMED_UNITS]
    for slow in (loop_in_numpy, loop_over_pairs):
        for ours, theirs in zip(pair_counts(few[:1], GEOMETRY), slow(few[:1]), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    found = PairTimes([], [], [])
    for _ in range(repeats):
        found.ours.extend(seconds(lambda: pair_counts(mask, GEOMETRY), 1))
        numpy_times = seconds(lambda: loop_in_numpy(few), 1)
        found.in_numpy.extend(time * NUM_UNITS / NUM_TIMED_UNITS for time in numpy_times)
        found.over_pairs.extend(time * NUM_UNITS for time in seconds(lambda: loop_over_pairs(few[:1]), 1))
    return found


def main() -> None:
    print(f"{GEOMETRY.num_inputs}x{NUM_UNITS} mask, density {DENSITY}, all displacements, one thread")
    found = measured()
    print(f"S(d)              {described(found.ours)}")
    print(f"loop in numpy     {described(found.in_numpy)}: {found.factor(found.in_numpy):.0f} times ours")
    ratio = found.factor(found.over_pairs)
    print(f"loop over pairs   {described(found.over_pairs)}: {ratio:.0f} times ours (target: 100)")
    for density in (0.02, 0.1, 0.3):
        traded = random_mask(density)
        times = seconds(lambda m=traded: trade(m, 4, generator(0, "benchmark", "trades")))
        print(f"a round of trades at density {density}: {described(times, 0.25)}")


if __name__ == "__main__":
    main()
