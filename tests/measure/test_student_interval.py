import numpy as np
import pytest
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import smallest_detectable_effect, student_interval


def test_interval_is_that_of_scipys_one_sample_t_test():
    values = np.random.default_rng(0).normal(0.3, 1, 10)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = student_interval(values, 0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)


@pytest.mark.parametrize("n", [3, 10])
def test_interval_holds_the_true_mean_as_often_as_it_says(n):
    draws = np.random.default_rng(n).normal(size=(4000, n))
    covered = np.mean([i.low <= 0 <= i.high for i in map(student_interval, draws)])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_missing_values_are_left_out_and_counted():
    found = student_interval([1.0, np.nan, 3.0])
    assert (found.mean, found.num_replicates, found.num_missing) == (2.0, 2, 1)
    assert np.isnan(student_interval([1.0]).low)
    assert np.isnan(student_interval([]).mean)


def test_smallest_detectable_effect_is_found_in_four_of_five_repetitions():
    effect = smallest_detectable_effect(2.0, 10)
    draws = np.random.default_rng(1).normal(effect, 2.0, size=(4000, 10))
    found = np.mean([student_interval(row).low > 0 for row in draws])
    assert abs(found - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 4000)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: student_interval([[1.0]]), "one number a replicate"),
        (lambda: student_interval([np.inf]), "infinite"),
        (lambda: student_interval([1.0], 1.0), "confidence is 1.0"),
        (lambda: smallest_detectable_effect(1.0, 1), "num_replicates 1"),
        (lambda: smallest_detectable_effect(1.0, 5, power=1.0), "power is 1.0"),
    ],
)
def test_wrong_arguments_are_named(call, match):
    with pytest.raises(InputError, match=match):
        call()
