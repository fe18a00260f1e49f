import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure.locality import locality, unit_locality, weighted_pair_counts_expected
from sparsight.measure.pair_counts import available_pairs, pair_counts, unit_pair_counts

geometries = st.builds(
    Geometry,
    st.integers(1, 3),
    st.one_of(st.tuples(st.integers(1, 7)), st.tuples(st.integers(1, 4), st.integers(1, 4))),
    st.booleans(),
)


def brute_force(weights, geometry):
    """Every ordered pair of different inputs of one unit, put where its displacement is."""
    grid = geometry.displacements()
    where = {
        tuple(d): index
        for index, d in zip(np.ndindex(grid.shape[:-1]), grid.reshape(-1, grid.shape[-1]), strict=True)
    }
    extents = np.array(geometry.size)
    positions = geometry.positions()
    same, different = np.zeros(grid.shape[:-1]), np.zeros(grid.shape[:-1])
    for row in weights.astype(float):
        for i in np.flatnonzero(row):
            for j in np.flatnonzero(row):
                (channel_i, pixel_i), (channel_j, pixel_j) = (
                    divmod(i, geometry.num_pixels),
                    divmod(j, geometry.num_pixels),
                )
                d = positions[pixel_j] - positions[pixel_i]
                if geometry.wraps:
                    d = (d + extents // 2) % extents - extents // 2
                if i != j:
                    (same if channel_i == channel_j else different)[where[tuple(d)]] += row[i] * row[j]
    return same, different


@given(geometries, st.integers(1, 3), st.sampled_from([0.0, 0.2, 0.7, 1.0]), st.integers(0, 10**6))
def test_pair_counts_equal_brute_force(geometry, num_units, density, seed):
    mask = np.random.default_rng(seed).random((num_units, geometry.num_inputs)) < density
    counts, expected = pair_counts(mask, geometry), brute_force(mask, geometry)
    np.testing.assert_array_equal(counts[0], expected[0])
    np.testing.assert_array_equal(counts[1], expected[1])


@given(geometries, st.integers(0, 10**6))
def test_weighted_pair_counts_equal_brute_force(geometry, seed):
    weights = np.random.default_rng(seed).normal(size=(2, geometry.num_inputs)) ** 2
    for fast, slow in zip(pair_counts(weights, geometry), brute_force(weights, geometry), strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)


def test_many_units_are_the_sum_of_each():
    geometry = Geometry(2, (5, 4))
    mask = np.random.default_rng(0).random((150, 40)) < 0.3
    each = unit_pair_counts(mask, geometry)
    for total, by_unit in zip(pair_counts(mask, geometry), each, strict=True):
        np.testing.assert_array_equal(total, by_unit.sum(axis=0))


@pytest.mark.parametrize("null", ["uniform", "fan_in", "configuration"])
@pytest.mark.parametrize(
    "geometry", [Geometry(3, (12, 12)), Geometry(1, (60,), wraps=True)], ids=["2d", "ring"]
)
def test_random_masks_are_at_chance_under_every_null(null, geometry):
    """The ratios of 40 random masks average to 1 within 4 standard errors."""
    near, far, radius, z = [], [], [], []
    for seed in range(40):
        mask = np.random.default_rng(seed).random((50, geometry.num_inputs)) < 0.08
        found = locality(mask, geometry, null=null, num_samples=12, seed=seed)
        near.append(found.near)
        far.append(found.far)
        radius.append(found.radius_of_gyration)
        z.append(found.near_z)
    for ratios in (near, far, radius):
        assert abs(np.mean(ratios) - 1) < 4 * np.std(ratios, ddof=1) / np.sqrt(40)
    assert abs(np.mean(z)) < 4 * np.std(z, ddof=1) / np.sqrt(40)
    assert 0.5 < np.std(z, ddof=1) < 2


@pytest.mark.parametrize("null", ["uniform", "fan_in"])
def test_closed_forms_equal_the_mean_of_draws(null):
    geometry = Geometry(2, (6, 5))
    mask = np.random.default_rng(1).random((20, 60)) < np.linspace(0.05, 0.6, 20)[:, None]
    found = locality(mask, geometry, null=null, num_samples=600)
    assert abs(np.mean(found.near_interval) - 1) < 0.02
    stream = np.random.default_rng(2)
    draws = []
    for _ in range(600):
        drawn = (
            stream.permuted(mask, axis=1)
            if null == "fan_in"
            else stream.permutation(mask.ravel()).reshape(mask.shape)
        )
        draws.append(np.stack(pair_counts(drawn, geometry)))
    expected = np.stack([found.same_channel_expected, found.different_channel_expected])
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(600)
    assert (np.abs(np.mean(draws, axis=0) - expected) < 5 * error + 1e-9).all()


def test_patches_are_local_and_smaller_than_chance():
    geometry = Geometry(1, (20, 20))
    stream = np.random.default_rng(0)
    mask = np.zeros((60, 20, 20), bool)
    for unit in range(60):
        y, x = stream.integers(0, 16, 2)
        mask[unit, y : y + 4, x : x + 4] = stream.random((4, 4)) < 0.7
    for null in ("uniform", "fan_in", "configuration"):
        found = locality(mask.reshape(60, -1), geometry, null=null, num_samples=10)
        assert found.near > 5
        assert found.far < 0.1
        assert found.radius_of_gyration < 0.4
        assert found.near_z > 10


def test_centred_discs_are_local_under_fan_in_and_chance_under_configuration():
    """Every unit keeps random pixels of one central disc: position is all there is to it."""
    geometry = Geometry(1, (20, 20))
    y, x = np.indices((20, 20)) - 9.5
    disc = (np.hypot(y, x) < 6).ravel()
    mask = disc & (np.random.default_rng(0).random((200, 400)) < 0.3)
    under_fan_in = locality(mask, geometry, null="fan_in", num_samples=20)
    assert under_fan_in.near > 2
    assert under_fan_in.near_z > 20
    under_configuration = locality(mask, geometry, null="configuration", num_samples=40)
    assert under_configuration.near == pytest.approx(1, abs=0.03)
    assert abs(under_configuration.near_z) < 4


def test_translation_on_a_torus_changes_nothing():
    geometry = Geometry(2, (6, 7), wraps=True)
    mask = np.random.default_rng(0).random((5, 84)) < 0.2
    moved = np.roll(mask.reshape(5, 2, 6, 7), (2, 3), axis=(2, 3)).reshape(5, 84)
    for a, b in zip(pair_counts(mask, geometry), pair_counts(moved, geometry), strict=True):
        np.testing.assert_array_equal(a, b)


def test_order_of_units_and_kind_of_array_change_nothing():
    geometry = Geometry(1, (5, 5))
    mask = np.random.default_rng(0).random((9, 25)) < 0.4
    found = locality(mask, geometry)
    assert locality(mask[::-1], geometry).near == found.near
    assert locality(torch.from_numpy(mask), geometry).near == found.near


def test_unit_locality_is_locality_of_the_unit():
    geometry = Geometry(2, (5, 5))
    mask = np.random.default_rng(0).random((9, 50)) < 0.2
    near, far = unit_locality(mask, geometry)
    for unit in range(9):
        found = locality(mask[unit : unit + 1], geometry)
        np.testing.assert_allclose([near[unit], far[unit]], [found.near, found.far])


def test_weighted_expectation_is_the_mean_over_permutations():
    geometry = Geometry(1, (2, 3))
    weights = np.random.default_rng(0).random((2, 6))
    draws = [
        np.stack(pair_counts(np.random.default_rng(seed).permuted(weights, axis=1), geometry))
        for seed in range(4000)
    ]
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(4000)
    expected = np.stack(weighted_pair_counts_expected(weights, geometry))
    assert (np.abs(np.mean(draws, axis=0) - expected) < 5 * error + 1e-12).all()


@pytest.mark.parametrize("null", ["uniform", "fan_in", "configuration"])
def test_degenerate_masks_are_nan_or_one(null):
    geometry = Geometry(1, (8, 8))
    empty, full = np.zeros((4, 64), bool), np.ones((4, 64), bool)
    single = np.eye(4, 64, dtype=bool)
    for mask in (empty, single):
        found = locality(mask, geometry, null=null, num_samples=2)
        if null != "uniform" or mask is empty:
            assert np.isnan([found.near, found.far, found.radius_of_gyration]).all()
    found = locality(full, geometry, null=null, num_samples=2)
    assert [found.near, found.far, found.radius_of_gyration] == pytest.approx([1, 1, 1], abs=1e-12)
    assert np.isnan(found.near_different_channel)
    assert np.isnan(unit_locality(single, geometry)).all()
    assert np.isnan(locality(np.ones((3, 1), bool), Geometry(1, (1,)), null=null, num_samples=1).near)


def test_available_pairs_count_all_ordered_pairs():
    geometry = Geometry(3, (4, 5))
    same, different = available_pairs(geometry)
    assert same.sum() == 3 * 20 * 19
    assert different.sum() == 3 * 2 * 20 * 20


@pytest.mark.parametrize(
    ("mask", "arguments", "message"),
    [
        (np.ones((2, 9)), {}, r"mask is float64\(2, 9\); bool with \(out, 9\)"),
        (np.ones((2, 8), bool), {}, "fits the geometry"),
        (np.ones((2, 9), bool), {"null": "none"}, "null is 'none'"),
        (np.ones((2, 9), bool), {"null": "configuration"}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(mask, arguments, message):
    with pytest.raises(InputError, match=message):
        locality(mask, Geometry(1, (3, 3)), **arguments)
