import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.reproduce._holm import ALPHA, holm

P_VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.02, 0.02, 1.0]), min_size=1, max_size=6)


def _closed_testing(p_values):
    """The slow twin: an effect stands if every set of effects that holds it fails Bonferroni's test."""
    indices = range(len(p_values))
    adjusted = []
    for index in indices:
        sets = (
            chosen
            for size in range(1, len(p_values) + 1)
            for chosen in itertools.combinations(indices, size)
            if index in chosen
        )
        adjusted.append(min(1.0, max(len(chosen) * min(p_values[i] for i in chosen) for chosen in sets)))
    return adjusted


def test_hand_worked_case():
    # sorted 0.005, 0.01, 0.03, 0.04; times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04; largest so far
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(P_VALUES)
def test_holm_is_closed_testing_with_bonferroni(p_values):
    assert holm(p_values) == pytest.approx(_closed_testing(p_values), abs=1e-15)


@given(P_VALUES)
def test_adjusted_values_are_not_smaller_and_keep_the_order(p_values):
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    for i, j in itertools.combinations(range(len(p_values)), 2):
        assert (adjusted[i] - adjusted[j]) * (p_values[i] - p_values[j]) >= 0


def test_one_p_value_stays_and_no_test_counts_as_one():
    assert holm([0.02]) == [0.02]
    assert holm([np.nan, 0.01]) == [1.0, 0.02]
    assert holm([]) == []


def test_family_wise_error_is_kept_where_the_uncorrected_one_is_not():
    p = np.random.default_rng(0).random((20_000, 5))
    wrong = np.mean([min(holm(row)) <= ALPHA for row in p])
    assert abs(wrong - ALPHA) < 4 * np.sqrt(ALPHA / 20_000)
    assert np.mean(p.min(axis=1) <= ALPHA) > 4 * ALPHA
