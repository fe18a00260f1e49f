import numpy as np
import pytest
from scipy.stats import spearmanr

from sparsight.errors import InputError
from sparsight.reproduce._statistics import (
    at_density,
    best_beyond_dense,
    change,
    dense,
    difference,
    final,
    in_window,
    last_above_earlier,
    num_levels,
    rank_correlation,
    rank_correlation_with_level,
    ratio,
    rise,
    slope,
)
from tests.reproduce.planted import planted

DENSITIES = 0.6 ** np.arange(6)  # of `planted`: 1, 0.6, 0.36, 0.216, 0.13, 0.078


@pytest.fixture
def results():
    return planted({("near", "imp"): np.arange(6.0), ("near", "one_shot"): 2.0}, noise=0.0)


def _ending_early(results, replicates, level):
    """The same results with replicates of imp that stop before a level."""
    where = {"condition": "imp", "replicate": replicates, "level": slice(level, None)}
    changed = results.copy(deep=True)
    changed["density"] = results.density.copy(data=results.density.values.copy())
    for name in ("density", "near"):
        changed[name].loc[where] = np.nan
    return changed


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        (final("near", "imp"), 5.0),
        (dense("near", "imp"), 0.0),
        (change("near", "imp"), 5.0),
        (last_above_earlier("near", "imp"), 1.0),
        (best_beyond_dense("near", "imp"), 5.0),
        (rank_correlation_with_level("near", "imp"), 1.0),
        (in_window("near", "imp", 0.0, 2.0), 2.5),
        (in_window("near", "imp", 0.0, 1.0), 3.0),
        (in_window("near", "imp", 0.36, 1.0), 1.5),  # the lower end belongs to the window
        (in_window("near", "imp", 0.0, 2.0, pruning=True), 2.0),
        (in_window("near", "imp", 0.0, 0.1, pruning=True), np.nan),
        (in_window("near", "imp", 0.3, 0.35), np.nan),
        (rise("near", "imp", (0.1, 0.3)), 3.5),
        (at_density("near", "imp", 0.2), 3.0),
        (at_density("near", "imp", 0.2, 0.05), np.nan),
        (at_density("near", "imp", 1.0), 0.0),
        (ratio(final("near", "imp"), final("near", "one_shot")), 2.5),
        (ratio(final("near", "imp"), dense("near", "imp")), np.nan),
    ],
)
def test_each_statistic_is_what_it_says(results, statistic, value):
    assert statistic(results) == pytest.approx(np.full(10, value), nan_ok=True)


def test_best_level_is_chosen_by_the_other_replicates(results):
    values = np.zeros((10, 6))
    values[:, 0] = 0.25  # dense
    values[:, 2] = 1.0  # the best for all
    values[3, 4] = 100.0  # one outlier makes level 4 the best for all others, and not for itself
    changed = results.copy(deep=True)
    changed["near"].loc[{"condition": "imp"}] = values
    expected = np.full(10, -0.25)
    expected[3] = 0.75
    assert best_beyond_dense("near", "imp")(changed) == pytest.approx(expected)


def test_noise_alone_has_no_best_level_beyond_dense(results):
    gains, greatest = [], []
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=(10, 6))
        changed = results.copy(deep=True)
        changed["near"].loc[{"condition": "imp"}] = values
        gains.append(best_beyond_dense("near", "imp")(changed).mean())
        greatest.append((values[:, 1:].max(axis=1) - values[:, 0]).mean())
    standard_error = np.std(gains) / np.sqrt(len(gains))
    assert abs(np.mean(gains)) < 4 * standard_error
    assert np.mean(greatest) > 1.0  # what a maximum over levels would have found


def test_best_level_needs_two_replicates_and_a_pruned_level(results):
    alone = results.isel(replicate=[0])
    assert np.isnan(best_beyond_dense("near", "imp")(alone)).all()
    assert np.isnan(best_beyond_dense("near", "imp")(results.isel(level=[0]))).all()


