"""The study of ensembles: what its claim reads."""

import numpy as np
import pytest

from sparsight.recipe import load_recipe
from sparsight.reproduce._ensemble_results import with_ensembles
from sparsight.reproduce._study import data_sets_of, load_study, results_of
from sparsight.run import ensembles, run_recipe
from sparsight.store import open_run
from sparsight.store._run_directory import FAILURE
from tests.short_runs import PLANE

_SHORT = ["measure.instruments=[]", "measure.num_samples=60", "training.steps=10", "data.seed=2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "run"
    run_recipe(load_recipe(PLANE, [*_SHORT, "replicates=4", "pruning.max_levels=1"]), path, jobs=1)
    return open_run(path)


def test_means_of_the_results_are_those_of_all_ensembles(run):
    results, table = with_ensembles(results_of(run), run), ensembles(run)
    for row in table[table["ensemble"] == "tickets"].to_dict("records"):
        here = results[f"ensemble.{row['quantity']}"].sel(condition=row["condition"], level=row["level"])
        assert float(here.mean()) == pytest.approx(row["mean"])
    assert "ensemble.temperature" not in results
    assert not np.isnan(results["ensemble.joint_gain"]).any()


def test_a_replicate_that_failed_has_no_value_and_the_others_keep_their_place(run):
    run.directory.note_failure("imp", 1, "its loss is NaN")
    try:
        found = with_ensembles(results_of(run), run)["ensemble.joint_gain"]
    finally:
        (run.directory.replicate("imp", 1) / FAILURE).unlink()
    assert np.isnan(found.sel(condition="imp")).all("level").values.tolist() == [False, True, False, False]


@pytest.mark.parametrize("scale", ["smoke", "laptop"])
def test_replicates_of_the_study_share_their_data(scale):
    recipe = load_study("ensemble", scale)
    assert recipe.condition("imp").data.seed == recipe.condition("random").data.seed == 23
    assert data_sets_of(recipe) == "one"


def test_fields_that_are_drawn_once_are_one_data_set():
    values = ["data.num_train=50", "data.num_test=50"]
    assert data_sets_of(load_recipe("nlgp-1d", values)) == "fresh each replicate"
    assert data_sets_of(load_recipe("nlgp-1d", [*values, "data.seed=1"])) == "one"
