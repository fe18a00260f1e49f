"""Runs and sweeps from somebody else, with links planted where commands write: nothing leaves the folder."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from sparsight.cli import main
from sparsight.run import Execution
from sparsight.store import open_run
from sparsight.sweep import CaseReplicate, open_sweep, plan_sweep, run_sweep, write_results
from sparsight.sweep._replicate import run_replicate
from tests import toy

PLANE = Path(__file__).parents[1] / "plane.toml"


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    return ended.value.code, capsys.readouterr()


@pytest.fixture(scope="module")
def made_sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(PLANE, folder)
    (folder / "rates.toml").write_text(
        'recipe = "plane.toml"\nreplicates = 1\n[grid]\npruning.rate = [0.2, 0.3]\nseed = [1, 2]\n'
        "[fixed]\nmeasure.instruments = ['locality']\npruning.max_levels = 1\ntraining.steps = 20\n"
    )
    run_sweep(plan_sweep(folder / "rates.toml", folder / "sweep"), jobs=1)
    return folder / "sweep"


@pytest.fixture
def sweep(made_sweep, tmp_path):
    shutil.copytree(made_sweep, tmp_path / "sweep")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".profile").write_text("mine")
    return tmp_path / "sweep"


@pytest.fixture
def run(short_run, tmp_path):
    shutil.copytree(short_run, tmp_path / "run")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".profile").write_text("mine")
    return tmp_path / "run"


def untouched(folder):
    home = folder.parent / "home"
    return [path.name for path in home.iterdir()] == [".profile"] and (
        home / ".profile"
    ).read_text() == "mine"


SWEEP_COMMANDS = {
    "results.csv": ("sweep", "collect"),
    "test_accuracy.png": ("sweep", "draw", "pruning.rate", "seed"),
}


@pytest.mark.parametrize("target", ["../home/.profile", "../home/new"])
@pytest.mark.parametrize("name", SWEEP_COMMANDS)
def test_a_planted_link_in_a_sweep_is_replaced_and_not_followed(sweep, capsys, name, target):
    (sweep / name).symlink_to(target)
    group, command, *fields = SWEEP_COMMANDS[name]
    assert call(capsys, group, command, sweep, *fields)[0] == 0
    assert untouched(sweep)
    assert not (sweep / name).is_symlink()
    assert (sweep / name).stat().st_size > 100


@pytest.mark.parametrize("name", SWEEP_COMMANDS)
def test_a_second_name_of_a_users_file_keeps_its_content(sweep, capsys, name):
    os.link(sweep.parent / "home" / ".profile", sweep / name)
    group, command, *fields = SWEEP_COMMANDS[name]
    assert call(capsys, group, command, sweep, *fields)[0] == 0
    assert untouched(sweep)
    assert (sweep / name).stat().st_size > 100


@pytest.mark.parametrize("deep", [False, True])
def test_linked_cases_are_not_run_into(sweep, made_sweep, capsys, deep):
    """`cases`, or one case, leads to somebody else's runs: planning writes into every case."""
    elsewhere = sweep.parent / "elsewhere"
    place = next((sweep / "cases").iterdir()) if deep else sweep / "cases"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    status, said = call(
        capsys, "sweep", "run", made_sweep.parent / "rates.toml", "--out", sweep, "--plugin", toy.__file__
    )
    assert status == 2
    assert "is a link" in said.err
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before


def test_the_traceback_of_a_replicate_is_not_written_through_a_link(sweep):
    case = next(iter(open_sweep(sweep).runs()))
    folder = sweep / "cases" / case / "imp" / "replicate_000"
    (folder / "error.txt").symlink_to("../../../../../home/new")
    execution = Execution(threads=1, stop_request=sweep / ".stop")
    outcome = run_replicate(sweep, execution, CaseReplicate(case, "imp", 0))
    assert outcome.end == "error"
    assert "is a link" in outcome.message
    assert untouched(sweep)


@pytest.mark.parametrize("name", ["../elsewhere", "..", "/etc", "a/b", ""])
def test_a_case_is_a_folder_under_cases(sweep, name):
    with pytest.raises(ValueError, match="no name of a folder"):
        open_sweep(sweep).directory.case(name)


RUN_COMMANDS = {
    "report.html": ("report",),
    "figures": ("figures", "--format", "svg"),
    "figures/captions.md": ("figures", "--format", "svg"),
    "movie-imp-weights.gif": ("movie",),
}


@pytest.mark.parametrize("target", ["home", "home/.profile"])
@pytest.mark.parametrize("name", RUN_COMMANDS)
def test_a_planted_link_in_a_run_is_not_followed(run, capsys, name, target):
    first = open_run(run).recipe.condition_names()[0]
    name = name.replace("imp", first)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(run.parent / target)
    command, *options = RUN_COMMANDS[name.replace(first, "imp")]
    status, said = call(capsys, command, run, *options)
    assert untouched(run)
    if (run / name).is_symlink():  # a linked folder is refused, a linked file is replaced
        assert status == 2
        assert f"{run / name} is a link" in said.err
    else:
        assert status == 0
        assert (run / name).is_file()


@pytest.mark.parametrize("log", [[], ["--log", "tensorboard"]])
@pytest.mark.parametrize("name", ["tensorboard", ".lock", ".writer.json", "placement.json"])
def test_a_planted_link_stops_a_run(run, capsys, name, log):
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(run.parent / "home" / "new")
    status, said = call(capsys, "run", run / "recipe.toml", "--out", run, *log)
    assert status == 2
    assert "is a link" in said.err
    assert untouched(run)


def test_a_place_that_the_user_names_may_be_a_link(run, capsys):
    (run.parent / "www").symlink_to("home")
    assert call(capsys, "report", run, "--out", run.parent / "www" / "page.html")[0] == 0
    assert (run.parent / "home" / "page.html").exists()


def test_cells_that_a_spreadsheet_would_calculate_are_quoted_and_numbers_are_not(sweep, monkeypatch):
    opened = open_sweep(sweep)
    frame = pd.DataFrame(
        {
            "case": ["=1+1", "+a", "-a", "@x", "\tx", "a=b"],
            "=field": ["-0.5", "+3", "-1e-3", "-", "--1", ""],
            "value": [-0.5, -1.0, 2.0, float("nan"), -1e-300, 0.0],
        }
    )
    monkeypatch.setattr(opened, "frame", lambda: frame.copy())
    again = pd.read_csv(
        write_results(opened), keep_default_na=False, na_values={"value": [""]}, dtype={"'=field": str}
    )
    assert list(again.columns) == ["case", "'=field", "value"]
    assert list(again["case"]) == ["'=1+1", "'+a", "'-a", "'@x", "'\tx", "a=b"]
    assert list(again["'=field"]) == ["-0.5", "+3", "-1e-3", "'-", "'--1", ""]
    pd.testing.assert_series_equal(again["value"], frame["value"])


def test_results_are_those_of_the_frame(sweep):
    opened = open_sweep(sweep)
    again = pd.read_csv(write_results(opened))
    frame = opened.frame()
    assert list(again.columns) == list(frame.columns)
    assert list(again["value"]) == pytest.approx(list(frame["value"]), nan_ok=True)
