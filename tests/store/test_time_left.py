import itertools

import numpy as np
import pytest

from sparsight.network import FullyConnected, NetworkSettings
from sparsight.prune import PruningSettings, dense_masks
from sparsight.recipe import load_recipe
from sparsight.store import RunDirectory, run_state
from sparsight.store._time_left import LevelTime, ReplicateTime, expected_schedule, seconds_left

STEPS, REWIND, NUM_LEVELS = 600, 40, 12


def level_times(train, measure, seed, noise=0.05):
    """Levels of a replicate whose steps take train(density) seconds, and whose measuring measure(density)."""
    stream = np.random.default_rng(seed)
    steps = [STEPS - (REWIND if index else 0) for index in range(NUM_LEVELS)]
    return [
        LevelTime(n, n * train(d) * stream.lognormal(0, noise), measure(d) * stream.lognormal(0, noise))
        for d, n in zip(0.7 ** np.arange(NUM_LEVELS), steps, strict=True)
    ]


MACHINES = {
    "nothing but training": (lambda d: 0.05, lambda d: 0.0),
    "dense steps, cheap instruments": (lambda d: 0.01, lambda d: 1.0),
    "dense steps, costly instruments": (lambda d: 0.01, lambda d: 1 + 6 * d),
    "steps that follow density": (lambda d: 0.002 + 0.02 * d, lambda d: 0.5 + 3 * d),
    "dense above 10 %, sparse below": (lambda d: 0.012 if d > 0.1 else 0.002 + 0.1 * d, lambda d: 1.0),
}
SAME_AT_EVERY_DENSITY = ["nothing but training", "dense steps, cheap instruments"]


def seconds_of(levels):
    return [level.train_seconds + level.measure_seconds for level in levels]


def simulate(times, jobs, moment):
    """Return the replicates as they are after `moment` seconds, and the seconds that are really left."""
    free_at, starts = [0.0] * jobs, []
    for levels in times:
        free_at.sort()
        starts.append(free_at[0])
        free_at[0] += sum(seconds_of(levels))
    replicates = []
    for start, levels in zip(starts, times, strict=True):
        ends = start + np.cumsum(seconds_of(levels))
        num_done = int((ends <= moment).sum())
        is_running = bool(start <= moment < ends[-1])
        began = start if num_done == 0 else ends[num_done - 1]
        replicates.append(
            ReplicateTime(
                tuple(levels[:num_done]),
                tuple(level.num_steps for level in levels[num_done:]),
                float(moment - began) if is_running else 0.0,
                is_running,
            )
        )
    return replicates, max(free_at) - moment


@pytest.mark.parametrize("machine", SAME_AT_EVERY_DENSITY)
@pytest.mark.parametrize("seed", range(5))
def test_right_within_30_percent_after_the_second_level_where_levels_take_alike(machine, seed):
    times = [level_times(*MACHINES[machine], seed=10 * seed + number) for number in range(6)]
    first = seconds_of(times[0])
    for num_levels, fraction in itertools.product((2, 3, 5), (0.1, 0.6)):
        moment = sum(first[:num_levels]) + fraction * first[num_levels]
        replicates, truth = simulate(times, 2, moment)
        assert seconds_left(replicates, 2) == pytest.approx(truth, rel=0.3)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", range(5))
def test_right_within_30_percent_once_a_replicate_has_seen_every_density(machine, seed):
    times = [level_times(*MACHINES[machine], seed=10 * seed + number) for number in range(6)]
    replicates, truth = simulate(times, 2, 1.2 * sum(seconds_of(times[0])))
    assert seconds_left(replicates, 2) == pytest.approx(truth, rel=0.3)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", range(5))
def test_until_then_the_estimate_is_too_long_rather_than_too_short_and_gets_better(machine, seed):
    times = [level_times(*MACHINES[machine], seed=10 * seed + number) for number in range(6)]
    errors = []
    for num_levels in (1, 3, 6, 9):
        replicates, truth = simulate(times, 2, 1.001 * sum(seconds_of(times[0])[:num_levels]))
        left = seconds_left(replicates, 2)
        assert left > 0.85 * truth
        errors.append(left / truth - 1)
    assert errors[-1] < 0.3
    if errors[0] > 0.3:
        assert errors == sorted(errors, reverse=True)


