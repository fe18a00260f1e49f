import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import (
    Interval,
    cliffs_delta,
    describe,
    difference,
    num_replicates_needed,
    paired_difference,
    smallest_detectable_effect,
    student_interval,
)
from sparsight.streams import generator

REPLICATES = generator(0, "test_effects").standard_normal(8)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_student_interval_is_that_of_scipys_one_sample_t_test(n):
    values = np.random.default_rng(0).normal(0.3, 1, n)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = student_interval(values, 0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found == student_interval(values.tolist(), 0.9)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_student_interval_holds_the_true_mean_as_often_as_it_says(n):
    draws = np.random.default_rng(n).normal(size=(4000, n))
    covered = np.mean([i.low <= 0 <= i.high for i in map(student_interval, draws)])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_student_interval_of_two_replicates_reaches_far_beyond_the_two():
    result = student_interval([3.0, 7.0])
    assert result.mean == 5
    assert result.high == pytest.approx(5 + 2 * math.tan(0.475 * math.pi))  # t of 1 degree
    assert result.low == pytest.approx(10 - result.high)


@given(
    arrays(np.float64, st.integers(2, 6), elements=st.sampled_from([-1.0, 0.0, 1.0, 1 + 2e-16, 1e-8, 40.0])),
    st.integers(-150, 150),
)
def test_student_interval_is_finite_ordered_and_scales(values, exponent):
    result = student_interval(values)
    assert -math.inf < result.low <= result.mean <= result.high < math.inf
    assert (result.low == result.high) == (np.ptp(values) == 0)
    scaled = student_interval(values * 2.0**exponent)
    assert (scaled.low, scaled.high) == (result.low * 2.0**exponent, result.high * 2.0**exponent)


def test_student_interval_of_equal_values_has_no_width():
    result = student_interval([0.1] * 7)
    assert result.low == result.high == 0.1
    assert result.mean == pytest.approx(0.1)
    assert describe(result) == "0.1 [0.1, 0.1]"


def test_one_replicate_has_no_interval_and_says_so():
    result = student_interval([1.234])
    assert result.mean == 1.234
    assert math.isnan(result.low)
    assert math.isnan(result.high)
    assert not result.excludes_zero
    assert result.statement == "one replicate: no interval"
    assert describe(result) == "1.23 (one replicate: no interval)"


def test_no_replicates_have_no_estimate():
    for values, missing in (([], ""), ([math.nan] * 2, " (2 missing)")):
        result = student_interval(values)
        assert math.isnan(result.mean)
        assert result.num_replicates == 0
        assert describe(result) == result.statement == f"no replicates: no estimate{missing}"


def test_student_interval_drops_and_counts_missing_replicates():
    with_missing = np.insert(REPLICATES, [1, 4], np.nan)
    result, complete = student_interval(with_missing), student_interval(REPLICATES)
    assert (result.low, result.mean, result.high) == (complete.low, complete.mean, complete.high)
    assert (result.num_replicates, result.num_missing) == (8, 2)
    assert result.statement == "0.95 interval over 8 replicates (2 missing)"


def test_paired_difference_is_the_interval_of_the_differences():
    seeds = np.arange(8)
    order = generator(0, "order").permutation(8)
    other = REPLICATES**2
    result = paired_difference(REPLICATES, other[order], seeds, seeds[order])
    assert result == student_interval(REPLICATES - other)


def test_paired_difference_is_shorter_where_seeds_matter():
    noise = generator(0, "noise").standard_normal((2, 8))
    a, b = 10 * REPLICATES + noise[0] + 2, 10 * REPLICATES + noise[1]
    seeds = list(range(8))
    paired, unpaired = paired_difference(a, b, seeds, seeds), difference(a, b)
    assert paired.mean == pytest.approx(unpaired.mean)
    assert paired.high - paired.low < 0.3 * (unpaired.high - unpaired.low)
    assert paired.excludes_zero
    assert not unpaired.excludes_zero
    reversed_ = paired_difference(b, a, seeds, seeds)
    assert reversed_.mean == -paired.mean
    assert reversed_.excludes_zero


def test_paired_difference_leaves_out_and_counts_replicates_without_a_partner():
    result = paired_difference([5, 7, math.nan, 9], [1, 2, 3, 4], [0, 1, 2, 3], [3, 2, 1, 8])
    # seeds 1 (7 − 3) and 3 (9 − 1) are pairs; 0 and 8 have no partner, 2 no value
    assert result.mean == 6
    expected = student_interval([4.0, 8.0])
    assert (result.low, result.high) == (expected.low, expected.high)
    assert (result.num_replicates, result.num_missing) == (2, 3)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 9), (30, 20)])
def test_difference_is_that_of_scipys_welch_test_and_flips_its_sign(sizes):
    a, b = (generator(i, "difference").standard_exponential(size) for i, size in enumerate(sizes))
    result, reversed_ = difference(a, b), difference(b, a)
    assert result.mean == pytest.approx(a.mean() - b.mean())
    assert result.num_replicates == min(sizes)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (-reversed_.high, -reversed_.low) == pytest.approx((result.low, result.high))


def test_difference_holds_the_true_difference_as_often_as_it_says():
    draws = np.random.default_rng(5).normal(size=(4000, 8)) * np.array([1, 1, 1, 1, 1, 3, 3, 3])
    found = [difference(row[:5], row[5:]) for row in draws]
    covered = np.mean([i.low <= 0 <= i.high for i in found])
    assert 0.93 < covered < 0.97  # Welch's degrees of freedom are an approximation


