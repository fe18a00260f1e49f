import itertools

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


def test_the_distance_is_that_of_the_trained_weights_alone():
    before = np.array([[3.0, 4.0, 100.0]])
    after = np.array([[3.0, 1.0, -7.0]])
    mask = np.array([[True, True, False]])
    found = initialisation_trace(before, after, mask, mask)
    assert found.distance_travelled == pytest.approx(3 / 5)


def test_the_shuffled_distance_is_the_root_mean_square_over_all_permutations():
    stream = np.random.default_rng(3)
    before, after = stream.normal(1, 1, (2, 3, 4))
    mask = np.array([[True, True, True, True], [True, True, True, False], [False, False, False, False]])
    found = initialisation_trace(before, after, mask, mask)
    squares = [
        np.mean(
            [
                ((after[unit, list(order)] - before[unit, kept]) ** 2).sum()
                for order in itertools.permutations(kept)
            ]
        )
        for unit, kept in enumerate(np.flatnonzero(row) for row in mask)
    ]
    expected = np.sqrt(sum(squares) / (before[mask] ** 2).sum())
    assert found.distance_travelled_shuffled == pytest.approx(expected)


def test_without_training_nothing_travels_and_forgotten_weights_travel_as_far_as_shuffled_ones():
    stream = np.random.default_rng(4)
    before, unrelated = stream.normal(size=(2, 40, 200))
    mask = np.ones(before.shape, bool)
    still = initialisation_trace(before, before, mask, mask)
    assert still.distance_travelled == 0
    assert still.distance_travelled_shuffled == pytest.approx(np.sqrt(2), rel=0.02)
    forgotten = initialisation_trace(before, unrelated, mask, mask)
    # 8000 pairs: the overlap of unrelated weights is 0 ± 1/√8000 of their length.
    assert forgotten.distance_travelled == pytest.approx(forgotten.distance_travelled_shuffled, rel=0.04)


def test_distances_from_nothing_are_undefined():
    nothing = np.zeros((2, 3))
    mask = np.ones((2, 3), bool)
    for found in (
        initialisation_trace(nothing, nothing + 1, mask, mask),
        initialisation_trace(nothing + 1, nothing, ~mask, ~mask),
    ):
        assert np.isnan(found.distance_travelled)
        assert np.isnan(found.distance_travelled_shuffled)
