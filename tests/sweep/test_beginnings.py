"""A sweep whose making was killed, or is made twice at once, goes on.

Source files: `sweep/_directory.py`, `store/_run_directory.py`.
"""

import shutil
import threading
from pathlib import Path

import pytest

from sparsight.errors import BusyError, InputError
from sparsight.recipe import load_recipe
from sparsight.store import RunDirectory, exclusive_writing
from sparsight.store._run_directory import ENVIRONMENT
from sparsight.sweep import plan_sweep
from sparsight.sweep._directory import SweepDirectory
from tests import toy  # noqa: F401 - registers the data source of plane.toml
from tests.short_runs import PLANE, SHORT


class Killed(BaseException):
    """Stands for SIGKILL: no code of ours catches it."""


def die(*_arguments, **_options):
    raise Killed


@pytest.fixture
def sweep_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PLANE, tmp_path)
    path = tmp_path / "rates.toml"
    path.write_text('recipe = "plane.toml"\n[grid]\npruning.rate = [0.2, 0.3, 0.5]\n')
    return path


PLACES = {
    "before the list": "sparsight.sweep._directory.write_sealed",
    "before the first case": "sparsight.sweep._directory.SweepDirectory._adopt",
    "before the recipe of a case": "sparsight.store._run_directory.tomli_w.dumps",
    "within a case": "sparsight.store._run_directory.write_atomically",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_sweep_that_was_killed_while_it_was_made_goes_on(monkeypatch, sweep_file, place):
    with monkeypatch.context() as patch:
        patch.setattr(PLACES[place], die)
        with pytest.raises(Killed):
            plan_sweep(sweep_file)
    folder = Path("sweeps/rates")
    folder.joinpath(".sweep.json.1-0123abcd.tmp").write_text("{")
    plan = plan_sweep(sweep_file)
    assert len(plan.directory.cases()) == 3
    assert len(plan.unfinished()) == 3 * 2 * 2


def test_a_case_that_was_begun_without_its_recipe_is_made_in_its_place(sweep_file):
    plan = plan_sweep(sweep_file)
    names = [case.name for case in plan.directory.cases()]
    shutil.rmtree("sweeps/rates/cases/" + names[1])
    Path("sweeps/rates/cases", names[1]).mkdir()
    Path("sweeps/rates/cases", names[1], ENVIRONMENT).write_text("{")
    assert [case.name for case in plan_sweep(sweep_file).directory.cases()] == names


def test_a_new_list_of_cases_is_known_before_its_first_case(monkeypatch, sweep_file):
    with monkeypatch.context() as patch:
        patch.setattr(SweepDirectory, "_adopt", die)
        with pytest.raises(Killed):
            plan_sweep(sweep_file)
    assert SweepDirectory.open("sweeps/rates").cases() == []


def test_the_second_of_two_sweeps_waits_for_the_first_to_make_its_cases(sweep_file):
    Path("sweeps/rates").mkdir(parents=True)
    holding, done = threading.Event(), threading.Event()

    def hold():
        with exclusive_writing(Path("sweeps/rates")):
            holding.set()
            done.wait(30)

    first = threading.Thread(target=hold)
    first.start()
    holding.wait(30)
    threading.Timer(0.3, done.set).start()
    assert len(plan_sweep(sweep_file).cases) == 3
    first.join()


def test_the_second_of_two_runs_is_told_of_the_first_and_removes_nothing_of_it(tmp_path):
    recipe = load_recipe(PLANE, SHORT)
    path = tmp_path / "run"
    path.mkdir()
    temporary = path / ".recipe.toml.1-0123abcd.tmp"
    with exclusive_writing(path):
        temporary.write_text("half")
        with pytest.raises(BusyError, match="is being written by process"):
            RunDirectory.create(recipe, path)
        assert temporary.exists()
    RunDirectory.create(recipe, path)
    assert not temporary.exists()


def test_a_folder_with_anything_else_is_still_refused(sweep_file):
    Path("sweeps/rates/cases").mkdir(parents=True)
    with pytest.raises(InputError, match="is not empty and holds no sweep"):
        plan_sweep(sweep_file)
