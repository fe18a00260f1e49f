import numpy as np
import pytest
from scipy.stats import spearmanr

from sparsight.reproduce._statistics import (
    change,
    difference,
    final,
    last_above_earlier,
    num_levels,
    rank_correlation,
    rank_correlation_with_level,
    slope,
)
from tests.reproduce.planted import planted


@pytest.fixture
def results():
    return planted({("near", "imp"): np.arange(6.0), ("near", "one_shot"): 2.0}, noise=0.0)


def test_each_statistic_is_what_it_says(results):
    expected = {
        final: 5.0,
        change: 5.0,
        pruned_mean: 3.0,
        level_mean: 2.5,
        last_above_earlier: 1.0,
        rank_correlation_with_level: 1.0,
    }
    for statistic, value in expected.items():
        assert statistic("near", "imp")(results) == pytest.approx(np.full(10, value)), statistic


def test_levels_that_do_not_exist_are_not_the_last(results):
    results["density"] = results.density.copy(data=results.density.values.copy())
    results.density.loc[{"condition": "imp", "level": slice(3, None)}] = np.nan
    results.near.loc[{"condition": "imp", "level": slice(3, None)}] = np.nan
    assert num_levels(results, "imp").tolist() == [3] * 10
    assert final("near", "imp")(results).tolist() == [2.0] * 10
    assert final("near", "one_shot")(results).tolist() == [2.0] * 10


def test_replicate_without_a_level_has_no_value(results):
    results["density"] = results.density.copy(data=results.density.values.copy())
    results.density.loc[{"condition": "imp", "replicate": 0}] = np.nan
    found = difference(final("near", "imp"), final("near", "one_shot"))(results)
    assert np.isnan(found).tolist() == [True] + [False] * 9


def test_slope_is_that_of_a_straight_line():
    results = planted({("near", f"g{g}"): 1 + 0.5 * g for g in range(4)}, noise=0.0)
    found = slope([0, 1, 2, 3], [final("near", f"g{g}") for g in range(4)])(results)
    assert found == pytest.approx(np.full(10, 0.5))


def test_rank_correlation_is_scipys_and_vanishes_given_the_cause():
    stream = np.random.default_rng(0)
    cause = stream.normal(size=2000)
    a, b = cause + 0.3 * stream.normal(size=2000), cause + 0.3 * stream.normal(size=2000)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert abs(rank_correlation(a, b, [cause])) < 4 / np.sqrt(2000)


def test_rank_correlation_of_what_does_not_vary_is_nan():
    assert np.isnan(rank_correlation(np.ones(5), np.arange(5.0)))
    assert np.isnan(rank_correlation(np.arange(5.0), np.arange(5.0)[::-1], [np.arange(5.0)]))
