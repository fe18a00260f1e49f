import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import optimize, stats

from sparsight.errors import InputError
from sparsight.measure import describe, fieller_interval, ratio_p
from sparsight.streams import generator


def _pairs(seed, n, ratio, mean=2.0, spread=0.5):
    noise = generator(seed, "pairs").standard_normal((2, n))
    b = mean + spread * noise[0]
    return ratio * mean + 0.3 * noise[0] + spread * noise[1], b


def _excess(ratio, a, b, confidence=0.95):
    """Squared t of a − ratio·b over its critical value; at most 1 inside the interval."""
    d = a - ratio * b
    critical = stats.t.ppf((1 + confidence) / 2, len(a) - 1)
    return len(a) * d.mean() ** 2 / (d.var(ddof=1) * critical**2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [3, 10])
def test_ends_are_where_students_test_begins_to_reject(seed, n):
    a, b = _pairs(seed, n, 0.6)
    found = fieller_interval(a, b)
    assert found.mean == pytest.approx(a.mean() / b.mean())
    far = 1.0
    while _excess(found.mean - far, a, b) < 1 or _excess(found.mean + far, a, b) < 1:
        far *= 2
    low, high = (
        optimize.brentq(lambda r: _excess(r, a, b) - 1, *ends, xtol=1e-13)
        for ends in ((found.mean - far, found.mean), (found.mean, found.mean + far))
    )
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(("n", "ratio"), [(5, 0.6), (10, -1.5), (10, 0.0)])
def test_interval_holds_the_true_ratio_as_often_as_it_says(n, ratio):
    num_trials = 2000
    covered = 0
    for trial in range(num_trials):
        found = fieller_interval(*_pairs(trial, n, ratio, spread=1.0))
        covered += found.low <= ratio <= found.high
    assert abs(covered / num_trials - 0.95) < 4 * math.sqrt(0.95 * 0.05 / num_trials)


def test_students_interval_of_ratios_misses_the_ratio_of_means_where_denominators_are_small():
    # the planted case: the mean of a/b is not the ratio of the means, and more replicates do not mend it
    from sparsight.measure import student_interval

    num_trials, n = 400, 40
    covered = np.zeros(2)
    for trial in range(num_trials):
        noise = generator(trial, "small denominators").standard_normal((2, n))
        b = np.exp(noise[0])
        a = 0.6 * math.exp(0.5) + 0.2 * noise[1]
        for place, found in enumerate((fieller_interval(a, b), student_interval(a / b))):
            covered[place] += found.low <= 0.6 <= found.high
    assert covered[0] / num_trials > 0.85
    assert covered[1] / num_trials < 0.1


def test_denominator_that_may_be_zero_gives_an_unbounded_interval_that_says_so():
    found = fieller_interval([1.0, 1.1, 0.9, 1.0], [0.5, -0.4, 0.3, -0.1])
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert not found.excludes_zero
    assert describe(found).endswith("(unbounded interval over 4 replicates)")
    assert ratio_p([1.0, 1.1, 0.9, 1.0], [0.5, -0.4, 0.3, -0.1], -1000.0) > 0.025


def test_exact_proportion_has_no_width():
    b = np.array([2.0, 3.0, 4.0])
    found = fieller_interval(0.5 * b, b)
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)


def test_missing_pairs_are_left_out_and_counted():
    a, b = _pairs(0, 6, 0.5)
    found = fieller_interval([*a, math.nan, 1.0], [*b, 1.0, math.nan])
    complete = fieller_interval(a, b)
    assert (found.low, found.high, found.num_missing) == (complete.low, complete.high, 2)
    assert math.isnan(fieller_interval([1.0], [2.0]).low)
    assert math.isnan(fieller_interval([1.0, 2.0], [0.0, 0.0]).mean)
    assert math.isnan(fieller_interval([], []).mean)


VALUES = st.lists(st.floats(-3, 3), min_size=3, max_size=8)


@settings(max_examples=200)
@given(VALUES, st.integers(0, 100), st.sampled_from([-1.0, -0.2, 0.0, 0.5, 2.0]))
def test_p_value_decides_the_lower_end(values, seed, threshold):
    a = np.array(values)
    b = 1 + generator(seed, "denominator").standard_normal(len(a))
    for sign in (1, -1):
        found = fieller_interval(sign * a, b)
        p = ratio_p(sign * a, b, threshold)
        if math.isfinite(found.low) and abs(found.low - threshold) > 1e-9:
            assert (p < 0.025) == (found.low > threshold)
        elif found.low == -math.inf:
            assert p > 0.025 - 1e-12


@pytest.mark.parametrize("exponent", [-70, 70])
def test_scale_does_not_matter(exponent):
    a, b = _pairs(1, 7, 0.6)
    unit = 10.0**exponent
    found, scaled = fieller_interval(a, b), fieller_interval(a * unit, b)
    assert (scaled.low, scaled.high) == pytest.approx((found.low * unit, found.high * unit), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: fieller_interval([1.0], [1.0, 2.0]), "numerator has 1 replicates and denominator 2"),
        (lambda: fieller_interval([1.0], [1.0], 1.5), "confidence is 1.5"),
        (lambda: fieller_interval([math.inf], [1.0]), "numerator holds infinite values"),
    ],
)
def test_what_is_wrong_is_named(call, match):
    with pytest.raises(InputError, match=match):
        call()