def test_window_and_nearest_level_are_found_by_a_loop_over_levels(results):
    values = np.arange(6.0)
    stream = np.random.default_rng(0)
    for low, high in np.sort(stream.uniform(0, 1.1, (30, 2)), axis=1):
        inside = [value for value, d in zip(values, DENSITIES, strict=True) if low <= d < high]
        expected = np.mean(inside) if inside else np.nan
        assert in_window("near", "imp", low, high)(results) == pytest.approx(
            np.full(10, expected), nan_ok=True
        )
    for density in stream.uniform(0.05, 1.1, 30):
        nearest = min(range(6), key=lambda level: abs(DENSITIES[level] / density - 1))
        within = abs(DENSITIES[nearest] / density - 1) <= 0.2
        expected = values[nearest] if within else np.nan
        found = at_density("near", "imp", density, 0.2)(results)
        assert found == pytest.approx(np.full(10, expected), nan_ok=True)


def test_last_hypothetical_pruning_dominates_a_mean_over_levels_but_not_a_window():
    # the planted case: no effect wherever something is pruned, and a large one where nothing is
    means = {("contrast", "imp"): np.array([0, 0, 0, 0, 0, -1.0])}
    results = planted(means, noise=0.0)
    assert results.contrast.mean() == pytest.approx(-1 / 6)
    assert in_window("contrast", "imp", 0.0, 2.0, pruning=True)(results).tolist() == [0.0] * 10


def test_replicate_with_other_levels_is_missing_instead_of_averaged_over_others(results):
    # the planted case: a mean over the levels that exist calls a replicate less local that only stopped early
    early = _ending_early(results, [3], 3)
    assert num_levels(early, "imp").tolist() == [6, 6, 6, 3, 6, 6, 6, 6, 6, 6]
    assert early.near.sel(condition="imp", replicate=3).mean() == 1.0
    for statistic in (
        final("near", "imp"),
        change("near", "imp"),
        last_above_earlier("near", "imp"),
        rank_correlation_with_level("near", "imp"),
        in_window("near", "imp", 0.0, 2.0),
        in_window("near", "imp", 0.0, 2.0, pruning=True),
        at_density("near", "imp", 0.13),
        difference(final("near", "imp"), final("near", "one_shot")),
    ):
        assert np.isnan(statistic(early)).tolist() == [place == 3 for place in range(10)]
    # in the window above its end it has the same levels as the others
    assert in_window("near", "imp", 0.3, 2.0)(early).tolist() == [1.0] * 10


def test_levels_of_most_replicates_count(results):
    early = _ending_early(results, list(range(7)), 3)
    assert final("near", "imp")(early)[:7].tolist() == [2.0] * 7
    assert np.isnan(final("near", "imp")(early)[7:]).all()
    # of two sets of levels that are equally frequent, the larger
    half = _ending_early(results, list(range(5)), 3)
    for statistic in (final("near", "imp"), rank_correlation_with_level("near", "imp")):
        assert np.isnan(statistic(half)).tolist() == [True] * 5 + [False] * 5


def test_undefined_level_in_the_window_makes_the_replicate_missing(results):
    results.near.loc[{"condition": "imp", "replicate": 2, "level": 2}] = np.nan
    found = in_window("near", "imp", 0.1, 2.0)(results)
    assert np.isnan(found).tolist() == [place == 2 for place in range(10)]


def test_replicate_without_a_level_has_no_value(results):
    none = _ending_early(results, [0], 0)
    found = difference(final("near", "imp"), final("near", "one_shot"))(none)
    assert np.isnan(found).tolist() == [True] + [False] * 9
    assert np.isnan(at_density("near", "imp", 0.6)(_ending_early(results, slice(None), 0))).all()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: in_window("near", "imp", 0.5, 0.5), r"the density window is \[0.5, 0.5\)"),
        (lambda: in_window("near", "imp", -1, 0.5), "0 ≤ low < high"),
        (lambda: at_density("near", "imp", 0.0), "density is 0"),
        (lambda: at_density("near", "imp", 0.1, 0.0), "tolerance 0"),
    ],
)
def test_windows_without_levels_are_refused(call, match):
    with pytest.raises(InputError, match=match):
        call()


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
