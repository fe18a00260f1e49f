import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sparsight.errors import BusyError, InputError
from sparsight.run import run_recipe
from sparsight.store import open_run
from sparsight.sweep import CaseReplicate, open_sweep, plan_sweep, run_sweep
from sparsight.sweep._directory import SweepDirectory
from tests import toy
from tests.run.run_digests import digests

PLANE = Path(__file__).parents[1] / "plane.toml"
PLUGIN = Path(toy.__file__)
FIXED = "[fixed]\nmeasure.instruments = ['locality']\npruning.max_levels = 1\n"


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PLANE, tmp_path)
    return tmp_path


def write(text, steps=30):
    path = Path("rates.toml")
    path.write_text(f'recipe = "plane.toml"\n{text}{FIXED}training.steps = {steps}\n')
    return path


def rates(*values, replicates=1):
    return write(f"replicates = {replicates}\n[grid]\npruning.rate = {list(values)}\n")


def worked_on(path, **options):
    outcomes = run_sweep(plan_sweep(path), jobs=1, **options)
    assert {outcome.end for outcome in outcomes} <= {"finished"}
    return {
        (each.case.partition("-")[2][:8], each.condition, each.replicate)
        for each in (outcome.replicate for outcome in outcomes)
    }


def test_every_replicate_is_run_once_and_new_values_alone_are_new(workplace):
    assert worked_on(rates(0.2, 0.3)) == {
        (f"rate-{rate}", condition, 0) for rate in (0.2, 0.3) for condition in ("imp", "random")
    }
    before = digests(workplace / "sweeps")
    assert worked_on(rates(0.2, 0.3)) == set()
    assert worked_on(rates(0.3, 0.5, 0.2)) == {("rate-0.5", "imp", 0), ("rate-0.5", "random", 0)}
    assert worked_on(rates(0.3, replicates=2)) == {("rate-0.3", "imp", 1), ("rate-0.3", "random", 1)}
    assert worked_on(rates(0.3, 0.2, replicates=1)) == set()
    after = digests(workplace / "sweeps")
    assert {name: after[name] for name in before} == before


def test_a_case_is_the_run_that_its_recipe_makes(workplace):
    worked_on(rates(0.2, replicates=2))
    (case,) = SweepDirectory.open("sweeps/rates").cases()
    run_recipe(case.directory.recipe, workplace / "alone", jobs=1)
    assert digests(case.directory.path) == digests(workplace / "alone")
    assert open_run(case.directory.path).recipe.pruning.rate == 0.2
    assert json.loads((case.directory.path / "placement.json").read_text())["jobs"] == 1


def test_nothing_is_written_before_every_case_is_valid(workplace):
    with pytest.raises(InputError, match=r"case pruning.rate = 1.5"):
        plan_sweep(rates(0.2, 1.5))
    with pytest.raises(InputError, match="choose a smaller batch"):
        plan_sweep(write("[grid]\ntraining.batch_size = [32, 4000]\n"))
    with pytest.raises(InputError, match=r"this machine has \d+ CUDA devices"):
        plan_sweep(write("[grid]\ndevice = ['cpu', 'cuda:63']\n"))
    assert not Path("sweeps").exists()
    plan_sweep(write("[grid]\ndevice = ['cpu', 'cuda:63']\n"), runs_here=False)


def test_a_folder_that_holds_something_else_is_left_alone(workplace):
    (workplace / "mine").mkdir()
    (workplace / "mine" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="is not empty and holds no sweep"):
        plan_sweep(rates(0.2), workplace / "mine")
    with pytest.raises(InputError, match="holds no sweep"):
        open_sweep(workplace / "mine")


def test_a_replicate_has_one_writer_and_a_run_none_beside_them(workplace):
    plan = plan_sweep(rates(0.2))
    (case,) = plan.directory.cases()
    busy = CaseReplicate(case.name, "imp", 0)
    with case.directory.writing_replicate("imp", 0):
        outcomes = {outcome.replicate: outcome for outcome in run_sweep(plan, jobs=1)}
        assert outcomes[busy].end == "busy"
        assert f"process {os.getpid()}" in outcomes[busy].message
        assert outcomes[CaseReplicate(case.name, "random", 0)].end == "finished"
        with pytest.raises(BusyError, match="replicate_000 is being written"), case.directory.writing():
            pass
    with case.directory.writing():
        assert run_sweep(plan, jobs=1)[0].end == "busy"
    assert [outcome.end for outcome in run_sweep(plan, jobs=1)] == ["finished"]


