import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import intersection_over_union, mask_overlap, matched_units, sample_masks

_MASKS = arrays(np.bool_, st.tuples(st.just(4), st.just(6)))


def _random_mask(density, shape=(24, 60), seed=0):
    return np.random.default_rng(seed).random(shape) < density


@given(_MASKS, _MASKS)
def test_intersection_over_union_is_that_of_sets(a, b):
    kept_a, kept_b = (set(zip(*np.nonzero(mask), strict=True)) for mask in (a, b))
    found = intersection_over_union(a, b)
    if kept_a | kept_b:
        assert found == pytest.approx(len(kept_a & kept_b) / len(kept_a | kept_b))
    else:
        assert np.isnan(found)


@given(_MASKS, _MASKS)
def test_matching_gives_the_largest_overlap_of_all_orders_of_the_units(a, b):
    best = max(int((a & b[list(order)]).sum()) for order in itertools.permutations(range(4)))
    assert int((a & b[matched_units(a, b)]).sum()) == best


def test_masks_of_one_network_under_another_order_of_units_are_equal_once_matched():
    mask = _random_mask(0.2)
    moved = mask[np.random.default_rng(1).permutation(len(mask))]
    assert mask_overlap(mask, mask, num_draws=2).iou == 1
    assert mask_overlap(mask, moved, num_draws=2).iou < 0.3
    assert mask_overlap(mask, moved, match=True, num_draws=2).iou == 1


@pytest.mark.parametrize("null", ["uniform", "fan_in"])
def test_expectation_is_that_of_hypergeometric_intersections(null):
    a, b = _random_mask(0.3, seed=2), _random_mask(0.1, seed=3)
    found = mask_overlap(a, b, null, num_draws=1000)
    rows = zip(a, b, strict=True) if null == "fan_in" else [(a.ravel(), b.ravel())]
    # The intersection is a sum of independent hypergeometric numbers: their distributions are convolved.
    distribution = np.ones(1)
    for row_a, row_b in rows:
        shared = stats.hypergeom(row_a.size, row_a.sum(), row_b.sum())
        distribution = np.convolve(distribution, shared.pmf(np.arange(min(row_a.sum(), row_b.sum()) + 1)))
    sizes = np.arange(len(distribution))
    iou = sizes / (a.sum() + b.sum() - sizes)
    mean, variance = distribution @ iou, distribution @ iou**2 - (distribution @ iou) ** 2
    assert found.expected == pytest.approx(mean, abs=4 * np.sqrt(variance / 1000))
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.1)


@pytest.mark.parametrize("match", [False, True])
@pytest.mark.parametrize("null", ["uniform", "fan_in", "configuration"])
def test_independent_masks_have_no_excess_within_the_interval(null, match):
    planted = _random_mask(0.15, (16, 40), seed=4)
    # A chain each: successive draws of one chain are not wholly independent.
    pairs = [next(iter(sample_masks(planted, null, 1, seed))) for seed in range(100)]
    found = [
        mask_overlap(pairs[2 * each], pairs[2 * each + 1], null, match=match, seed=1000 + each)
        for each in range(50)
    ]
    excess = stats.ttest_1samp([each.excess for each in found], 0.0)
    assert excess.pvalue > 0.01
    covered = sum(each.low <= 0 <= each.high for each in found)
    assert covered >= 43  # of 50, with probability 0.998 at 95 %


def test_overlap_on_often_used_inputs_alone_is_no_excess_beyond_the_configuration_null():
    # Both masks read the first inputs more often, and have nothing else in common.
    chance = np.linspace(0.6, 0.02, 60)
    a, b = (np.random.default_rng(seed).random((40, 60)) < chance for seed in (6, 7))
    assert mask_overlap(a, b, "fan_in").low > 0
    strict = mask_overlap(a, b, "configuration")
    assert strict.low <= 0 <= strict.high


def test_shared_weights_are_found_by_every_null():
    a = _random_mask(0.2, seed=8)
    b = a.copy()
    b[::2] = np.random.default_rng(9).permuted(b[::2], axis=1)
    for null in ("uniform", "fan_in", "configuration"):
        assert mask_overlap(a, b, null).low > 0.2


def test_masks_that_cannot_differ_have_no_excess():
    full = np.ones((3, 5), bool)
    found = mask_overlap(full, full)
    assert (found.iou, found.expected, found.excess, found.low, found.high) == (1, 1, 0, 0, 0)
    assert np.isnan(mask_overlap(~full, ~full).iou)
    alone = mask_overlap(full, full, num_draws=0)
    assert alone.iou == 1
    assert np.isnan(alone.expected)


def test_wrong_input_is_named():
    mask = _random_mask(0.5, (3, 5))
    with pytest.raises(InputError, match="b has shape"):
        mask_overlap(mask, mask[:2])
    with pytest.raises(InputError, match="b has shape"):
        matched_units(mask, mask[:, :2])
    with pytest.raises(InputError, match="num_draws|num_samples"):
        mask_overlap(mask, mask, num_draws=-1)
    with pytest.raises(InputError, match="a is"):
        mask_overlap(mask.astype(float), mask)
