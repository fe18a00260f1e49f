"""Runs of recipes that train unusually long or not at all: stored, stopped, resumed, shown."""

import shutil
from pathlib import Path

import pytest
import torch

from sparsight.errors import UnfinishedError
from sparsight.recipe import load_recipe
from sparsight.report import write_report
from sparsight.run import measure_again, run_recipe
from sparsight.store import CHECKPOINT, RunDirectory, open_run, run_state
from tests import toy  # noqa: F401 - registers the data source of plane.toml
from tests.run.run_digests import digests

PLANE = Path(__file__).parents[1] / "plane.toml"
SHORT = ("replicates=2", "measure.instruments=['locality','cavity']", "measure.num_samples=40")
UNTRAINED = (*SHORT, "training.steps=0", "pruning.rewind='init'", "conditions.imp.pruning.criterion='cavity'")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    path = tmp_path_factory.mktemp("untrained") / "run"
    run_recipe(load_recipe(PLANE, UNTRAINED), path, jobs=1)
    return path


def test_an_untrained_run_is_stored_shown_and_measured_again(untrained, tmp_path):
    shutil.copytree(untrained, tmp_path / "run")
    opened = open_run(tmp_path / "run")
    for index in range(3):
        level, first = opened.level("imp", 1, index), opened.level("imp", 1, 0)
        mask = level.masks["linear_0.weight"]
        assert torch.equal(level.final["linear_0.weight"], first.initial["linear_0.weight"] * mask)
        assert level.record.curve.step == [0]
        assert 0 <= level.record.test_accuracy <= 1
    state = run_state(opened.directory)
    assert (state.state, state.seconds_left) == ("finished", 0)
    assert state.replicates[0].last_accuracy is not None
    before = digests(tmp_path / "run")
    measure_again(opened.directory)
    assert digests(tmp_path / "run") == before
    assert write_report(open_run(tmp_path / "run")).stat().st_size > 10_000


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("stopped_at", [1, 2, 5])
def test_an_untrained_run_stops_between_levels_and_resumes(
    untrained, tmp_path, monkeypatch, together, stopped_at
):
    asked = []

    def is_stop_requested(_request):
        asked.append(None)
        return len(asked) == stopped_at

    recipe = load_recipe(PLANE, UNTRAINED)
    with monkeypatch.context() as patched:
        patched.setattr("sparsight.run._step_watch.is_stop_requested", is_stop_requested)
        with pytest.raises(UnfinishedError, match="is not finished"):
            run_recipe(recipe, tmp_path / "run", jobs=1, together=together)
    assert list((tmp_path / "run").rglob(CHECKPOINT))
    run_recipe(recipe, tmp_path / "run", jobs=1, together=together)
    found, expected = digests(tmp_path / "run"), digests(untrained)
    for file in found.keys() | expected.keys():
        if not (together > 1 and file.endswith("level.json")):  # it says how many were trained together
            assert found[file] == expected[file], file


def test_the_time_left_counts_every_step_of_one_shot_of_equal_compute(tmp_path):
    once = "conditions.random.pruning.schedule='one_shot_equal_compute'"
    recipe = load_recipe(PLANE, (*SHORT, once, "pruning.max_levels=4", "measure.instruments=['locality']"))
    run_recipe(recipe, tmp_path / "run", jobs=1)
    directory = RunDirectory.open(tmp_path / "run")
    steps = {
        each.condition: [level.num_steps for level in each.time.done]
        for each in run_state(directory).replicates
    }
    assert steps == {"imp": [30, 25, 25, 25, 25], "random": [30, 100]}
    assert [each.levels_expected for each in run_state(directory).replicates] == [5, 2, 5, 2]
    shutil.rmtree(directory.level("random", 1, 1))
    (left,) = [each for each in run_state(directory).replicates if not each.is_finished]
    assert left.time.to_come == (100,)
    assert open_run(tmp_path / "run").level("random", 0, 1).record.curve.step[-1] == 105
