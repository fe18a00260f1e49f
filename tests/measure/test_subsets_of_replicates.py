import itertools
import math

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.measure import (
    pair_pseudovalues,
    student_interval,
    subset_pseudovalues,
    subset_size,
    subsets_of,
)


def test_with_pairs_they_are_those_of_pairs():
    draws = np.random.default_rng(0).normal(size=7)
    pairs = draws[:, None] * draws[None] + draws[:, None] + draws[None]
    values = np.array([pairs[pair] for pair in subsets_of(7, 2)])
    assert subset_pseudovalues(values, 7, 2) == pytest.approx(pair_pseudovalues(pairs))


def test_with_single_replicates_they_are_the_values():
    values = np.random.default_rng(0).normal(size=5)
    assert subset_pseudovalues(values, 5, 1) == pytest.approx(values)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_they_are_the_jackknife_of_the_mean_over_subsets(size):
    draws = np.random.default_rng(size).normal(size=6)

    def mean(places):
        return np.mean([np.median(draws[list(each)]) for each in itertools.combinations(places, size)])

    values = np.array([np.median(draws[list(each)]) for each in subsets_of(6, size)])
    found = subset_pseudovalues(values, 6, size)
    whole = mean(range(6))
    without = [mean([each for each in range(6) if each != left_out]) for left_out in range(6)]
    assert found == pytest.approx(6 * whole - 5 * np.array(without))
    assert found.mean() == pytest.approx(whole)


def test_the_mean_of_a_linear_quantity_has_the_interval_of_its_replicates():
    draws = np.random.default_rng(1).normal(size=10)
    values = np.array([draws[list(each)].mean() for each in subsets_of(10, 4)])
    assert subset_pseudovalues(values, 10, 4) == pytest.approx(draws)


def test_intervals_contain_the_true_mean_of_an_ensemble():
    """The log of a mean of three: not linear, and its expectation is known by many draws."""
    stream = np.random.default_rng(2)
    truth = np.log(stream.lognormal(size=(400_000, 3)).mean(axis=1)).mean()
    covered = 0
    for _ in range(300):
        draws = stream.lognormal(size=10)
        values = np.log([draws[list(each)].mean() for each in subsets_of(10, 3)])
        interval = student_interval(subset_pseudovalues(values, 10, 3))
        covered += interval.low <= truth <= interval.high
    assert covered / 300 > 0.9


def test_leaving_one_out_of_all_leaves_nothing():
    assert np.isnan(subset_pseudovalues(np.ones(1), 4, 4)).all()


@pytest.mark.parametrize("number", range(2, 40))
def test_the_size_leaves_half_of_the_replicates_and_few_subsets(number):
    size = subset_size(number)
    assert size == 2 or (size <= number / 2 and math.comb(number, size) <= 252)
    assert size >= 2
    assert {2: 2, 3: 2, 6: 3, 10: 5, 11: 3, 20: 2}.get(number, size) == size


def test_wrong_counts_are_named():
    with pytest.raises(InputError, match="values are 3; 4 replicates have 6 subsets of 2"):
        subset_pseudovalues(np.ones(3), 4, 2)
    with pytest.raises(InputError, match="size is 5"):
        subset_pseudovalues(np.ones(3), 4, 5)
