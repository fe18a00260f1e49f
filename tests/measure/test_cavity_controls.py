import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import spearmanr

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import (
    cavity,
    contrast,
    ipr,
    locality,
    mean_of_defined,
    random_kept,
    shuffled_weight,
    size_shuffled,
)


def layer(seed=0, shape=(6, 30), density=0.6):
    stream = np.random.default_rng(seed)
    mask = stream.random(shape) < density
    weight = stream.normal(size=shape)
    return weight, mask, mask & (np.abs(weight) > 0.3)


@given(st.integers(0, 10**6), st.booleans())
def test_flags_move_with_the_weights(seed, some_constant):
    weight, mask, kept = layer(seed)
    varying = np.random.default_rng(seed).random(30) < 0.7 if some_constant else None
    moved, moved_kept = size_shuffled(weight, mask, kept, varying, seed=seed, draw=2)
    np.testing.assert_array_equal(moved, shuffled_weight(weight, mask, varying, seed=seed, draw=2))
    assert not (moved_kept & ~mask).any()
    for unit in range(len(weight)):
        for flags, before in ((moved_kept, kept), (mask & ~moved_kept, mask & ~kept)):
            assert sorted(moved[unit, flags[unit]]) == sorted(weight[unit, before[unit]])
    if varying is not None:
        np.testing.assert_array_equal(moved_kept[:, ~varying], kept[:, ~varying])
    # selection by size is as it was
    np.testing.assert_array_equal(moved_kept, mask & (np.abs(moved) > 0.3))


@given(st.integers(0, 10**6), st.integers(0, 3))
def test_random_kept_sets_keep_the_counts_and_nothing_outside_the_mask(seed, draw):
    _, mask, kept = layer(seed)
    drawn = random_kept(mask, kept, seed=seed, draw=draw)
    assert not (drawn & ~mask).any()
    np.testing.assert_array_equal(drawn.sum(axis=1), kept.sum(axis=1))
    np.testing.assert_array_equal(drawn, random_kept(mask, kept, seed=seed, draw=draw))


def test_random_kept_sets_are_uniform_and_differ_between_draws():
    mask = np.tile(np.arange(6) < 5, (20_000, 1))
    drawn = random_kept(mask, np.tile(np.arange(6) < 2, (20_000, 1)), seed=0)
    assert np.abs(drawn.mean(axis=0)[:5] - 0.4).max() < 4.5 * (0.4 * 0.6 / 20_000) ** 0.5
    together = (drawn[:, 0] & drawn[:, 1]).mean()
    assert together == pytest.approx(0.1, abs=4.5 * (0.09 / 20_000) ** 0.5)
    assert (drawn != random_kept(mask, mask, seed=0, draw=1)).any()
    with pytest.raises(InputError, match="kept has shape"):
        random_kept(mask, mask[:3], seed=0)


@pytest.mark.parametrize(("num_inputs", "at_most"), [(5, -0.05), (12, -0.01)])
def test_selection_by_size_alone_has_a_contrast_that_the_shuffle_reproduces(num_inputs, at_most):
    """Independent ±1 inputs and untrained weights: no weight is matched to its input, and yet Δ|κ| differs.

    The samples are all patterns of signs, so inputs are exactly independent and κ = −2 Σw⁴/(Σw²)².
    """
    inputs = np.array(list(itertools.product([-1.0, 1.0], repeat=num_inputs)))
    weight = np.random.default_rng(0).uniform(-1, 1, (600, num_inputs))
    mask = np.ones(weight.shape, bool)
    kept = np.abs(weight) > np.quantile(np.abs(weight), 0.2)

    def difference(weight, kept):
        delta = cavity(weight, inputs, dtype="float64").delta_abs_kurtosis
        return contrast(delta, kept, ~kept).difference

    without = (weight**4).sum(axis=1, keepdims=True) - weight**4
    rest = (weight**2).sum(axis=1, keepdims=True) - weight**2
    expected = contrast(2 * (ipr(weight)[:, None] - without / rest**2), kept, ~kept).difference
    own = difference(weight, kept)
    assert own == pytest.approx(expected, abs=1e-6)
    assert own < at_most
    assert difference(*size_shuffled(weight, mask, kept, seed=0)) == pytest.approx(own, abs=1e-6)


def test_weights_matched_to_their_inputs_remain_beyond_the_shuffle():
    """The heavy-tailed input has the large weight, and stays: that is not selection by size alone."""
    stream = np.random.default_rng(0)
    inputs = stream.normal(size=(20_000, 12))
    inputs[:, 0] = stream.laplace(size=20_000) / 2**0.5
    kept = np.tile(np.arange(12) == 0, (40, 1))
    weight = np.where(kept, 2.0, stream.uniform(0.5, 1, kept.shape))
    own = contrast(cavity(weight, inputs).delta_kurtosis, kept, ~kept).difference
    moved, moved_kept = size_shuffled(weight, np.ones(kept.shape, bool), kept, seed=0)
    shuffled = contrast(cavity(moved, inputs).delta_kurtosis, moved_kept, ~moved_kept).difference
    assert own > 0.2
    assert abs(shuffled) < 0.1


def test_coupling_by_construction_is_not_feedback():
    """Δ falls with distance from the unit's centre; kept sets are random; cause and gain share the mask.

    The units that happen to keep their central weights have both a larger kept − pruned and a mask that is
    more local, so the two correlate though nothing was selected. Random kept sets have the same correlation.
    """
    num_units, geometry = 400, Geometry(1, (60,))
    stream = np.random.default_rng(0)
    distance = np.abs(np.arange(60) - 30)
    mask = stream.random((num_units, 60)) < np.exp(-distance / 12)
    delta = -1.0 * distance + stream.normal(size=mask.shape)
    before = locality(mask, geometry).near_per_unit

    def feedback(kept):
        gain = locality(kept, geometry).near_per_unit - before
        cause = mean_of_defined(np.where(kept, delta, np.nan), axis=1) - mean_of_defined(
            np.where(mask & ~kept, delta, np.nan), axis=1
        )
        defined = ~np.isnan(gain + cause)
        return spearmanr(cause[defined], gain[defined]).statistic

    at_random = mask & (stream.random(mask.shape) < 0.8)
    control = np.mean([feedback(random_kept(mask, at_random, seed=0, draw=d)) for d in range(10)])
    noise = 3 / num_units**0.5
    assert feedback(at_random) > noise  # what was called feedback
    assert feedback(at_random) - control == pytest.approx(0, abs=noise)
