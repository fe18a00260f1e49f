import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.measure import matched_contrast, threshold_contrast


def by_dummies(delta, magnitude, kept, pruned, bandwidth):
    """The definition, with a column for every unit: (jump, number of pairs)."""
    entries = [(u, i) for u, i in np.argwhere(kept | pruned) if not np.isnan(delta[u, i])]
    sizes = sorted((magnitude[e] for e in entries), reverse=True)
    num_kept = sum(kept[e] for e in entries)
    threshold = np.sqrt(sizes[num_kept - 1] * sizes[num_kept])
    near = [e for e in entries if abs(np.log(magnitude[e] / threshold)) < bandwidth]
    both = [u for u in range(len(delta)) if len({kept[e] for e in near if e[0] == u}) == 2]
    rows, values, weights = [], [], []
    for u, i in near:
        if u in both:
            x = np.log(magnitude[u, i] / threshold)
            rows.append([kept[u, i], x, kept[u, i] * x, *(u == unit for unit in both)])
            values.append(delta[u, i])
            weights.append(1 - abs(x) / bandwidth)
    root = np.sqrt(weights)
    solution = np.linalg.lstsq(np.array(rows, float) * root[:, None], np.array(values) * root, rcond=None)[0]
    pairs = sum(
        min(sum(kept[e] for e in near if e[0] == u), sum(not kept[e] for e in near if e[0] == u))
        for u in both
    )
    return solution[0], pairs


@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.2, 0.5]))
def test_jump_equals_the_regression_with_a_column_for_every_unit(seed, by_size, bandwidth):
    stream = np.random.default_rng(seed)
    magnitude = np.abs(stream.normal(size=(5, 60)))
    mask = stream.random(magnitude.shape) < 0.9
    kept = mask & ((magnitude > 0.4) if by_size else (stream.random(magnitude.shape) < 0.7))
    delta = stream.normal(size=magnitude.shape) + magnitude + 3 * np.arange(5)[:, None]
    delta[stream.random(delta.shape) < 0.05] = np.nan
    found = threshold_contrast(delta, magnitude, kept, mask & ~kept, bandwidth=bandwidth, min_pairs=8)
    jump, pairs = by_dummies(delta, magnitude, kept, mask & ~kept, bandwidth)
    assert found.num_pairs == pairs
    if pairs >= 8:
        assert found.jump == pytest.approx(jump, rel=1e-6, abs=1e-8)
    else:
        assert np.isnan(found.jump)


def pruned_layer(already_pruned=0.0, num_units=64, num_inputs=600):
    """Gaussian weights, of which the smallest fifth goes."""
    magnitude = np.abs(np.random.default_rng(0).normal(size=(num_units, num_inputs)))
    mask = magnitude > already_pruned
    threshold = np.quantile(magnitude[mask], 0.2)
    return magnitude, mask & (magnitude > threshold), mask & (magnitude <= threshold), threshold


@pytest.mark.parametrize("already_pruned", [0.0, 1.0])
@pytest.mark.parametrize("power", [2, 4])
def test_a_smooth_steep_effect_of_size_has_no_jump_though_strata_find_one(already_pruned, power):
    magnitude, kept, pruned, threshold = pruned_layer(already_pruned)
    delta = magnitude**power / threshold**power  # 1 at the threshold
    found = threshold_contrast(delta, magnitude, kept, pruned)
    assert found.threshold == pytest.approx(threshold, rel=1e-3)
    assert abs(found.jump) < {2: 0.01, 4: 0.05}[power]
    assert matched_contrast(delta, magnitude, kept, pruned).difference > {2: 0.05, 4: 0.1}[power]


def test_a_planted_jump_is_recovered_beside_slopes_and_levels_of_units():
    magnitude, kept, pruned, threshold = pruned_layer()
    stream = np.random.default_rng(1)
    noise = stream.normal(size=magnitude.shape)
    of_unit = 10 * stream.normal(size=(len(magnitude), 1))
    delta = 0.5 * kept + of_unit + np.log(np.maximum(magnitude, 1e-9)) * (1 + kept) + noise
    expected = 0.5 + np.log(threshold)  # the slopes differ, and meet where log|w| is 0
    found = threshold_contrast(delta, magnitude, kept, pruned)
    assert found.jump == pytest.approx(expected, abs=4 * 2 / found.num_pairs**0.5)
    assert found.num_pairs > 500


def test_units_of_different_levels_on_either_side_do_not_make_a_jump():
    """A unit of large Δ has nearly all its weights kept: between units kept weights have more."""
    stream = np.random.default_rng(0)
    magnitude = stream.uniform(0.9, 1.1, (40, 200))
    magnitude[:20] = np.where(stream.random((20, 200)) < 0.9, magnitude[:20] + 0.1, magnitude[:20])
    kept = magnitude > 1
    delta = np.where(np.arange(40) < 20, 5.0, 0.0)[:, None] + stream.normal(size=magnitude.shape)
    assert delta[kept].mean() - delta[~kept].mean() > 0.5
    assert abs(threshold_contrast(delta, magnitude, kept, ~kept).jump) < 0.2


def test_too_few_pairs_have_no_jump_but_a_number():
    magnitude, kept, pruned, _ = pruned_layer(num_units=2, num_inputs=100)
    found = threshold_contrast(magnitude, magnitude, kept, pruned)
    assert 0 < found.num_pairs < 50
    assert np.isnan(found.jump)
    assert np.isfinite(threshold_contrast(magnitude, magnitude, kept, pruned, min_pairs=1).jump)
    for groups in ((kept, np.zeros_like(kept)), (np.zeros_like(kept), pruned)):
        empty = threshold_contrast(magnitude, magnitude, *groups)
        assert np.isnan([empty.jump, empty.threshold]).all()
        assert empty.num_pairs == 0


def test_equal_sizes_on_one_side_and_sizes_of_zero_determine_no_jump():
    stream = np.random.default_rng(0)
    magnitude = np.where(np.arange(200) < 100, 1.0, stream.uniform(1.01, 1.1, (4, 200)))
    kept = magnitude > 1
    assert np.isnan(threshold_contrast(stream.normal(size=kept.shape), magnitude, kept, ~kept).jump)
    assert threshold_contrast(magnitude, np.zeros_like(magnitude), kept, ~kept).num_pairs == 0


def test_what_does_not_fit_is_refused():
    magnitude, kept, pruned, _ = pruned_layer(num_units=2)
    with pytest.raises(InputError, match="bandwidth is 0"):
        threshold_contrast(magnitude, magnitude, kept, pruned, bandwidth=0.0)
    with pytest.raises(InputError, match="overlap"):
        threshold_contrast(magnitude, magnitude, kept, kept)
