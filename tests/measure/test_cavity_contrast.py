import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import mannwhitneyu, rankdata, spearmanr

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import (
    contrast,
    distance_from_centre,
    matched_contrast,
    matched_shares,
    mean_of_defined,
    rank_correlations,
)


def groups(seed, shape=(6, 40)):
    stream = np.random.default_rng(seed)
    group = stream.integers(0, 3, shape)
    return stream.integers(-3, 4, shape).astype(float), group == 1, group == 2


@given(st.integers(0, 10**6))
def test_contrast_equals_the_definition(seed):
    delta, kept, pruned = groups(seed)
    found = contrast(delta, kept, pruned)
    a, b = delta[kept], delta[pruned]
    pairs = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
    assert found.auc == pytest.approx(pairs)
    assert found.auc == pytest.approx(mannwhitneyu(a, b).statistic / (len(a) * len(b)))
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert mean_of_defined(delta[kept]) == pytest.approx(a.mean())


@given(st.integers(0, 10**6))
def test_swapping_the_groups_or_the_sign_flips_the_effect(seed):
    delta, kept, pruned = groups(seed)
    found = contrast(delta, kept, pruned)
    for flipped in (contrast(delta, pruned, kept), contrast(-delta, kept, pruned)):
        assert flipped.difference == pytest.approx(-found.difference)
        assert flipped.auc == pytest.approx(1 - found.auc)


def test_undefined_entries_are_left_out():
    delta, kept, pruned = groups(0)
    holed = delta.copy()
    holed[0] = np.nan
    assert contrast(holed, kept, pruned) == contrast(delta[1:], kept[1:], pruned[1:])


def test_empty_groups_are_nan():
    delta, kept, _ = groups(0)
    found = contrast(delta, kept, np.zeros_like(kept))
    assert found.kept == delta[kept].mean()
    assert np.isnan([found.pruned, found.difference, found.auc]).all()
    matched = matched_contrast(delta, np.abs(delta), kept, np.zeros_like(kept))
    assert matched.num_matched == 0
    assert np.isnan([matched.kept, matched.difference, matched.auc, matched.magnitude_ratio]).all()
    assert np.isnan(mean_of_defined(delta[np.zeros_like(kept)]))


def test_matching_removes_an_effect_of_size_alone():
    """Δ = |w| exactly: kept weights are larger, so they differ; at equal |w| they hardly do."""
    stream = np.random.default_rng(0)
    magnitude = stream.random((20, 2000))
    kept = stream.random(magnitude.shape) < magnitude
    plain = contrast(magnitude, kept, ~kept)
    matched = matched_contrast(magnitude, magnitude, kept, ~kept, num_strata=100)
    assert plain.auc > 0.8
    assert matched.auc == pytest.approx(0.5, abs=0.02)
    assert abs(matched.difference) < 0.02 * plain.difference + 0.01
    assert matched.num_matched > 2000
    assert matched.magnitude_ratio == pytest.approx(1, abs=0.02)


def test_matching_leaves_an_effect_that_size_does_not_explain():
    stream = np.random.default_rng(0)
    magnitude, delta = stream.random((20, 2000)), stream.normal(size=(20, 2000))
    kept = stream.random(magnitude.shape) < magnitude
    matched = matched_contrast(delta + kept, magnitude, kept, ~kept)
    assert matched.difference == pytest.approx(1, abs=0.05)


def test_groups_that_overlap_are_refused():
    delta, kept, pruned = groups(0)
    with pytest.raises(InputError, match="overlap"):
        contrast(delta, kept, kept | pruned)


def matched_by_loops(delta, magnitude, kept, pruned, num_strata):
    """The definition, by unit and stratum: rows of (size of the smaller group, kept, pruned, auc)."""
    rows = []
    for unit in range(len(delta)):
        entries = np.flatnonzero((kept | pruned)[unit] & ~np.isnan(delta[unit]))
        ranks = rankdata(magnitude[unit, entries])
        for stratum in range(num_strata):
            low, high = (len(entries) * edge / num_strata + 0.5 for edge in (stratum, stratum + 1))
            inside = entries[(ranks >= low) & (ranks < high)]
            a, b = delta[unit, inside[kept[unit, inside]]], delta[unit, inside[pruned[unit, inside]]]
            if len(a) and len(b):
                auc = mannwhitneyu(a, b).statistic / (len(a) * len(b))
                rows.append((min(len(a), len(b)), a.mean(), b.mean(), auc))
    return np.array(rows)


@given(st.integers(0, 10**6), st.sampled_from([1, 3, 5, 10]))
def test_matched_contrast_equals_the_definition(seed, num_strata):
    delta, kept, pruned = groups(seed)
    delta[np.random.default_rng(seed).random(delta.shape) < 0.1] = np.nan
    magnitude = np.random.default_rng(seed + 1).integers(0, 12, delta.shape).astype(float)  # many ties
    found = matched_contrast(delta, magnitude, kept, pruned, num_strata)
    rows = matched_by_loops(delta, magnitude, kept, pruned, num_strata)
    sizes, on_kept, on_pruned, auc = rows.T
    assert found.num_matched == sizes.sum()
    assert found.kept == pytest.approx(np.average(on_kept, weights=sizes))
    assert found.pruned == pytest.approx(np.average(on_pruned, weights=sizes))
    assert found.difference == pytest.approx(found.kept - found.pruned)
    assert found.auc == pytest.approx(np.average(auc, weights=sizes))


