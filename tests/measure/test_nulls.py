import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sparsight.measure.nulls import ROUNDS_TO_MIX, pair_share, sample_masks, trade
from sparsight.streams import generator


@given(st.integers(1, 9), st.integers(1, 30), st.floats(0, 1), st.integers(0, 10**6))
def test_trades_keep_the_count_of_every_unit_and_every_input(num_units, num_inputs, density, seed):
    mask = np.random.default_rng(seed).random((num_units, num_inputs)) < density
    traded = trade(mask, 5, generator(seed, "test"))
    np.testing.assert_array_equal(traded.sum(axis=0), mask.sum(axis=0))
    np.testing.assert_array_equal(traded.sum(axis=1), mask.sum(axis=1))


def test_trades_reach_every_mask_of_the_same_counts_equally_often():
    """All masks with these margins are enumerated; draws are uniform over them by a chi-square test."""
    mask = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]], bool)
    margins = (tuple(mask.sum(axis=0)), tuple(mask.sum(axis=1)))
    rows = [np.array(bits, bool) for bits in itertools.product([0, 1], repeat=4)]
    everything = [
        np.stack(combination)
        for combination in itertools.product(rows, repeat=3)
        if (
            tuple(np.sum(combination, axis=0)),
            tuple(np.sum(combination, axis=1)),
        )
        == margins
    ]
    draws = Counter(trade(mask, ROUNDS_TO_MIX, generator(seed, "test")).tobytes() for seed in range(3000))
    assert set(draws) == {each.tobytes() for each in everything}
    assert stats.chisquare(list(draws.values())).pvalue > 1e-3


@pytest.mark.parametrize("density", [0.02, 0.1, 0.5])
def test_the_chain_has_forgotten_its_start_when_it_is_first_read(density):
    """The overlap with the start is then that of two masks drawn independently, within 2 % of the kept."""
    mask = np.random.default_rng(0).random((128, 800)) < density
    draws = [trade(mask, ROUNDS_TO_MIX, generator(seed, "test")) for seed in range(3)]
    long_after = trade(mask, 60, generator(7, "test"))
    kept = mask.sum()
    plateau = (mask & long_after).sum() / kept
    assert np.mean([(mask & draw).sum() / kept for draw in draws]) == pytest.approx(plateau, abs=0.02)


@pytest.mark.parametrize(
    ("null", "keeps"),
    [
        ("uniform", lambda mask: [mask.sum()]),
        ("fan_in", lambda mask: mask.sum(axis=1)),
        ("configuration", lambda mask: np.concatenate([mask.sum(axis=0), mask.sum(axis=1)])),
    ],
)
def test_samples_keep_what_their_null_says_and_differ(null, keeps):
    mask = np.random.default_rng(0).random((20, 50)) < 0.3
    samples = sample_masks(mask, null, 3, seed=4)
    again = sample_masks(mask, null, 3, seed=4)
    assert len(samples) == 3
    for sample, same in zip(samples, again, strict=True):
        np.testing.assert_array_equal(keeps(sample), keeps(mask))
        np.testing.assert_array_equal(sample, same)
        assert not np.array_equal(sample, mask)
    assert not np.array_equal(samples[0], samples[1])


def test_one_unit_has_nobody_to_trade_with():
    mask = np.array([[True, False, True]])
    np.testing.assert_array_equal(trade(mask, 3, generator(0, "test")), mask)


def test_pair_share_of_hand_computed_cases():
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    assert pair_share(mask, "fan_in") == pytest.approx((2 + 6) / 12)
    assert pair_share(mask, "uniform") == pytest.approx(2 * 20 / 56)
