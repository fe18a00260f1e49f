import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from sparsight.geometry import Geometry
from sparsight.measure import sample_masks
from sparsight.measure._curveball import trade
from sparsight.measure._nulls import ROUNDS_TO_MIX, expected_products, pair_statistic, value_moments, variance
from sparsight.measure._pair_counts import near_displacements, pair_counts
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


@pytest.mark.parametrize("density", [0.02, 0.1, 0.4])
def test_what_is_left_of_the_start_halves_with_every_round(density):
    """The reason for ROUNDS_TO_MIX: near pairs and overlap of strips reach their plateau as 2^-rounds."""
    geometry = Geometry(1, (800,))
    stream = np.random.default_rng(0)
    length = int(800 * density / 0.8)
    mask = np.zeros((128, 800), bool)
    for unit, start in enumerate(stream.integers(0, 800 - length, 128)):
        mask[unit, start : start + length] = stream.random(length) < 0.8

    def near_and_overlap(drawn):
        return pair_counts(drawn, geometry)[0][near_displacements(geometry)].sum(), (mask & drawn).sum()

    plateau = [near_and_overlap(drawn) for drawn in sample_masks(mask, "configuration", 12, 1)]
    excess = np.array(near_and_overlap(mask)) - np.mean(plateau, axis=0)
    for rounds in (1, 2, 3):
        left = [near_and_overlap(trade(mask, rounds, generator(seed, "left"))) for seed in range(3)]
        share = (np.mean(left, axis=0) - np.mean(plateau, axis=0)) / excess
        np.testing.assert_allclose(share, 2.0**-rounds, rtol=0.3)
    assert excess[0] * 2.0**-ROUNDS_TO_MIX < 0.1 * np.std(plateau, axis=0)[0]


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
    samples = list(sample_masks(mask, null, 3, seed=4))
    again = list(sample_masks(mask, null, 3, seed=4))
    assert len(samples) == 3
    for sample, same in zip(samples, again, strict=True):
        np.testing.assert_array_equal(keeps(sample), keeps(mask))
        np.testing.assert_array_equal(sample, same)
        assert not np.array_equal(sample, mask)
    assert not np.array_equal(samples[0], samples[1])


def test_one_unit_has_nobody_to_trade_with():
    mask = np.array([[True, False, True]])
    np.testing.assert_array_equal(trade(mask, 3, generator(0, "test")), mask)


def test_values_of_a_map_move_with_their_places():
    weights = np.random.default_rng(0).random((6, 9)) * (np.random.default_rng(1).random((6, 9)) < 0.5)
    for null in ("fan_in", "configuration"):
        for drawn in sample_masks(weights, null, 3, seed=0):
            np.testing.assert_array_equal(np.sort(drawn, axis=1), np.sort(weights, axis=1))
            if null == "configuration":
                np.testing.assert_array_equal((drawn > 0).sum(axis=0), (weights > 0).sum(axis=0))
    (drawn,) = sample_masks(weights, "uniform", 1, seed=0)
    np.testing.assert_array_equal(np.sort(drawn, axis=None), np.sort(weights, axis=None))


def test_expected_products_of_hand_computed_cases():
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    assert expected_products(value_moments(mask, "fan_in")) == pytest.approx((2 + 6) / 12)
    assert expected_products(value_moments(mask, "uniform")) == pytest.approx(20 / 56)


@given(st.integers(1, 7), st.integers(0, 7), st.sampled_from(["fan_in", "uniform"]))
def test_moments_of_a_mask_are_those_of_its_zeros_and_ones(num_inputs, kept, null):
    mask = np.arange(num_inputs)[None] < np.array([[min(kept, num_inputs)], [1]])
    counted, summed = value_moments(mask, null), value_moments(mask.astype(float), null)
    for name in ("products", "linear", "quadratic"):
        np.testing.assert_allclose(getattr(counted, name), getattr(summed, name), atol=1e-12)


@given(
    st.integers(2, 6),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_variance_equals_enumeration_of_all_permutations(length, channels, wraps, is_mask, seed):
    """Σ_ij a_ij w_i w_j over every order of the values, straight from its definition."""
    if length * channels > 6:
        channels = 1
    geometry = Geometry(channels, (length,), wraps)
    stream = np.random.default_rng(seed)
    same, different = (np.round(stream.random()) + geometry.distances() * stream.random() for _ in range(2))
    values = stream.random(geometry.num_inputs)
    values = (values < 0.5).astype(float) if is_mask else values
    a = np.zeros((geometry.num_inputs, geometry.num_inputs))
    for i, j in itertools.permutations(range(geometry.num_inputs), 2):
        d = j % length - i % length
        d = (d + length // 2) % length - length // 2 if wraps else d
        kernel = same if i // length == j // length else different
        a[i, j] = kernel[d + geometry.centre[0]]
    orders = np.array(list(itertools.permutations(values)))
    sums = np.einsum("ni,ij,nj->n", orders, a, orders)
    statistic, moments = pair_statistic(same, different, geometry), value_moments(values[None], "fan_in")
    assert statistic.total == pytest.approx(a.sum())
    assert statistic.total / max(len(a) * (len(a) - 1), 1) * moments.products.sum() == pytest.approx(
        sums.mean()
    )
    assert variance(statistic, moments) == pytest.approx(sums.var(), rel=1e-8, abs=1e-9)