@given(st.integers(0, 10**6), st.sampled_from([1, 3, 5, 10]))
def test_matched_shares_give_the_means_of_matched_contrast(seed, num_strata):
    delta, kept, pruned = groups(seed)
    delta[np.random.default_rng(seed).random(delta.shape) < 0.1] = np.nan
    magnitude = np.random.default_rng(seed + 1).integers(0, 12, delta.shape).astype(float)
    found = matched_contrast(delta, magnitude, kept, pruned, num_strata)
    shares = matched_shares(delta, magnitude, kept, pruned, num_strata)
    assert not shares[np.isnan(delta) | ~(kept | pruned)].any()
    for group, mean in ((kept, found.kept), (pruned, found.pruned)):
        chosen = group & (shares > 0)
        assert shares[chosen].sum() == pytest.approx(found.num_matched)
        assert np.average(delta[chosen], weights=shares[chosen]) == pytest.approx(mean)


def test_a_threshold_leaves_one_stratum_of_each_unit():
    """Magnitude pruning of a layer: sizes never match, and the ratio says so."""
    magnitude = np.random.default_rng(0).random((8, 200))
    kept = magnitude > 0.35  # inside the fourth of ten strata
    found = matched_contrast(magnitude, magnitude, kept, ~kept)
    assert found.auc == 1
    assert found.magnitude_ratio > 1
    assert 8 <= found.num_matched <= 8 * 10


@given(st.integers(0, 10**6))
def test_rank_correlations_are_spearmans_within_units(seed):
    stream = np.random.default_rng(seed)
    deltas = [stream.integers(0, 6, (5, 30)).astype(float) for _ in range(2)]
    others = [stream.normal(size=(5, 30)) for _ in range(3)]
    chosen = stream.random((5, 30)) < 0.6
    deltas[1][0, :3] = others[2][1, 4] = np.nan
    used = chosen.copy()
    used[0, :3] = used[1, 4] = False
    found = rank_correlations(deltas, others, chosen)
    assert found.shape == (2, 3)
    for i, delta in enumerate(deltas):
        for j, other in enumerate(others):
            rho = [spearmanr(d[u], o[u]).statistic for d, o, u in zip(delta, other, used, strict=True)]
            assert found[i, j] == pytest.approx(np.average(rho, weights=used.sum(axis=1) - 1))


def test_rank_correlations_need_three_weights_that_vary():
    delta = np.array([[1.0, 2, 3, 4], [1, 1, 1, 1], [4, 3, 2, 1]])
    other = np.tile(np.arange(4.0), (3, 1))
    chosen = np.ones(delta.shape, bool)
    both_signs = rank_correlations([delta], [other], chosen)  # +1 and −1; the constant unit is left out
    assert both_signs == pytest.approx(0)
    assert rank_correlations([delta[:1]], [other[:1]], chosen[:1]) == pytest.approx(1)
    chosen[:, 2:] = False
    assert np.isnan(rank_correlations([delta], [other], chosen)).all()


@pytest.mark.parametrize("wraps", [False, True])
def test_distance_from_centre_is_the_distance_to_a_single_pixel(wraps):
    geometry = Geometry(2, (5, 8), wraps)
    place = (4, 7)
    weights = np.zeros((1, *geometry.shape))
    weights[0, 1][place] = 2.0
    found = distance_from_centre(weights.reshape(1, -1), geometry).reshape(geometry.shape)
    for y in range(5):
        for x in range(8):
            dy, dx = abs(y - place[0]), abs(x - place[1])
            if wraps:
                dy, dx = min(dy, 5 - dy), min(dx, 8 - dx)
            np.testing.assert_allclose(found[:, y, x], np.hypot(dy, dx), atol=1e-9)


def test_distance_from_centre_straddles_the_border_of_a_torus():
    weights = np.zeros((2, 10))
    weights[0, [9, 1]] = 1.0
    found = distance_from_centre(weights, Geometry(1, (10,), wraps=True))
    np.testing.assert_allclose(found[0], [0, 1, 2, 3, 4, 5, 4, 3, 2, 1], atol=1e-9)
    assert np.isnan(found[1]).all()


def test_what_does_not_fit_is_refused():
    delta, kept, pruned = groups(0)
    with pytest.raises(InputError, match="num_strata is 0"):
        matched_contrast(delta, np.abs(delta), kept, pruned, 0)
    with pytest.raises(InputError, match="weights has shape .*, but geometry has 12"):
        distance_from_centre(delta, Geometry(1, (12,)))
