import numpy as np
import pytest
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import initialisation_trace


def _masks(after, mask, share):
    kept = mask.copy()
    order = np.argsort(np.where(mask, np.abs(after), np.inf), axis=None)
    kept.ravel()[order[: int(share * mask.sum())]] = False
    return kept


def test_matches_a_loop_over_weights():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(7, 11))
    after = before + 0.7 * rng.normal(size=before.shape)
    mask = rng.random(before.shape) < 0.8
    next_mask = _masks(after, mask, 0.3)
    found = initialisation_trace(before, after, mask, next_mask)
    places = [(i, j) for i in range(7) for j in range(11) if mask[i, j]]
    pruned = {place for place in places if not next_mask[place]}
    smallest = set(sorted(places, key=lambda place: abs(before[place]))[: len(pruned)])
    assert found.foretold_share == pytest.approx(len(pruned & smallest) / len(pruned))
    assert found.foretold_share_chance == pytest.approx(len(pruned) / len(places))
    kept = [place for place in places if next_mask[place]]
    assert found.same_sign_share == pytest.approx(np.mean([before[p] * after[p] > 0 for p in kept]))
    sizes = [[abs(each[place]) for place in places] for each in (before, after)]
    assert found.rank_correlation == pytest.approx(stats.spearmanr(*sizes).statistic)


def test_weights_that_only_grew_in_proportion_follow_their_initialisation_wholly():
    before = np.random.default_rng(1).normal(size=(20, 30))
    mask = np.ones(before.shape, bool)
    found = initialisation_trace(before, 3 * before, mask, _masks(before, mask, 0.4))
    assert found.rank_correlation == pytest.approx(1)
    assert found.foretold_share == 1
    assert found.same_sign_share == 1


def test_weights_that_left_their_initialisation_are_at_chance():
    rng = np.random.default_rng(2)
    before, after = rng.normal(size=(2, 200, 200))
    mask = np.ones(before.shape, bool)
    found = initialisation_trace(before, after, mask, _masks(after, mask, 0.25))
    assert abs(found.rank_correlation) < 0.02
    assert abs(found.foretold_share - 0.25) < 0.015
    assert found.foretold_share_chance == 0.25
    assert abs(found.same_sign_share - 0.5) < 0.015


def test_undefined_without_pruned_or_kept_weights():
    weight = np.random.default_rng(3).normal(size=(2, 5))
    mask = np.ones(weight.shape, bool)
    nothing_pruned = initialisation_trace(weight, weight, mask, mask)
    assert np.isnan(nothing_pruned.foretold_share)
    assert np.isnan(nothing_pruned.foretold_share_chance)
    assert np.isnan(initialisation_trace(weight, weight, mask, ~mask).same_sign_share)
    assert np.isnan(initialisation_trace(weight, np.ones_like(weight), mask, mask).rank_correlation)
    with pytest.raises(InputError, match="after has shape"):
        initialisation_trace(weight, weight[:1], mask, mask)
