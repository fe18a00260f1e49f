"""The dense level that several conditions begin with is trained once, with the same bits as apart."""

import shutil
from pathlib import Path

import pytest
import torch

from sparsight.recipe import load_recipe
from sparsight.run import Execution, _replicates, _shared_levels, run_recipe, run_replicates
from sparsight.run._plan import plan_run
from sparsight.store import open_run
from sparsight.store._level_files import WEIGHTS
from tests import toy  # noqa: F401 - registers the data source of plane.toml
from tests.run.run_digests import digests

PLANE = Path(__file__).parents[1] / "plane.toml"
CONDITIONS = (
    "replicates=2",
    "conditions.random.pruning.criterion='random'",
    "conditions.at_once.pruning.schedule='one_shot'",
    "conditions.again.pruning.masks_from='imp'",
    "conditions.again.pruning.rearranged='layer'",
    "conditions.set.pruning.regrowth='random'",
    "conditions.set.pruning.update_every=3",
    "conditions.set.measure.at_steps=[]",
    "measure.at_steps=[0, 7]",
    "measure.instruments=['locality']",
)


def run(path, *overrides, shared=True):
    with pytest.MonkeyPatch.context() as patch:
        if not shared:
            patch.setattr(_replicates, "trained_by_another", lambda *arguments: None)
        run_recipe(load_recipe(PLANE, [*CONDITIONS, *overrides]), path, jobs=1)
    return open_run(path)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return run(folder / "shared"), run(folder / "apart", shared=False)


def trained_by(opened):
    return {
        (condition, replicate): opened.level(condition, replicate, 0).record.trained_by
        for condition, replicate in opened.directory.replicates()
    }


def test_every_condition_takes_the_dense_training_of_the_first(both):
    shared, apart = both
    assert set(trained_by(apart).values()) == {None}
    expected = {
        (name, number): None if name == "imp" else "imp"
        for name in ("imp", "random", "at_once", "again", "set")
        for number in range(2)
    }
    assert trained_by(shared) == expected


def test_all_bits_are_those_of_training_apart(both):
    shared, apart = (digests(each.path) for each in both)
    assert shared == apart


@pytest.mark.parametrize(
    "override",
    [
        "conditions.random.pruning.rewind='step:3'",
        "conditions.random.training.learning_rate=0.3",
        "conditions.random.training.steps=31",
        "conditions.random.network.widths=[13]",
        "conditions.random.data.label_noise=0.1",
        "conditions.random.measure.at_steps=[0, 8]",
    ],
)
def test_another_training_is_not_shared(tmp_path, override):
    found = trained_by(run(tmp_path / "run", "replicates=1", override))
    assert found["random", 0] is None
    assert found["at_once", 0] == "imp"


@pytest.mark.parametrize("fact", ["threads", "made_with", "crossovers"])
def test_a_level_that_was_computed_in_another_way_is_not_taken(tmp_path, monkeypatch, fact):
    path = tmp_path / "run"
    opened = run(path, "replicates=1")
    shutil.rmtree(opened.directory.replicate("random", 0))
    asked = _replicates.trained_by_another

    def with_other_fact(directory, group, number, replicate, facts):
        return asked(directory, group, number, replicate, {**facts, fact: "another"})

    monkeypatch.setattr(_replicates, "trained_by_another", with_other_fact)
    assert trained_by(run(path, "replicates=1"))["random", 0] is None


def test_a_level_that_lacks_a_snapshot_is_not_taken(tmp_path, monkeypatch):
    path = tmp_path / "run"
    opened = run(path, "replicates=1")
    shutil.rmtree(opened.directory.replicate("random", 0))
    whole = _shared_levels.read_snapshots
    monkeypatch.setattr(_shared_levels, "read_snapshots", lambda folder: {0: whole(folder)[0]})
    assert trained_by(run(path, "replicates=1"))["random", 0] is None


def test_a_damaged_level_is_not_taken(tmp_path):
    path = tmp_path / "run"
    opened = run(path, "replicates=1")
    before = opened.level("random", 0, 0).final
    for name in ("imp", "at_once", "again", "set"):
        weights = opened.directory.level(name, 0, 0) / WEIGHTS
        weights.write_bytes(weights.read_bytes()[:-4])
    shutil.rmtree(opened.directory.replicate("random", 0))
    # Only `random` is to be trained again: the others, which are damaged, would be mended before it.
    recipe = load_recipe(PLANE, [*CONDITIONS, "replicates=1"])
    groups = {group.name: group for group in plan_run(recipe, path, jobs=1).groups}
    run_replicates(path, groups["random"], Execution(threads=1, stop_request=tmp_path / "stop"))
    level = open_run(path).level("random", 0, 0)
    assert level.record.trained_by is None
    assert all(torch.equal(level.final[name], value) for name, value in before.items())
