import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from sparsight.errors import InputError
from sparsight.measure.cavity_contrast import contrast, matched_contrast, mean_over


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
    assert mean_over(delta, kept) == pytest.approx(a.mean())


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
    assert matched_contrast(delta, np.abs(delta), kept, np.zeros_like(kept))[1] == 0


def test_matching_removes_an_effect_of_size_alone():
    """Δ = |w| exactly: kept weights are larger, so they differ; at equal |w| they hardly do."""
    stream = np.random.default_rng(0)
    magnitude = stream.random((20, 2000))
    kept = stream.random(magnitude.shape) < magnitude
    plain = contrast(magnitude, kept, ~kept)
    matched, num_matched = matched_contrast(magnitude, magnitude, kept, ~kept, num_strata=100)
    assert plain.auc > 0.8
    assert matched.auc == pytest.approx(0.5, abs=0.02)
    assert abs(matched.difference) < 0.02 * plain.difference + 0.01
    assert num_matched > 2000


def test_matching_leaves_an_effect_that_size_does_not_explain():
    stream = np.random.default_rng(0)
    magnitude, delta = stream.random((20, 2000)), stream.normal(size=(20, 2000))
    kept = stream.random(magnitude.shape) < magnitude
    matched, _ = matched_contrast(delta + kept, magnitude, kept, ~kept)
    assert matched.difference == pytest.approx(1, abs=0.05)


def test_groups_that_overlap_are_refused():
    delta, kept, pruned = groups(0)
    with pytest.raises(InputError, match="overlap"):
        contrast(delta, kept, kept | pruned)
