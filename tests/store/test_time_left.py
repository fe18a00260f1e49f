import itertools

import numpy as np
import pytest

from sparsight.prune import PruningSettings
from sparsight.store._time_left import LevelTime, UnitTime, densities, seconds_left

STEPS, REWIND = 600, 40


def level_times(train, measure, num_levels, seed, noise=0.05):
    """Levels of a unit whose step takes train(density) and whose measuring takes measure(density) seconds."""
    stream = np.random.default_rng(seed)
    density = 0.7 ** np.arange(num_levels)
    steps = [STEPS - (REWIND if index else 0) for index in range(num_levels)]
    return [
        LevelTime(d, n, n * train(d) * stream.lognormal(0, noise), measure(d) * stream.lognormal(0, noise))
        for d, n in zip(density, steps, strict=True)
    ]


MACHINES = {
    "dense steps, costly instruments": (lambda d: 0.01, lambda d: 1 + 6 * d),
    "steps that follow density": (lambda d: 0.002 + 0.02 * d, lambda d: 0.5 + 3 * d),
    "dense above 10 %, sparse below": (lambda d: 0.012 if d > 0.1 else 0.002 + 0.1 * d, lambda d: 1.0),
    "nothing but training": (lambda d: 0.05, lambda d: 0.0),
}


def simulate(times, jobs, moment):
    """Return the units as they stand after `moment` seconds, and the seconds that are really left."""
    free_at, starts = [0.0] * jobs, []
    for levels in times:
        free_at.sort()
        starts.append(free_at[0])
        free_at[0] += sum(level.train_seconds + level.measure_seconds for level in levels)
    units = []
    for start, levels in zip(starts, times, strict=True):
        ends = start + np.cumsum([level.train_seconds + level.measure_seconds for level in levels])
        num_done = int((ends <= moment).sum())
        to_come = tuple((level.density, level.num_steps) for level in levels[num_done:])
        is_running = start <= moment < ends[-1]
        began = start if num_done == 0 else ends[num_done - 1]
        units.append(
            UnitTime(tuple(levels[:num_done]), to_come, moment - began if is_running else 0.0, is_running)
        )
    return units, max(free_at) - moment


@pytest.mark.parametrize(
    "machine", ["dense steps, costly instruments", "steps that follow density", "nothing but training"]
)
@pytest.mark.parametrize("seed", range(5))
def test_right_within_30_percent_after_the_second_level(machine, seed):
    times = [level_times(*MACHINES[machine], 12, seed=10 * seed + unit) for unit in range(6)]
    first = [level.train_seconds + level.measure_seconds for level in times[0]]
    for num_levels, fraction in itertools.product((2, 3, 5), (0.1, 0.6)):
        moment = sum(first[:num_levels]) + fraction * first[num_levels]
        units, truth = simulate(times, 2, moment)
        assert seconds_left(units, 2) == pytest.approx(truth, rel=0.3)


@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_that_changes_later_is_known_once_a_replicate_has_seen_it(seed):
    """Before that nobody can know; the first estimate is too long, never too short."""
    machine = MACHINES["dense above 10 %, sparse below"]
    times = [level_times(*machine, 12, seed=10 * seed + unit) for unit in range(6)]
    first = sum(level.train_seconds + level.measure_seconds for level in times[0])
    units, truth = simulate(times, 2, 0.3 * first)
    assert seconds_left(units, 2) > 0.9 * truth
    units, truth = simulate(times, 2, 1.2 * first)
    assert seconds_left(units, 2) == pytest.approx(truth, rel=0.3)


def test_one_density_says_nothing_of_others_so_all_are_taken_to_be_alike():
    dense = UnitTime(
        (LevelTime(1.0, STEPS, 6.0, 2.0),), tuple((0.7**k, STEPS) for k in range(1, 4)), 0.0, True
    )
    assert seconds_left([dense], 1) == pytest.approx(3 * 8.0)


def test_nothing_is_said_before_a_level_is_done():
    assert seconds_left([UnitTime((), ((1.0, STEPS),), 3.0, True)], 1) is None


def test_a_finished_run_has_no_time_left():
    assert seconds_left([UnitTime((LevelTime(1.0, 10, 1.0, 1.0),), ())], 2) == 0


def test_densities_are_those_of_the_loop():
    assert densities(1000, PruningSettings(rate=0.5, max_levels=3, min_density=0.01)) == [
        1.0,
        0.5,
        0.25,
        0.125,
    ]
    assert densities(1000, PruningSettings(rate=0.5, max_levels=9, min_density=0.2)) == [
        1.0,
        0.5,
        0.25,
        0.125,
    ]
    one_shot = PruningSettings(rate=0.5, max_levels=9, min_density=0.2, schedule="one_shot")
    assert densities(1000, one_shot) == [1.0, 0.125]
