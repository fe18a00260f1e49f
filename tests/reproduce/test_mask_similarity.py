"""Overlaps of masks as quantities of a study."""

import numpy as np
import pytest

from sparsight.measure import mask_overlap
from sparsight.reproduce import select_claims
from sparsight.reproduce._mask_similarity import with_mask_overlaps
from sparsight.reproduce._reproduction import Studies
from sparsight.reproduce._study import results_of
from sparsight.store import mask_overlaps
from tests.invented_runs import LOCALITY_ALONE


@pytest.fixture(scope="module")
def run(tmp_path_factory, store):
    return store(tmp_path_factory.mktemp("similar") / "run", replicates=3, measure=LOCALITY_ALONE)


def test_means_over_replicates_are_those_over_pairs_at_the_level_nearest_to_the_final_density(run):
    found = with_mask_overlaps(results_of(run), run)
    overlaps = mask_overlaps(run, level=3)  # density 0.125 is nearest to 0.047
    chosen = overlaps[
        (overlaps["between"] == "seeds")
        & (overlaps["condition"] == "imp")
        & (overlaps["null"] == "configuration")
    ]
    for name, matched in (("seeds", False), ("seeds_matched", True)):
        values = found[f"mask_overlap.{name}"].sel(condition="imp").to_numpy()
        assert np.isnan(values[:, :3]).all()
        mean = chosen.loc[chosen["matched"] == matched, "excess"].mean()
        assert values[:, 3].mean() == pytest.approx(mean)


def test_conditions_are_compared_with_the_reference_at_the_same_seed(run):
    found = with_mask_overlaps(results_of(run), run)["mask_overlap.with_reference"]
    assert np.isnan(found.sel(condition="imp")).all()
    for replicate in range(3):
        a, b = (
            run.level(condition, replicate, 3).masks["linear_0.weight"].numpy()
            for condition in ("imp", "random")
        )
        value = float(found.sel(condition="random", replicate=replicate, level=3))
        assert value == pytest.approx(mask_overlap(a, b, num_draws=200).excess, abs=0.03)


def test_two_replicates_have_no_interval_between_seeds(stored_run):
    found = with_mask_overlaps(results_of(stored_run), stored_run)
    assert np.isnan(found["mask_overlap.seeds"]).all()
    assert found["mask_overlap.with_reference"].sel(condition="random", level=3).notnull().all()


def test_overlaps_are_computed_once_and_only_for_claims_that_compare_masks(run, tmp_path, monkeypatch):
    claims = select_claims()
    studies = Studies("smoke", tmp_path)
    results = results_of(run)
    studies._read["transfer", ""] = (None, results)
    monkeypatch.setattr("sparsight.reproduce._reproduction.open_run", lambda path: run)
    assert studies.results(claims["mask-transfer"], "transfer") is results
    found = studies.results(claims["mask-overlap"], "transfer")
    assert "mask_overlap.seeds" in found
    assert studies.results(claims["mask-overlap"], "transfer") is found
