import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsight.errors import BusyError, InputError, NewerFormatError
from sparsight.recipe import load_recipe
from sparsight.run import measure_again, run_recipe
from sparsight.store import RunDirectory, open_run
from sparsight.store._level_files import MASKS, MEASURES, WEIGHTS, check_level
from sparsight.store._sealed_json import FORMAT_VERSION
from tests import toy
from tests.run.run_digests import digests

PLANE = Path(__file__).parents[1] / "plane.toml"
PLUGIN = Path(toy.__file__)


def recipe(*overrides):
    return load_recipe(PLANE, overrides)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "plane"
    run_recipe(recipe(), path, jobs=1)
    return path


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_leaves_behind_what_the_design_says(finished):
    opened = open_run(finished)
    assert opened.recipe == recipe()
    assert set(opened.directory.environment()) >= {"python", "packages", "platform", "revision"}
    for condition, replicate in opened.directory.replicates():
        assert opened.directory.num_levels(condition, replicate) == 3
        for index in range(3):
            folder = opened.directory.level(condition, replicate, index)
            assert {file.name for file in folder.iterdir()} == {WEIGHTS, MASKS, MEASURES, "level.json"}
            assert check_level(folder) == {}
    assert not [file for file in finished.rglob("*") if file.suffix in (".pkl", ".pt", ".tmp")]


def test_stored_levels_come_back_with_zeros_under_the_mask(finished):
    opened = open_run(finished)
    level = opened.level("imp", 0, 2)
    name = "linear_0.weight"
    assert int(level.masks[name].sum()) == level.record.num_kept == 142
    assert not level.final[name][~level.masks[name]].any()
    first = opened.level("imp", 0, 0)
    assert set(first.initial) == set(first.final) == set(first.rewind)
    assert torch.equal(first.next_masks[name], opened.level("imp", 0, 1).masks[name])


def test_conditions_share_everything_until_they_differ(finished):
    opened = open_run(finished)
    imp, random = opened.level("imp", 1, 0), opened.level("random", 1, 0)
    assert all(torch.equal(imp.final[name], random.final[name]) for name in imp.final)
    assert not torch.equal(imp.next_masks["linear_0.weight"], random.next_masks["linear_0.weight"])
    assert not torch.equal(imp.final["linear_0.weight"], opened.level("imp", 0, 0).final["linear_0.weight"])


def test_workers_compute_the_same_as_one_process(finished, tmp_path):
    announced = []
    torch.set_num_threads(1)
    run_recipe(
        recipe(),
        tmp_path / "run",
        jobs=2,
        plugins=[PLUGIN],
        on_level=lambda _, *level: announced.append(level),
    )
    assert digests(tmp_path / "run").keys() == digests(finished).keys()
    ours, theirs = open_run(tmp_path / "run"), open_run(finished)
    for unit in ours.directory.replicates():
        mine, other = ours.level(*unit, 2), theirs.level(*unit, 2)
        for name in mine.final:
            torch.testing.assert_close(mine.final[name], other.final[name], rtol=1e-4, atol=1e-5)
    assert sorted(announced) == sorted(
        (condition, replicate, level)
        for condition, replicate in ours.directory.replicates()
        for level in range(3)
    )


def test_running_again_changes_nothing(copied):
    before = digests(copied)
    announced = []
    run_recipe(recipe(), copied, jobs=1, on_level=lambda _, *level: announced.append(level))
    assert digests(copied) == before
    assert announced == []


@pytest.mark.parametrize("lost", ["level_002", "level_001", "level_000"])
def test_lost_levels_are_computed_again_bit_for_bit(copied, lost):
    before = digests(copied)
    for folder in copied.rglob("level_*"):
        if folder.name >= lost:
            shutil.rmtree(folder)
    run_recipe(recipe(), copied, jobs=1)
    assert digests(copied) == before


def test_measuring_again_gives_the_same_and_keeps_other_instruments(copied):
    before = digests(copied)
    measure_again(RunDirectory.open(copied), ["locality"])
    assert {name: digest for name, digest in digests(copied).items() if name.endswith("safetensors")} == {
        name: digest for name, digest in before.items() if name.endswith("safetensors")
    }


def test_frame_is_tidy_and_agrees_with_the_pages(finished):
    opened = open_run(finished)
    frame = opened.frame()
    page = opened.directory.records("random", 1)[2]
    chosen = frame[(frame.condition == "random") & (frame.replicate == 1) & (frame.level == 2)]
    values = chosen.set_index(["layer", "quantity"])["value"]
    assert values["network", "test_accuracy"] == page.curve.test_accuracy[-1]
    near = page.measures["linear_0"]["locality.near"].value
    assert values["linear_0", "locality.near"] == near
    assert not chosen.duplicated(["layer", "quantity"]).any()


