"""A run that goes on with other data, versions, threads or kernels than before says so, or refuses."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from sparsight.data import task_digests
from sparsight.errors import InputError
from sparsight.recipe import load_recipe
from sparsight.run import _replicates, _same_run, measure_again, run_recipe
from sparsight.store import RunDirectory, check_run, made_with, open_run, write_sealed
from sparsight.store._run_directory import ENVIRONMENT, RECIPE
from sparsight.sweep import plan_sweep, run_sweep
from tests.run.run_digests import digests
from tests.short_runs import PLANE, SHORT
from tests.toy import linear_task


def write_data(path, **changes):
    task = linear_task(seed=3)
    names = ("train_inputs", "train_labels", "test_inputs", "test_labels")
    arrays = {name: getattr(task, name).copy() for name in names}
    for name, change in changes.items():
        change(arrays[name])
    np.savez(path, **arrays)


def one_pixel(inputs):
    inputs[7, 0, 3] += 0.5


def one_label(labels):
    labels[11] = 1 - labels[11]


CHANGES = {
    "a pixel to train on": {"train_inputs": one_pixel},
    "a label to train on": {"train_labels": one_label},
    "a pixel to measure on": {"test_inputs": one_pixel},
    "a label to measure on": {"test_labels": one_label},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("same")
    write_data(folder / "data.npz")
    run_recipe(recipe(folder), folder / "run", jobs=1)
    return folder


@pytest.fixture
def unfinished(made, tmp_path):
    """The run, of which the last level of each condition is not there yet, and its data."""
    shutil.copytree(made / "run", tmp_path / "run")
    for level in (tmp_path / "run").glob("*/*/level_002"):
        shutil.rmtree(level)
    (made / "data.npz").touch()
    yield tmp_path / "run"
    write_data(made / "data.npz")


def recipe(folder, *overrides):
    return load_recipe(PLANE, [f"data={{source='npz', path='{folder / 'data.npz'}'}}", *SHORT, *overrides])


def contents(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file() and file.name[0] != "."}


def test_a_level_says_what_it_was_made_with(made):
    directory = RunDirectory.open(made / "run")
    facts = directory.task_facts("imp", 0)
    assert facts["data"] == task_digests(open_run(made / "run").task("imp", 0))
    assert (facts["condition"], facts["replicate"]) == ("imp", 0)
    for record in directory.records("imp", 0):
        assert record.made_with == made_with()
        assert record.identity["settings"]["training"]["steps"] == 30
        assert len(record.data) == 64


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_data_are_refused_and_nothing_is_written(made, unfinished, change):
    before = contents(unfinished)
    then = task_digests(open_run(unfinished).task("imp", 0))
    write_data(made / "data.npz", **change)
    now = task_digests(open_run(unfinished).task("imp", 0))
    with pytest.raises(InputError, match="was begun with other data") as refusal:
        run_recipe(recipe(made), unfinished, jobs=1)
    for name in change:
        assert f"{name} {then[name][:12]} then, {now[name][:12]} now" in str(refusal.value)
    with pytest.raises(InputError, match="was begun with other data"):
        measure_again(RunDirectory.open(unfinished))
    after = contents(unfinished)
    assert {file for file in after if after[file] != before.get(file)} <= {unfinished / "placement.json"}


def test_data_of_another_shape_are_refused_in_the_same_words(made, unfinished):
    task = linear_task(num_inputs=30, seed=3)
    names = ("train_inputs", "train_labels", "test_inputs", "test_labels")
    np.savez(made / "data.npz", **{name: getattr(task, name) for name in names})
    with pytest.raises(InputError, match="was begun with other data"):
        run_recipe(recipe(made), unfinished, jobs=1)


def test_the_same_data_under_another_date_are_the_same(made, unfinished):
    write_data(made / "data.npz")
    before = digests(made / "run")
    run_recipe(recipe(made), unfinished, jobs=1)
    assert digests(unfinished) == before


def test_accepted_data_are_recorded_and_the_report_says_so(made, unfinished, caplog):
    write_data(made / "data.npz", train_labels=one_label)
    assert not any("other data" in each for each in caveats_of(unfinished))
    run_recipe(recipe(made), unfinished, jobs=1, accept_changes=True)
    assert "goes on with other data" in caplog.text
    facts = RunDirectory.open(unfinished).task_facts("imp", 0)
    assert facts["later_data"][0]["level"] == 2
    assert facts["later_data"][0]["digests"]["train_labels"] != facts["data"]["train_labels"]
    records = RunDirectory.open(unfinished).records("imp", 0)
    assert records[0].data == records[1].data != records[2].data
    assert any("goes on with other data from level 2 on" in each for each in caveats_of(unfinished))
    # What was accepted is what is compared with from then on.
    run_recipe(recipe(made), unfinished, jobs=1)
    write_data(made / "data.npz")
    with pytest.raises(InputError, match="was begun with other data"):
        run_recipe(recipe(made), unfinished, jobs=1)


def test_a_replicate_that_has_not_begun_takes_the_data_that_are_there(made, unfinished):
    for level in unfinished.glob("*/*/level_*"):
        shutil.rmtree(level)
    write_data(made / "data.npz", train_labels=one_label)
    run_recipe(recipe(made), unfinished, jobs=1)
    assert check_run(RunDirectory.open(unfinished))[0] == []


def test_a_sweep_refuses_other_data_case_by_case(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / "own.npz")
    (tmp_path / "sweep.toml").write_text(
        f"recipe = '{PLANE}'\nreplicates = 1\n[grid]\npruning.rate = [0.3]\n[fixed]\n"
        "data = {source = 'npz', path = 'own.npz'}\nmeasure.instruments = ['locality']\n"
        "pruning.max_levels = 1\n"
    )
    assert {each.end for each in run_sweep(plan_sweep(Path("sweep.toml")), jobs=1)} == {"finished"}
    for level in tmp_path.rglob("level_001"):
        shutil.rmtree(level)
    write_data(tmp_path / "own.npz", test_labels=one_label)
    outcomes = run_sweep(plan_sweep(Path("sweep.toml")), jobs=1)
    assert {each.end for each in outcomes} == {"error"}
    assert all("was begun with other data" in each.message for each in outcomes)
    outcomes = run_sweep(plan_sweep(Path("sweep.toml")), jobs=1, accept_changes=True)
    assert {each.end for each in outcomes} == {"finished"}


def other_versions(**changes):
    facts = made_with()
    return facts | {"packages": facts["packages"] | changes}


def test_other_versions_are_said_at_once_and_recorded(made, unfinished, monkeypatch, caplog):
    other = other_versions(torch="9.9.9")
    monkeypatch.setattr(_same_run, "made_with", lambda: other)
    monkeypatch.setattr(_replicates, "made_with", lambda: other)
    run_recipe(recipe(made), unfinished, jobs=1)
    assert f"torch 9.9.9 instead of {made_with()['packages']['torch']}" in caplog.text
    assert "up to rounding only" in caplog.text
    directory = RunDirectory.open(unfinished)
    assert directory.environment()["packages"] == made_with()["packages"]  # that of the first levels
    assert [entry["torch"] for entry in directory.environment()["later"]] == ["9.9.9"]
    versions = [record.made_with["packages"]["torch"] for record in directory.records("imp", 0)]
    assert versions == [made_with()["packages"]["torch"]] * 2 + ["9.9.9"]
    assert any("different versions" in each for each in caveats_of(unfinished))


@pytest.mark.parametrize("change", [{"cpu": "another"}, {"python": "3.99.0"}, {"cuda": "a GPU"}])
def test_so_is_another_machine(made, unfinished, monkeypatch, caplog, change):
    monkeypatch.setattr(_same_run, "made_with", lambda: made_with() | change)
    run_recipe(recipe(made), unfinished, jobs=1)
    (name,) = change
    assert f"{name} {change[name]} instead of {made_with()[name]}" in caplog.text


def test_other_threads_are_said_and_the_same_are_not(made, unfinished, caplog):
    with caplog.at_level(logging.WARNING):
        placement = RunDirectory.open(unfinished).placement()
        RunDirectory.open(unfinished).note_placement(placement | {"threads": placement["threads"] + 3})
        run_recipe(recipe(made), unfinished, jobs=1)
    assert f"threads {placement['threads']} instead of {placement['threads'] + 3}" in caplog.text


def test_nothing_is_said_if_nothing_changed_or_nothing_is_left(made, unfinished, monkeypatch, caplog):
    run_recipe(recipe(made), unfinished, jobs=1)
    assert caplog.text == ""
    monkeypatch.setattr(_same_run, "made_with", lambda: other_versions(torch="9.9.9"))
    run_recipe(recipe(made), unfinished, jobs=1)
    assert caplog.text == ""


def test_other_random_numbers_are_refused_unless_accepted(made, unfinished, monkeypatch):
    other = other_versions(numpy="9.0.0") | {"streams": "0" * 64}
    monkeypatch.setattr(_same_run, "made_with", lambda: other)
    monkeypatch.setattr(_replicates, "made_with", lambda: other)
    with pytest.raises(InputError, match=r"draw other numbers .*numpy 9.0.0 instead of"):
        run_recipe(recipe(made), unfinished, jobs=1)
    run_recipe(recipe(made), unfinished, jobs=1, accept_changes=True)
    assert any("draw other numbers" in each for each in caveats_of(unfinished))


def test_crossovers_that_were_measured_again_are_said(made, unfinished, caplog):
    directory = RunDirectory.open(unfinished)
    page = unfinished / "imp" / "replicate_000" / "level_001" / "level.json"
    content = json.loads(page.read_text()) | {"crossovers": {"12x24": 0.25}}
    write_sealed(page, content)
    _same_run.say_other_crossovers(directory, "imp", 0, {"12x24": 0.25})
    assert caplog.text == ""
    _same_run.say_other_crossovers(directory, "imp", 0, {"12x24": 0.177})
    assert "12x24 0.177 instead of 0.25" in caplog.text


@pytest.mark.parametrize("environment", ["missing", "damaged"])
def test_an_edited_recipe_is_refused_even_if_the_environment_cannot_vouch(made, unfinished, environment):
    path = unfinished / ENVIRONMENT
    path.unlink() if environment == "missing" else path.write_text("{")
    assert any(str(path) in problem for problem in check_run(RunDirectory.open(unfinished))[0])
    text = (unfinished / RECIPE).read_text()
    (unfinished / RECIPE).write_text(text.replace("steps = 30", "steps = 31"))
    with pytest.raises(InputError, match="begun with other .*training.steps is 30 there and 31 here"):
        run_recipe(recipe(made, "training.steps=31"), unfinished, jobs=1)
    with pytest.raises(InputError, match="begun with other settings"):
        measure_again(RunDirectory.open(unfinished))
    for facts in unfinished.rglob("task.json"):
        facts.unlink()  # the levels still say so
    with pytest.raises(InputError, match="begun with other settings"):
        run_recipe(recipe(made, "training.steps=31"), unfinished, jobs=1)
    (unfinished / RECIPE).write_text(text)
    run_recipe(recipe(made), unfinished, jobs=1)
    assert check_run(RunDirectory.open(unfinished))[0] == []


def caveats_of(path):
    from sparsight.report._caveats import caveats
    from sparsight.report._subjects import Summaries

    return caveats(Summaries(open_run(path)))
