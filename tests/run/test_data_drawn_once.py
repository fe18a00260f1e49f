"""Runs whose replicates share one draw of the data: ``data.seed``."""

import shutil

import pytest
import torch

from sparsight.cli._app import run_app
from sparsight.errors import InputError
from sparsight.recipe import load_recipe
from sparsight.report import Summaries
from sparsight.report._caveats import caveats
from sparsight.run import run_recipe
from sparsight.run._same_run import data_digest
from sparsight.store import open_run
from tests.run.run_digests import digests
from tests.short_runs import PLANE

_SHORT = ("measure.instruments=['locality']", "measure.num_samples=40", "training.steps=10")


def recipe(*overrides):
    return load_recipe(PLANE, [*_SHORT, "data.seed=3", *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("once") / "run"
    run_recipe(recipe(), path, jobs=1)
    return path


def test_replicates_share_their_data_and_nothing_else_that_is_drawn(finished):
    run = open_run(finished)
    facts = [run.directory.task_facts("imp", replicate) for replicate in (0, 1)]
    assert data_digest(facts[0]) == data_digest(facts[1])
    assert [each["card"]["data_seed"] for each in facts] == [3, 3]
    first, second = (run.level("imp", replicate, 0).initial["linear_0.weight"] for replicate in (0, 1))
    assert not torch.equal(first, second)
    tasks = [run.task("imp", replicate) for replicate in (0, 1)]
    assert (tasks[0].test_inputs == tasks[1].test_inputs).all()


def test_check_and_show_know_the_run(finished, capsys):
    assert run_app(["check", str(finished)]) == 0
    assert run_app(["show", str(finished)]) == 0
    assert "data.seed" not in capsys.readouterr().err


def test_a_run_that_was_cut_short_goes_on_with_the_same_data(finished, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    shutil.rmtree(open_run(path).directory.level("imp", 1, 2))
    run_recipe(recipe(), path, jobs=1)
    assert digests(path) == digests(finished)


def test_another_seed_of_the_data_is_another_run(finished, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    with pytest.raises(InputError, match="another recipe"):
        run_recipe(recipe("data.seed=4"), path, jobs=1)


def test_the_report_says_what_intervals_leave_out(finished):
    sentences = [each for each in caveats(Summaries(open_run(finished))) if "data.seed" in each]
    assert len(sentences) == 1
    assert "imp, random share one draw" in sentences[0]


def test_the_table_of_a_source_names_the_seed_that_was_used(capsys):
    assert run_app(["data", "plane", "--set", "seed=5", "--seed", "9"]) == 0
    assert "seed 5" in capsys.readouterr().out