def test_dataset_is_labelled_with_definitions(finished):
    opened = open_run(finished)
    dataset = opened.dataset()
    assert dict(dataset.sizes) | {"condition": 2, "replicate": 2, "level": 3, "unit": 12} == dict(
        dataset.sizes
    )
    kurtosis = dataset["gaussianity.excess_kurtosis_per_unit"]
    stored = opened.measures("imp", 1, 2)["linear_0"]["gaussianity.excess_kurtosis_per_unit"].value
    np.testing.assert_array_equal(kurtosis.sel(condition="imp", replicate=1, level=2), stored)
    assert kurtosis.attrs["definition"]
    maps = opened.dataset(maps=True)["cavity.delta_kurtosis"]
    assert maps.sizes["input"] == 24
    mask = opened.level("imp", 0, 2).masks["linear_0.weight"].numpy()
    assert not maps.sel(condition="imp", replicate=0, level=2).values[~mask].any()
    with pytest.raises(InputError, match="'linear_9' was not measured; there are linear_0"):
        opened.dataset("linear_9")


def test_cavity_after_retraining_is_later_minus_earlier_of_the_weights_that_stay(finished):
    opened = open_run(finished)
    found = opened.cavity_after_retraining("imp", 0, 1)
    before, after = (opened.measures("imp", 0, level)["linear_0"] for level in (1, 2))
    kept = opened.level("imp", 0, 2).masks["linear_0.weight"].numpy()
    for name in ("delta_kurtosis", "delta_abs_kurtosis"):
        change = after[f"cavity.{name}"].value - before[f"cavity.{name}"].value
        np.testing.assert_allclose(getattr(found, name)[kept], change[kept], atol=1e-6)
        assert np.isnan(getattr(found, name)[~kept]).all()
    of_units = (each["cavity.excess_kurtosis_per_unit"].value for each in (after, before))
    np.testing.assert_array_equal(found.excess_kurtosis, np.subtract(*of_units))
    with pytest.raises(InputError):
        opened.cavity_after_retraining("imp", 0, 2)


def test_a_diverged_replicate_is_missing_and_the_others_go_on(tmp_path):
    diverging = recipe(
        "conditions.random.training.learning_rate=1e30", "training.loss=mse", "pruning.max_levels=1"
    )
    directory = run_recipe(diverging, tmp_path / "run", jobs=1)
    assert set(directory.failures()) == {("random", 0), ("random", 1)}
    assert "lower training.learning_rate" in directory.failures()["random", 0]
    assert [directory.num_levels("imp", replicate) for replicate in (0, 1)] == [2, 2]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["device=cuda:7"], r"this machine has \d+ CUDA devices"),
        (["pruning.rewind=step:30"], "choose K below 30"),
        (["training.batch_size=4000"], "choose a smaller batch"),
        (["network.widths=[100000000000]"], "make the network narrower"),
        (["pruning.rate=0.01", "pruning.max_levels=2000"], "cannot be reached"),
    ],
)
def test_what_cannot_run_here_is_refused_before_anything_is_written(tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        run_recipe(recipe(*overrides), tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()


def test_a_directory_of_another_recipe_is_left_untouched(copied):
    before = digests(copied)
    with pytest.raises(InputError, match="was made by another recipe"):
        run_recipe(recipe("seed=8"), copied, jobs=1)
    assert digests(copied) == before


def test_a_folder_with_other_files_is_left_untouched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and holds no run"):
        run_recipe(recipe(), tmp_path, jobs=1)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_output_path_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        run_recipe(recipe(), tmp_path / "file" / "run", jobs=1)


def test_the_second_writer_is_told_who_writes(copied):
    directory = RunDirectory.open(copied)
    with (
        directory.writing(),
        pytest.raises(BusyError, match=r"is being written by process \d+ on "),
        RunDirectory.open(copied).writing(),
    ):
        pass


def test_a_newer_format_is_refused_with_the_version(copied):
    page = copied / "imp" / "replicate_000" / "level_000" / "level.json"
    content = json.loads(page.read_text())
    page.write_text(json.dumps(content | {"format_version": 99}))
    with pytest.raises(NewerFormatError, match=f"has format 99; this sparsight reads up to {FORMAT_VERSION}"):
        open_run(copied).level("imp", 0, 0)


def test_a_plugin_that_fails_is_named(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("1 / 0")
    with pytest.raises(InputError, match=r"plugin .*bad.py failed: ZeroDivisionError"):
        run_recipe(recipe(), tmp_path / "run", jobs=1, plugins=[bad])
    with pytest.raises(InputError, match="is not a Python file"):
        run_recipe(recipe(), tmp_path / "run", jobs=1, plugins=[tmp_path / "absent.py"])