def test_an_error_in_one_replicate_leaves_the_others_alone(workplace):
    plan = plan_sweep(rates(0.2))
    (case,) = plan.directory.cases()
    (case.directory.path / "imp").write_text("no folder")
    outcomes = run_sweep(plan, jobs=1)
    assert sorted(outcome.end for outcome in outcomes) == ["error", "finished"]


def test_a_diverged_replicate_is_told_and_not_tried_again(workplace):
    path = write("[grid]\ntraining.learning_rate = [1e30]\n")
    outcomes = run_sweep(plan_sweep(path), jobs=1)
    assert {outcome.end for outcome in outcomes} == {"failed"}
    assert "lower training.learning_rate" in outcomes[0].message
    assert run_sweep(plan_sweep(path), jobs=1) == []


def test_results_carry_every_varied_field(workplace):
    text = "[grid]\npruning.rate = [0.2, 0.3]\n[zip]\nnetwork.widths = [[12], [8, 6]]\n"
    run_sweep(plan_sweep(write(text)), jobs=1)
    opened = open_sweep("sweeps/rates")
    frame = opened.frame()
    assert list(frame.columns[:4]) == ["case", "pruning.rate", "network.widths", "condition"]
    assert set(zip(frame["pruning.rate"], frame["network.widths"], strict=True)) == {
        (rate, widths) for rate in (0.2, 0.3) for widths in ("[12]", "[8, 6]")
    }
    arrays = opened.dataset()
    assert dict(arrays.sizes)["case"] == 4
    assert list(arrays["pruning.rate"].values) == [0.2, 0.2, 0.3, 0.3]
    assert arrays["locality.near"].attrs["definition"]
    square = arrays.set_index(case=opened.fields).unstack("case")
    for name, run_of_case in opened.runs().items():
        values = opened.values().loc[name]
        chosen = square.sel(
            {"pruning.rate": values["pruning.rate"], "network.widths": values["network.widths"]}
        )
        page = run_of_case.directory.records("random", 1)[1]
        there = chosen.sel(condition="random", replicate=1, level=1)
        assert float(there["test_accuracy"]) == page.curve.test_accuracy[-1]
        assert float(there["density"]) == page.density
        near = page.measures["linear_0"]["locality.near"].value
        np.testing.assert_equal(float(there["locality.near"]), near)


def test_an_unfinished_sweep_can_be_read(workplace):
    plan = plan_sweep(rates(0.2, 0.3))
    opened = open_sweep("sweeps/rates")
    assert len(opened.frame()) == 0
    with pytest.raises(InputError, match="holds no level yet"):
        opened.dataset()
    first = plan.directory.cases()[1]
    run_recipe(first.directory.recipe, first.directory.path, jobs=1)
    assert list(opened.dataset()["pruning.rate"].values) == [0.3]
    assert set(opened.frame()["case"]) == {first.name}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_stopped_goes_on_bit_for_bit(workplace, number):
    path = write("[grid]\npruning.rate = [0.2, 0.3]\n", steps=600).resolve()
    run_sweep(plan_sweep(path, Path("undisturbed")), jobs=1)
    command = [sys.executable, "-m", "sparsight.cli", "sweep", str(path), "--plugin", str(PLUGIN)]
    command += ["--jobs", "2", "--checkpoint-seconds", "0.1"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 180
        while not list(Path("sweeps").rglob("checkpoint.safetensors")):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        if number == signal.SIGTERM:
            process.terminate()
        else:
            os.killpg(process.pid, number)
        assert process.wait(timeout=120) == (143 if number == signal.SIGTERM else -number)
    states = SweepDirectory.open("sweeps/rates").states().values()
    assert set(states) & {"begun", "new"}
    run_sweep(plan_sweep(path), jobs=1)
    assert digests(workplace / "sweeps/rates/cases") == digests(workplace / "undisturbed/cases")
