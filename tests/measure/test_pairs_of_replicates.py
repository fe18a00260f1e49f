import itertools

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.measure import pair_pseudovalues, student_interval


def _pairs(number, seed, kernel=lambda x, y: x + y + x * y):
    draws = np.random.default_rng(seed).normal(size=number)
    return kernel(draws[:, None], draws[None, :])


def test_is_the_jackknife_of_the_mean_over_pairs():
    values = _pairs(6, 0)
    found = pair_pseudovalues(values)
    places = range(6)

    def mean(without):
        pairs = itertools.combinations([each for each in places if each != without], 2)
        return np.mean([values[pair] for pair in pairs])

    whole = mean(None)
    left_out = np.array([mean(each) for each in places])
    assert found == pytest.approx([6 * whole - 5 * each for each in left_out])
    assert found.mean() == pytest.approx(whole)
    jackknife = np.sqrt(5 / 6 * ((left_out - left_out.mean()) ** 2).sum())
    assert found.std(ddof=1) / np.sqrt(6) == pytest.approx(jackknife)


def test_intervals_contain_the_true_mean_where_intervals_over_pairs_do_not():
    covered, covered_by_pairs = 0, 0
    for seed in range(400):
        values = _pairs(10, seed, lambda x, y: x + y + 0.3 * x * y)  # true mean 0
        interval = student_interval(pair_pseudovalues(values))
        covered += interval.low <= 0 <= interval.high
        pairs = student_interval(values[np.triu_indices(10, 1)])
        covered_by_pairs += pairs.low <= 0 <= pairs.high
    assert covered / 400 > 0.92
    assert covered_by_pairs / 400 < 0.75


def test_replicates_without_values_are_left_out_and_too_few_have_none():
    values = _pairs(5, 1)
    values[2] = values[:, 2] = np.nan
    found = pair_pseudovalues(values)
    others = [0, 1, 3, 4]
    assert np.isnan(found[2])
    assert found[others] == pytest.approx(pair_pseudovalues(values[np.ix_(others, others)]))
    assert np.isnan(pair_pseudovalues(_pairs(2, 2))).all()
    assert pair_pseudovalues(np.zeros((0, 0))).shape == (0,)


def test_wrong_input_is_named():
    values = _pairs(4, 3)
    values[0, 1] = 9
    with pytest.raises(InputError, match="not symmetric"):
        pair_pseudovalues(values)
    values[0, 1] = values[1, 0] = np.nan
    with pytest.raises(InputError, match="some pairs are NaN"):
        pair_pseudovalues(values)
