"""A run that version 0.1 wrote, and left in the middle, is still read, checked, continued and reported.

``run_of_version_0_1/run.zip`` was written by revision a6d74ca with ``recipe.toml``, and stopped at step 26 of
level 1 of the last replicate. Never write it again with a newer version: a change of the format that this
test refuses needs a new format version, and code that reads both.
"""

import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sparsight.cli import main
from sparsight.recipe import load_recipe
from sparsight.store import (
    RunDirectory,
    check_run,
    default_path,
    open_run,
    read_checkpoint,
    run_state,
)

DATA = Path(__file__).parent / "run_of_version_0_1"
LEVELS = {("imp", 0): 3, ("imp", 1): 3, ("random", 0): 3, ("random", 1): 1}
STORED = [(*replicate, index) for replicate, number in LEVELS.items() for index in range(number)]


def unpacked(folder):
    zipfile.ZipFile(DATA / "run.zip").extractall(folder)
    return folder / "run"


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The run; not to be changed."""
    return unpacked(tmp_path_factory.mktemp("old"))


def folder_of(run, condition, replicate, index):
    return run / condition / f"replicate_{replicate:03d}" / f"level_{index:03d}"


def record_of(run, *level):
    return json.loads((folder_of(run, *level) / "level.json").read_text())


def exit_status(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return exit_.value.code


def test_its_recipe_is_the_one_beside_it_with_the_same_hashes(old):
    recipe = load_recipe(DATA / "recipe.toml")
    assert open_run(old).recipe == recipe
    assert default_path(recipe).name == "version-0-1-4c850f7c"
    assert recipe.identity().startswith("955eb94b")


def test_every_file_is_whole_and_status_says_where_it_is(old, capsys):
    problems, replicates = check_run(RunDirectory.open(old))
    assert problems == []
    assert {(health.condition, health.replicate): health.num_stored for health in replicates} == LEVELS
    assert [health.problems for health in replicates] == [()] * 4
    assert [health.is_finished for health in replicates] == [True, True, True, False]
    assert replicates[-1].remedy == "train from level 1 on"
    state = run_state(RunDirectory.open(old))
    assert state.state == "stopped"
    assert {(each.condition, each.replicate): each.num_levels for each in state.replicates} == LEVELS
    assert {each.levels_expected for each in state.replicates} == {3}
    assert state.seconds_left > 0
    assert exit_status("status", old) == 0
    words = capsys.readouterr().out
    assert "stopped" in words
    assert "10 of 12" in words


def test_the_frame_holds_the_numbers_of_the_records(old):
    frame = open_run(old).frame()
    found = {
        (row.condition, row.replicate, row.level, row.layer, row.quantity): row.value
        for row in frame.itertuples()
    }
    expected = {}
    for level in STORED:
        record = record_of(old, *level)
        curve = record["curve"]
        expected[*level, "network", "test_accuracy"] = curve["test_accuracy"][-1]
        expected[*level, "network", "best_test_accuracy"] = max(curve["test_accuracy"])
        expected[*level, "network", "test_loss"] = curve["test_loss"][-1]
        expected[*level, "network", "connected_units"] = record["connectivity"]["num_connected"]
        for layer, quantities in record["measures"].items():
            for name, entry in quantities.items():
                if not entry["dims"]:
                    expected[*level, layer, name] = math.nan if entry["value"] is None else entry["value"]
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(list(found.values()), [expected[key] for key in found])
    assert {"locality.near", "gaussianity.excess_kurtosis", "cavity.delta_kurtosis_kept"} <= set(
        frame["quantity"]
    )


@pytest.mark.parametrize("level", STORED, ids=str)
def test_a_level_holds_the_masks_and_weights_of_its_files(old, level):
    folder, record = folder_of(old, *level), record_of(old, *level)
    stored = open_run(old).level(*level)
    packed, values = load_file(folder / "masks.safetensors"), load_file(folder / "weights.safetensors")
    name, shape = "linear_0.weight", (8, 16)
    assert record["mask_shapes"] == {name: list(shape)}
    for kind, masks in (("masks", stored.masks), ("next_masks", stored.next_masks)):
        bits = np.unpackbits(packed[f"{kind}/{name}"])[: math.prod(shape)].reshape(shape)
        np.testing.assert_array_equal(masks[name].numpy(), bits.astype(bool))
    kept = stored.masks[name].numpy()
    assert kept.sum() == record["num_kept"] == 128 // 2 ** level[2]
    for key, value in stored.final.items():
        value = value.numpy()
        if key == name:
            assert not value[~kept].any()
            value = value[kept]
        np.testing.assert_array_equal(value, values[f"final/{key}"])
    for state in ("initial", "rewind"):
        tensors = getattr(stored, state)
        assert (tensors is None) == (level[2] > 0)
        for key, value in (tensors or {}).items():
            np.testing.assert_array_equal(value.numpy(), values[f"{state}/{key}"])


def test_the_dataset_holds_the_arrays_of_the_files(old):
    opened = open_run(old)
    dataset = opened.dataset(maps=True)
    num_checked = 0
    for condition, replicate, index in STORED:
        level = (condition, replicate, index)
        arrays = load_file(folder_of(old, *level) / "measures.safetensors")
        kept = opened.level(*level).masks["linear_0.weight"].numpy()
        here = dataset.sel(condition=condition, replicate=replicate, level=index)
        for key, array in arrays.items():
            layer, _, name = key.partition("/")
            assert layer == "linear_0"
            value = here[name].to_numpy()
            if dataset[name].dims[3:] == ("unit", "input"):
                assert not value[~kept].any()
                value = value[kept]
            np.testing.assert_array_equal(value, array.astype(float))
            num_checked += 1
    assert num_checked > 100
    unborn = dataset.sel(condition="random", replicate=1, level=2)
    assert np.isnan(unborn["cavity.delta_kurtosis"]).all()


def test_the_checkpoint_is_read(old):
    checkpoint = read_checkpoint(old / "random" / "replicate_001")
    assert (checkpoint.level, checkpoint.facts["step"]) == (1, 26)
    assert checkpoint.rewind


def test_run_continues_it_from_the_checkpoint_and_report_shows_it(tmp_path, capsys):
    run = unpacked(tmp_path)
    before = {level: record_of(run, *level) for level in STORED}
    rows = read_checkpoint(run / "random" / "replicate_001").facts["curve"]
    assert exit_status("report", run) == 0
    assert "Unfinished: random, replicate 1" in (run / "report.html").read_text()
    assert exit_status("run", DATA / "recipe.toml", "--out", run, "--jobs", 1) == 0
    assert not (run / "random" / "replicate_001" / "checkpoint.safetensors").exists()
    assert {level: record_of(run, *level) for level in STORED} == before
    health = check_run(RunDirectory.open(run))
    assert health[0] == []
    assert all(each.is_finished and each.num_stored == 3 for each in health[1])
    curve = record_of(run, "random", 1, 1)["curve"]
    assert curve["step"][-1] == 40
    for column, values in rows.items():
        assert curve[column][: len(values)] == values
    assert "Unfinished" not in (run / "report.html").read_text()
    assert str(run / "report.html") in capsys.readouterr().out.replace("\n", "")


def test_measuring_it_again_changes_only_the_measures(tmp_path):
    run = unpacked(tmp_path)
    before = {level: record_of(run, *level) for level in STORED}
    assert exit_status("measure", run, "--instruments", "locality") == 0
    for level in STORED:
        after = record_of(run, *level)
        assert list(after) == list(before[level])
        changed = {key for key in after if after[key] != before[level][key]}
        assert changed <= {"measures", "files", "sha256"}
        # Names of earlier versions stay; later versions measure more.
        assert after["measures"]["linear_0"].keys() >= before[level]["measures"]["linear_0"].keys()
