"""Snapshots within levels: what they equal, and that no interruption or measuring changes them."""

import shutil
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
import torch

from sparsight.errors import InputError
from sparsight.recipe import load_recipe
from sparsight.run import _step_watch, measure_again, run_recipe
from sparsight.store import check_run, open_run, read_level, read_snapshots
from sparsight.store._level_files import SNAPSHOTS, WEIGHTS
from tests.run.run_digests import digests
from tests.run.stopping import run_with_stops

STEPS, REWIND = 12, 4
AT_STEPS = (0, 3, STEPS - REWIND, STEPS)
SMALL = [
    "replicates=2", "data.num_train=120", "data.num_test=60", "data.size=[48]", "network.widths=[6]",
    f"training.steps={STEPS}", "training.batch_size=30", "training.kernel=dense", "training.evaluations=2",
    "pruning.max_levels=2", "pruning.rate=0.5", f'pruning.rewind="step:{REWIND}"', "measure.num_samples=60",
    'measure.instruments=["initialisation","locality"]',
    "conditions={imp={},random={pruning={criterion='random'}}}",
]  # fmt: skip


def recipe(*overrides, at_steps=AT_STEPS):
    return load_recipe("nlgp-1d", [*SMALL, f"measure.at_steps={list(at_steps)}", *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run_recipe(recipe(), tmp_path_factory.mktemp("snapshots") / "run", jobs=1).path


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def ends_of(run):
    """Return, for each level, the number of steps that it had."""
    return {0: STEPS} | dict.fromkeys((1, 2), STEPS - REWIND)


def test_the_last_snapshot_is_the_level_itself(finished):
    run = open_run(finished)
    ends, during = run.frame(), run.frame_over_training()
    keys = ["condition", "replicate", "level", "density", "layer", "quantity"]
    last = during[during["step"] == during["level"].map(ends_of(run))].drop(columns="step")
    joined = ends.merge(last, on=keys, suffixes=("", "_during"))
    # Everything but the best of a curve, and the units that are connected, which are no numbers of weights.
    assert set(ends["quantity"]) - set(joined["quantity"]) == {"best_test_accuracy", "connected_units"}
    np.testing.assert_array_equal(joined["value"], joined["value_during"])
    for level in range(3):
        folder = run.directory.level("imp", 1, level)
        state = read_snapshots(folder)[ends_of(run)[level]]
        for name, value in read_level(folder).final.items():
            assert torch.equal(state[name], value)


def test_the_first_snapshot_is_the_rewound_network(finished):
    run = open_run(finished)
    dense = run.level("imp", 0, 0)
    for level in range(3):
        before = dense.initial if level == 0 else dense.rewind
        masks = run.level("imp", 0, level).masks
        for name, value in run.snapshots("imp", 0, level)[0].items():
            expected = before[name].masked_fill(~masks[name], 0.0) if name in masks else before[name]
            assert torch.equal(value, expected)
    first = run.frame_over_training().query("step == 0").set_index("quantity")["value"]
    assert (first["initialisation.distance_travelled"] == 0).all()
    assert first["initialisation.rank_correlation"].to_numpy() == pytest.approx(1)


def test_levels_that_are_shorter_have_fewer_snapshots(finished):
    frame = open_run(finished).frame_over_training()
    steps = frame.groupby("level")["step"].unique().map(list)
    assert steps[0] == list(AT_STEPS)
    assert steps[1] == steps[2] == list(AT_STEPS[:-1])


def test_snapshots_change_nothing_else(finished, tmp_path):
    plain = run_recipe(load_recipe("nlgp-1d", SMALL), tmp_path / "plain", jobs=1).path
    facts = ("snapshots", "files", "identity")
    expected = digests(plain, except_for=facts)
    found = digests(finished, except_for=facts)
    assert {name: found[name] for name in expected} == expected
    assert {name.rpartition("/")[2] for name in found.keys() - expected.keys()} == {SNAPSHOTS}
    pd.testing.assert_frame_equal(open_run(plain).frame(), open_run(finished).frame())
    assert not len(open_run(plain).frame_over_training())


@pytest.mark.parametrize("together", [1, 2])
def test_a_run_stopped_again_and_again_ends_as_if_undisturbed(tmp_path, monkeypatch, together):
    paths = [tmp_path / name for name in ("whole", "stopped")]
    run_recipe(recipe(), paths[0], jobs=1, together=together)
    assert run_with_stops(monkeypatch, recipe(), paths[1], every=5, together=together) > 30
    assert digests(paths[0]) == digests(paths[1])


class _Killed(BaseException):
    """Ends a run where it stands, as a kill does: the step just taken is in no checkpoint."""


def test_a_run_killed_again_and_again_ends_as_if_undisturbed(finished, tmp_path, monkeypatch):
    taken = 0

    def dies(_):
        nonlocal taken
        taken += 1
        if taken % 7 == 0:
            raise _Killed
        return False

    monkeypatch.setattr(_step_watch, "is_stop_requested", dies)
    is_finished = False
    for _ in range(60):
        with suppress(_Killed):
            run_recipe(recipe(), tmp_path / "run", jobs=1, checkpoint_seconds=1e-9)
            is_finished = True
            break
    assert is_finished
    assert taken > 100
    assert digests(tmp_path / "run") == digests(finished)


@pytest.mark.parametrize("kernel", ["csr", "dense"])
def test_snapshots_are_the_states_that_shorter_trainings_end_with(tmp_path, kernel):
    short = ["replicates=1", "conditions={imp={}}", 'pruning.rewind="init"', f"training.kernel={kernel}"]
    snapshots = run_recipe(recipe(*short, at_steps=[5]), tmp_path / "whole", jobs=1)
    # At a constant rate, and with the masks of the whole training, five steps are the first five of twelve.
    masks_from = f'pruning.masks_from="{tmp_path / "whole"}:imp"'
    values = [*SMALL, *short, "training.steps=5", "conditions={again={}}", f"conditions.again.{masks_from}"]
    ends = run_recipe(load_recipe("nlgp-1d", values), tmp_path / "short", jobs=1)
    for level in range(3):
        state = read_snapshots(snapshots.level("imp", 0, level))[5]
        for name, value in read_level(ends.level("again", 0, level)).final.items():
            assert torch.equal(state[name], value), name


def test_measuring_again_gives_the_same_and_adds_instruments_at_every_step(copied):
    run = open_run(copied)
    before = run.frame_over_training()
    measure_again(run.directory)
    pd.testing.assert_frame_equal(open_run(copied).frame_over_training(), before)
    measure_again(run.directory, ["mask_graph"])
    after = open_run(copied).frame_over_training()
    added = after[after["quantity"].str.startswith("mask_graph.")]
    assert sorted(set(added["step"])) == list(AT_STEPS)
    pd.testing.assert_frame_equal(
        after.drop(added.index).reset_index(drop=True).sort_values(list(before.columns), ignore_index=True),
        before.sort_values(list(before.columns), ignore_index=True),
    )


def test_a_damaged_snapshot_is_noticed_and_its_level_is_trained_again(finished, copied):
    path = open_run(copied).directory.level("imp", 0, 1) / SNAPSHOTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (health,) = [each for each in check_run(open_run(copied).directory)[1] if each.problems]
    assert str(path) in health.problems[0]
    assert health.first_bad == 1
    with pytest.raises(InputError, match="damaged"):
        open_run(copied).snapshots("imp", 0, 1)
    run_recipe(recipe(), copied, jobs=1)
    found = {name: digest for name, digest in digests(copied).items() if ".damaged" not in name}
    assert found == digests(finished)


def test_a_missing_snapshot_file_is_noticed(copied):
    path = open_run(copied).directory.level("random", 1, 2) / SNAPSHOTS
    path.unlink()
    problems = [line for health in check_run(open_run(copied).directory)[1] for line in health.problems]
    assert problems == [f"{path} is missing"]


def test_a_snapshot_keeps_no_pruned_weight(finished):
    folder = open_run(finished).directory.level("imp", 0, 2)
    num_states = len(read_snapshots(folder))
    assert (folder / SNAPSHOTS).stat().st_size < (num_states + 1) * (folder / WEIGHTS).stat().st_size


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("[3, 1]", "steps must rise"),
        ("[3, 3]", "steps must rise"),
        ("[-1]", "at_steps"),
        (f"[0, {STEPS + 1}]", f"the longest level has {STEPS} steps"),
    ],
)
def test_steps_that_cannot_be_are_refused_before_anything_is_trained(tmp_path, steps, message):
    with pytest.raises(InputError, match=message):
        run_recipe(load_recipe("nlgp-1d", [*SMALL, f"measure.at_steps={steps}"]), tmp_path / "run", jobs=1)
    assert not list(tmp_path.rglob("level_*"))


def test_recipes_without_steps_keep_their_hash():
    plain = load_recipe("nlgp-1d", SMALL)
    assert recipe(at_steps=()).digest() == plain.digest()
    assert recipe().digest() != plain.digest()
    assert "at_steps" not in plain.resolved()["measure"]
    assert recipe().resolved()["measure"]["at_steps"] == list(AT_STEPS)
