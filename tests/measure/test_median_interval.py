import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import mean_p, median_interval, median_p, student_interval
from sparsight.streams import generator

VALUES = st.lists(st.floats(-5, 5), min_size=2, max_size=15)


@pytest.mark.parametrize("n", [6, 10, 21, 30])
@pytest.mark.parametrize("draw", ["standard_exponential", "standard_cauchy"])
def test_interval_holds_the_true_median_of_any_distribution(n, draw):
    truth = {"standard_exponential": math.log(2), "standard_cauchy": 0.0}[draw]
    k = sum(stats.binom.cdf(j, n, 0.5) <= 0.025 for j in range(n))
    stated = 1 - 2 * stats.binom.cdf(k - 1, n, 0.5)  # at least 0.95, in steps
    assert stated >= 0.95
    draws = getattr(generator(n, draw), draw)((2000, n))
    covered = np.mean([found.low <= truth <= found.high for found in map(median_interval, draws)])
    assert abs(covered - stated) < 4 * math.sqrt(stated * (1 - stated) / 2000)


def test_one_outlier_does_not_move_it_but_moves_the_mean():
    values = 0.06 + 0.01 * generator(0, "outlier").standard_normal(10)
    spoilt = np.append(values[:-1], 0.9)
    assert median_interval(spoilt).high <= values.max()
    assert student_interval(spoilt).high > 0.2


def test_ends_are_order_statistics():
    found = median_interval(np.arange(10.0))
    assert (found.low, found.mean, found.high) == (1.0, 4.5, 8.0)  # P(Bin(10, ½) ≤ 1) = 0.011
    found = median_interval([*range(6), math.nan])
    assert (found.low, found.high, found.num_missing) == (0.0, 5.0, 1)


def test_five_values_have_no_interval_at_95_percent():
    assert math.isnan(median_interval(range(5)).low)
    assert median_interval(range(5), 0.9).low == 0
    assert math.isnan(median_interval([]).mean)


@given(VALUES, st.sampled_from([-1.0, 0.0, 0.5]))
def test_p_values_decide_the_lower_end(values, threshold):
    found = median_interval(values)
    if math.isnan(found.low):
        assert median_p(values, threshold) > 0.025
    else:
        assert (median_p(values, threshold) <= 0.025) == (found.low > threshold)
    low = student_interval(values).low
    if abs(low - threshold) > 1e-9:
        assert (mean_p(values, threshold) < 0.025) == (low > threshold)


def test_p_values_are_scipys():
    values = generator(0, "p").standard_normal(9) + 0.4
    assert mean_p(values, 0.1) == pytest.approx(stats.ttest_1samp(values, 0.1, alternative="greater").pvalue)
    expected = stats.binomtest(int((values > 0.1).sum()), 9, alternative="greater").pvalue
    assert median_p(values, 0.1) == pytest.approx(expected)


def test_p_values_of_equal_and_of_too_few_values():
    assert (mean_p([1.0, 1.0], 0.5), mean_p([1.0, 1.0], 1.0), mean_p([1.0, 1.0], 2.0)) == (0, 1, 1)
    assert math.isnan(mean_p([1.0]))
    assert math.isnan(median_p([math.nan]))


def test_what_is_wrong_is_named():
    with pytest.raises(InputError, match="confidence is 0"):
        median_interval([1.0], 0.0)
    with pytest.raises(InputError, match="one number per replicate"):
        median_p([[1.0]])