def test_difference_with_a_constant_or_single_group():
    assert (difference([2, 2, 2], [5, 5]).low, difference([2, 2, 2], [5, 5]).high) == (-3, -3)
    one_constant = difference([1.0, 3.0], [5.0, 5.0, 5.0])
    alone = student_interval([1.0, 3.0])
    assert one_constant.mean == -3
    assert (one_constant.low, one_constant.high) == pytest.approx((alone.low - 5, alone.high - 5))
    single = difference([1.0, 3.0, 2.0, math.nan], [0.5])
    assert single.mean == 1.5
    assert math.isnan(single.low)
    assert single.statement == "one replicate: no interval (1 missing)"
    assert difference([], [1.0]).num_replicates == 0


def test_student_interval_leaves_out_and_counts_missing_values():
    found = student_interval([1.0, np.nan, 3.0])
    assert (found.mean, found.num_replicates, found.num_missing) == (2.0, 2, 1)
    assert np.isnan(student_interval([1.0]).low)
    assert np.isnan(student_interval([]).mean)


def test_smallest_detectable_effect_is_found_in_four_of_five_repetitions():
    effect = smallest_detectable_effect(2.0, 10)
    draws = np.random.default_rng(1).normal(effect, 2.0, size=(4000, 10))
    found = np.mean([student_interval(row).low > 0 for row in draws])
    assert abs(found - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 4000)


@pytest.mark.parametrize(("effect", "power"), [(1.0, 0.8), (0.5, 0.8), (0.5, 0.9), (5.0, 0.8)])
def test_replicates_needed_are_found_by_trying_one_after_another(effect, power):
    n = 2
    while smallest_detectable_effect(1.0, n, power=power) > effect:
        n += 1
    assert num_replicates_needed(1.0, effect, power=power) == n


def test_effects_that_too_few_replicates_find_have_no_number():
    assert num_replicates_needed(1.0, 0.01) is None
    assert num_replicates_needed(1.0, 0.5, most=10) is None
    assert num_replicates_needed(0.0, 0.01) == 2
    with pytest.raises(InputError, match="effect is 0"):
        num_replicates_needed(1.0, 0.0)


GROUP = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0, math.nan]), max_size=8)


@given(GROUP, GROUP)
def test_cliffs_delta_equals_counting_pairs(a, b):
    pairs = [(x > y) - (x < y) for x in a for y in b if not math.isnan(x + y)]
    delta = cliffs_delta(a, b)
    if not pairs:
        assert math.isnan(delta)
    else:
        assert delta == sum(pairs) / len(pairs)
        assert cliffs_delta(b, a) == -delta


def test_cliffs_delta_runs_from_minus_one_to_one():
    assert cliffs_delta([3, 4], [1, 2]) == 1
    assert cliffs_delta([1, 2], [3, 4]) == -1
    assert cliffs_delta([1, 1], [1, 1]) == 0


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((1.1, 1.23, 1.4), "1.23 [1.10, 1.40]"),
        ((-0.0012, 0.0003, 0.0021), "0.0003 [-0.0012, 0.0021]"),
        ((1000, 1234.5678, 1500), "1235 [1000, 1500]"),
        ((0.995, 1.0, 1.004), "1.0000 [0.9950, 1.0040]"),
    ],
)
def test_describe_shows_two_digits_of_the_width(ends, text):
    low, mean, high = map(float, ends)
    assert describe(Interval(mean=mean, low=low, high=high, confidence=0.95, num_replicates=5)) == text


def test_excludes_zero_needs_both_ends_on_one_side():
    for ends, expected in (((1, 2), True), ((-2, -1), True), ((-1, 1), False), ((0, 1), False)):
        assert (
            Interval(
                mean=0.0, low=float(ends[0]), high=float(ends[1]), confidence=0.95, num_replicates=5
            ).excludes_zero
            is expected
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: student_interval(np.ones((3, 2))),
            r"values has shape \(3, 2\); give one number per replicate",
        ),
        (lambda: student_interval(np.array(1.0)), r"values has shape \(\)"),
        (lambda: student_interval([1.0, math.inf]), "values holds infinite values"),
        (lambda: student_interval([1.0, 2.0], 1.0), "confidence is 1.0; a number strictly between"),
        (lambda: difference([1.0, 2.0], [[1.0]]), r"b has shape \(1, 1\)"),
        (lambda: cliffs_delta([math.inf], [1.0]), "a holds infinite values"),
        (lambda: paired_difference([1.0], [2.0], [0], [1]), "share no seed; use difference"),
        (lambda: paired_difference([1.0], [2.0], [0, 1], [1]), "seeds_a has 2 seeds for 1 values"),
        (lambda: paired_difference([1.0], [2.0, 3.0], [0], [1, 1]), "seeds_b holds a seed twice"),
        (lambda: paired_difference([1.0], [2.0], [0], [0], 0.0), "confidence is 0.0"),
        (lambda: smallest_detectable_effect(1.0, 1), "num_replicates 1"),
        (lambda: smallest_detectable_effect(1.0, 5, power=1.0), "power is 1.0"),
    ],
)
def test_effects_name_what_is_wrong(call, message):
    with pytest.raises(InputError, match=message):
        call()