def test_levels_that_nobody_has_stored_are_expected_to_take_as_long_as_the_deepest_that_is():
    dense = LevelTime(100, 10.0, 3.0)
    replicate = ReplicateTime((dense, LevelTime(50, 2.0, 1.0)), (50, 50, 50), 0.0, True)
    assert seconds_left([replicate], 1) == pytest.approx(3 * (2.0 + 1.0))
    slower = ReplicateTime((LevelTime(100, 20.0, 5.0),), (50,), 0.0, True)
    assert seconds_left([replicate, slower], 2) == pytest.approx(9.0)
    waiting = ReplicateTime((), (100, 50))
    assert seconds_left([replicate, slower, waiting], 2) == pytest.approx(3.0 + 15.0 + 4.0 + 3.0)


def test_the_time_already_spent_on_a_level_is_taken_off_but_never_owed():
    done = (LevelTime(100, 10.0, 2.0),)
    for spent, left in ((0.0, 24.0), (5.0, 19.0), (50.0, 12.0)):
        assert seconds_left([ReplicateTime(done, (100, 100), spent, True)], 1) == pytest.approx(left)


def test_nothing_is_said_before_a_level_is_done():
    assert seconds_left([ReplicateTime((), (STEPS,), 3.0, True)], 1) is None


def test_a_finished_run_has_no_time_left():
    assert seconds_left([ReplicateTime((LevelTime(10, 1.0, 1.0),), ())], 2) == 0


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("prune_biases", [True, False])
def test_the_schedule_is_the_same_before_level_0_is_stored_as_after(scope, prune_biases):
    """From the recipe and the facts of the task, or from the shapes in a record."""
    pruning = PruningSettings(
        rate=0.3, min_density=0.02, scope=scope, prune_output=True, prune_biases=prune_biases
    )
    condition = (
        load_recipe("nlgp-1d")
        .condition("imp")
        .model_copy(update={"network": NetworkSettings(widths=(64, 32)), "pruning": pruning})
    )
    facts = {"geometry": {"channels": 2, "size": [8, 8], "wraps": True}, "num_classes": 10}
    masks = dense_masks(FullyConnected(128, 10, condition.network), pruning)
    shapes = {name: list(mask.shape) for name, mask in masks.items()}
    assert expected_schedule(condition, None, {}) is None
    before, after = expected_schedule(condition, None, facts), expected_schedule(condition, shapes, {})
    assert before == after
    assert before.num_weights == 128 * 64 + 64 * 32 + 32 * 10 + prune_biases * (64 + 32 + 10)


def test_a_run_ranked_by_layer_is_expected_to_have_the_levels_that_happen():
    condition = load_recipe("nlgp-1d").condition("imp")
    shapes = {"linear_0.weight": [64, 128], "linear_1.weight": [32, 64]}
    for scope, num_levels in (("global", 12), ("layer", 13)):
        pruning = PruningSettings(rate=0.3, min_density=0.02, scope=scope)
        chosen = condition.model_copy(update={"pruning": pruning})
        assert len(expected_schedule(chosen, shapes, {}).num_kept()) == num_levels


def test_a_run_that_has_stored_its_task_only_says_how_many_levels_will_come(tmp_path):
    pruning = ["pruning.scope=layer", "pruning.rate=0.3", "pruning.max_levels=20"]
    recipe = load_recipe("nlgp-1d", ["network.widths=[64, 32]", "replicates=1", *pruning])
    directory = RunDirectory.create(recipe, tmp_path / "run")
    assert {unit.levels_expected for unit in run_state(directory).replicates} == {None}
    facts = {"geometry": {"channels": 1, "size": [128], "wraps": True}, "num_classes": 2, "num_train": 1000}
    directory.begin("imp", 0, facts)
    state = run_state(directory)
    assert {unit.levels_expected for unit in state.replicates} == {13}
    assert state.seconds_left is None


@pytest.mark.parametrize("widths", [(), (5,), (7, 3)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("prune_output", [True, False])
@pytest.mark.parametrize("prune_biases", [True, False])
def test_the_schedule_before_the_first_level_is_that_of_the_network(widths, bias, prune_output, prune_biases):
    recipe = load_recipe("nlgp-1d", [f"network.widths={list(widths)}", f"network.bias={str(bias).lower()}"])
    condition = recipe.condition("imp").model_copy(
        update={"pruning": PruningSettings(prune_output=prune_output, prune_biases=prune_biases)}
    )
    masks = dense_masks(FullyConnected(12, 4, condition.network), condition.pruning)
    facts = {"geometry": {"channels": 2, "size": [6], "wraps": False}, "num_classes": 4}
    shapes = {name: tuple(mask.shape) for name, mask in masks.items()}
    assert expected_schedule(condition, None, facts) == expected_schedule(condition, shapes, facts)
