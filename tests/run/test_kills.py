"""SIGKILL at random moments, again and again: resumed, the run ends the same to the bit.

``pytest tests/run/test_kills.py --kills 200`` kills 200 times; the default is 12.
Source files: tests/run/README.md.
"""

import multiprocessing
import random
import time

import pytest

from sparsight.run import run_recipe
from sparsight.store import RECIPE, RunDirectory, check_run
from tests import toy  # noqa: F401 - registers the data source, in the children too
from tests.run.run_digests import digests


def run_in_a_child(recipe, path):
    run_recipe(recipe, path, jobs=1, checkpoint_seconds=0.02)


@pytest.fixture(scope="module")
def server():
    """A server that has loaded torch: its children spend their short lives running the recipe."""
    context = multiprocessing.get_context("forkserver")
    # the first use of torch.optim loads torch._dynamo
    context.set_forkserver_preload(["sparsight.run._runner", "torch._dynamo"])
    return context


@pytest.fixture(scope="module")
def recipe(short_recipe):
    return short_recipe.model_copy(
        update={"training": short_recipe.training.model_copy(update={"steps": 120})}
    )


@pytest.fixture(scope="module")
def undisturbed(server, recipe, tmp_path_factory):
    """Digests of a run that was not killed, and the seconds that a child takes for it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    seconds = []
    for name in ("with the start of the server", "without"):
        began = time.monotonic()
        child = server.Process(target=run_in_a_child, args=(recipe, folder / name))
        child.start()
        child.join()
        assert child.exitcode == 0
        seconds.append(time.monotonic() - began)
    return digests(folder / name), seconds[-1]


@pytest.mark.slow
def test_kills_at_random_moments_leave_no_trace(server, recipe, undisturbed, tmp_path, request):
    expected, duration = undisturbed
    moments = random.Random(17)
    num_kills, num_runs = 0, 0
    while num_kills < request.config.getoption("--kills"):
        path = tmp_path / f"run-{num_runs}"
        num_runs += 1
        finished = False
        while not finished:
            child = server.Process(target=run_in_a_child, args=(recipe, path))
            child.start()
            # up to the whole duration: even a child that starts slowly must sometimes make progress
            child.join(timeout=moments.uniform(0, duration))
            finished = child.exitcode == 0
            if child.exitcode is None:
                child.kill()
                num_kills += 1
            child.join()
            if (path / RECIPE).exists():
                whole, replicates = check_run(RunDirectory.open(path))
                assert whole == []
                assert all(health.problems == () for health in replicates)
        assert digests(path) == expected
    print(f"{num_kills} kills over {num_runs} runs")
