import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import (
    SUMMARIES,
    localities,
    locality,
    locality_by_fan_in,
    most_near_pairs,
    sample_masks,
)
from sparsight.measure._pair_counts import (
    available_pairs,
    far_displacements,
    near_displacements,
    pair_counts,
    unit_pair_sums,
)

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


def counts_of_each_unit(weights, geometry):
    """Return the pair counts of each unit by itself: two arrays, (out, *grid)."""
    return [
        np.stack(kind) for kind in zip(*(pair_counts(row[None], geometry) for row in weights), strict=True)
    ]


def test_many_units_are_the_sum_of_each():
    geometry = Geometry(2, (5, 4))
    mask = np.random.default_rng(0).random((150, 40)) < 0.3
    each = counts_of_each_unit(mask, geometry)
    for total, by_unit in zip(pair_counts(mask, geometry), each, strict=True):
        np.testing.assert_array_equal(total, by_unit.sum(axis=0))


@given(geometries, st.booleans(), st.integers(0, 10**6))
def test_unit_pair_sums_are_sums_over_the_pair_counts_of_each_unit(geometry, is_mask, seed):
    stream = np.random.default_rng(seed)
    weights = stream.random((3, geometry.num_inputs))
    weights = weights < 0.4 if is_mask else weights
    kernels = np.stack([near_displacements(geometry), far_displacements(geometry)])
    same = counts_of_each_unit(weights, geometry)[0]
    by_definition = [[unit[kernel].sum() for unit in same] for kernel in kernels]
    np.testing.assert_allclose(unit_pair_sums(weights, geometry, kernels), by_definition, atol=1e-9)
    squared = geometry.distances()[None] ** 2
    by_definition = [(unit * squared[0]).sum() for unit in same]
    np.testing.assert_allclose(unit_pair_sums(weights, geometry, squared)[0], by_definition, atol=1e-9)


@pytest.mark.parametrize("kind", ["mask", "map"])
@pytest.mark.parametrize("null", ["uniform", "fan_in", "configuration"])
@pytest.mark.parametrize(
    "geometry", [Geometry(3, (8, 8)), Geometry(1, (60,), wraps=True)], ids=["2d", "ring"]
)
def test_random_pruning_is_at_chance_under_every_null(null, geometry, kind):
    """Over 60 random masks each summary is 1 within 4.5 standard errors, z is 0 ± 1, and intervals hold."""
    found = []
    for seed in range(60):
        stream = np.random.default_rng([seed, 5])
        mask = stream.random((30, geometry.num_inputs)) < 0.08
        weights = mask if kind == "mask" else mask * stream.random(mask.shape)
        found.append(locality(weights, geometry, null=null, num_samples=8, seed=seed))
    for name in SUMMARIES:
        if geometry.channels == 1 and "different" in name:
            assert np.isnan(getattr(found[0], name))
            continue
        ratios, z = np.array([getattr(each, name) for each in found]), np.array([e.z[name] for e in found])
        assert abs(ratios.mean() - 1) < 4.5 * ratios.std(ddof=1) / np.sqrt(60), name
        assert abs(z.mean()) < 0.6, name
        assert 0.7 < z.std(ddof=1) < (1.8 if null == "configuration" else 1.35), name
        inside = [each.interval[name][0] <= getattr(each, name) <= each.interval[name][1] for each in found]
        assert np.mean(inside) > 0.85, name


@pytest.mark.parametrize("kind", ["mask", "map"])
@pytest.mark.parametrize("null", ["uniform", "fan_in"])
@pytest.mark.parametrize(
    "geometry",
    [Geometry(2, (4, 3)), Geometry(1, (9,), wraps=True), Geometry(3, (1,))],
    ids=["2d", "ring", "dot"],
)
def test_closed_forms_equal_mean_and_spread_of_draws(null, geometry, kind):
    stream = np.random.default_rng(1)
    weights = stream.random((5, geometry.num_inputs)) < np.linspace(0.3, 0.8, 5)[:, None]
    weights = weights if kind == "mask" else weights * stream.exponential(size=weights.shape)
    found = locality(weights, geometry, null=null)
    draws = np.array([pair_counts(drawn, geometry) for drawn in sample_masks(weights, null, 3000, 7)])
    expected = np.stack([found.same_channel_expected, found.different_channel_expected])
    error = np.std(draws, axis=0, ddof=1) / np.sqrt(3000)
    assert (np.abs(np.mean(draws, axis=0) - expected) < 5 * error + 1e-9).all()
    near, far = near_displacements(geometry), far_displacements(geometry)
    for name, kind_index, where in [
        ("near", 0, near),
        ("far", 0, far),
        ("near_different_channel", 1, near),
        ("far_different_channel", 1, far),
    ]:
        if expected[kind_index][where].sum() == 0:
            assert np.isnan(getattr(found, name))
            continue
        ratios = draws[:, kind_index][:, where].sum(axis=1) / expected[kind_index][where].sum()
        sd = (getattr(found, name) - 1) / found.z[name]
        if ratios.std() < 1e-9:  # nothing can vary
            assert np.isnan(sd)
        else:
            assert ratios.std() == pytest.approx(sd, rel=0.07), name


@pytest.mark.parametrize("null", ["uniform", "fan_in"])
def test_spread_of_the_radius_is_right_to_first_order(null):
    geometry = Geometry(3, (6, 6))
    mask = np.random.default_rng(0).random((40, 108)) < 0.2
    found = locality(mask, geometry, null=null)
    radii = [
        locality(drawn, geometry, null=null).radius_of_gyration for drawn in sample_masks(mask, null, 400, 3)
    ]
    assert np.mean(radii) == pytest.approx(1, abs=0.002)
    assert np.std(radii) == pytest.approx(
        (found.radius_of_gyration - 1) / found.z["radius_of_gyration"], rel=0.1
    )


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
        assert found.z["near"] > 10
        assert found.near > found.interval["near"][1]


def test_centred_discs_are_local_under_fan_in_and_chance_under_configuration():
    """Every unit keeps random pixels of one central disc: position is all there is to it."""
    geometry = Geometry(1, (20, 20))
    y, x = np.indices((20, 20)) - 9.5
    disc = (np.hypot(y, x) < 6).ravel()
    mask = disc & (np.random.default_rng(0).random((200, 400)) < 0.3)
    under_fan_in = locality(mask, geometry, null="fan_in")
    assert under_fan_in.near > 2
    assert under_fan_in.z["near"] > 20
    under_configuration = locality(mask, geometry, null="configuration", num_samples=40)
    assert under_configuration.near == pytest.approx(1, abs=0.03)
    assert abs(under_configuration.z["near"]) < 4


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
    whole = locality(mask, geometry)
    near, far = whole.near_per_unit, whole.far_per_unit
    for unit in range(9):
        found = locality(mask[unit : unit + 1], geometry)
        np.testing.assert_allclose([near[unit], far[unit]], [found.near, found.far])


def test_a_map_of_zeros_and_ones_is_its_mask():
    geometry = Geometry(2, (5, 4))
    mask = np.random.default_rng(0).random((9, 40)) < 0.3
    for null in ("uniform", "fan_in", "configuration"):
        of_mask, of_map = (locality(w, geometry, null=null, seed=3) for w in (mask, mask.astype(int)))
        np.testing.assert_allclose(of_map.same_channel, of_mask.same_channel, atol=1e-9)
        for name in SUMMARIES:
            assert getattr(of_map, name) == pytest.approx(getattr(of_mask, name))
            assert of_map.z[name] == pytest.approx(of_mask.z[name])


def test_large_values_side_by_side_are_local_where_the_mask_is_not():
    geometry = Geometry(1, (10, 10))
    squares = np.random.default_rng(0).random((30, 10, 10)) < 0.3
    weights = squares * np.where(np.indices((10, 10))[0] < 3, 1.0, 0.01)
    assert locality(squares.reshape(30, -1), geometry).near == pytest.approx(1, abs=0.1)
    assert locality(weights.reshape(30, -1), geometry).near > 2


def test_localities_are_locality_under_each_null():
    geometry = Geometry(1, (6, 6))
    mask = np.random.default_rng(0).random((9, 36)) < 0.3
    nulls = ("configuration", "uniform")
    for null, found in zip(nulls, localities(mask, geometry, nulls, num_samples=3, seed=1), strict=True):
        alone = locality(mask, geometry, null=null, num_samples=3, seed=1)
        assert (found.null, found.near, found.z["near"]) == (null, alone.near, alone.z["near"])


def test_fan_in_classes_part_the_units_from_few_inputs_to_many():
    geometry = Geometry(1, (8, 8))
    fan_in = np.array([0, 1, 30, 2, 5, 9, 3, 12, 4])
    mask = np.zeros((9, 64), bool)
    for unit, number in enumerate(fan_in):
        mask[unit, np.random.default_rng(unit).permutation(64)[:number]] = True
    classes = locality_by_fan_in(mask, geometry, num_classes=3)
    assert [(each.lowest, each.highest) for each in classes] == [(2, 4), (5, 9), (12, 30)]
    for each in classes:
        np.testing.assert_array_equal(each.locality.same_channel, pair_counts(mask[each.units], geometry)[0])
    assert len(locality_by_fan_in(mask, geometry, num_classes=50)) == 7
    assert locality_by_fan_in(mask[:2], geometry) == []
    with pytest.raises(InputError, match="num_classes is 0; 1 or more"):
        locality_by_fan_in(mask, geometry, num_classes=0)


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
    assert np.isnan(list(found.z.values())).all()
    assert found.num_undefined == 0
    assert locality(single, geometry, null=null, num_samples=2).num_undefined == 4
    for weights in (single, single * 0.37):
        found = locality(weights, geometry)
        assert np.isnan([found.near_per_unit, found.far_per_unit]).all()
    assert np.isnan(locality(np.zeros((0, 64), bool), geometry, null=null, num_samples=2).near)
    assert np.isnan(locality(np.ones((3, 1), bool), Geometry(1, (1,)), null=null, num_samples=1).near)


def test_available_pairs_count_all_ordered_pairs():
    geometry = Geometry(3, (4, 5))
    same, different = available_pairs(geometry)
    assert same.sum() == 3 * 20 * 19
    assert different.sum() == 3 * 2 * 20 * 20


@pytest.mark.parametrize(
    ("mask", "arguments", "message"),
    [
        (
            np.ones((2, 8), bool),
            {},
            r"mask is bool\(2, 8\); .* numbers of shape \(out, 9\) are needed to fit",
        ),
        (np.ones((2, 9), complex), {}, r"mask is complex128\(2, 9\)"),
        (np.ones(9, bool), {}, r"mask is bool\(9,\)"),
        (-np.ones((2, 9)), {}, "mask holds negative"),
        (np.full((2, 9), np.nan), {}, "NaN or infinite numbers"),
        (np.ones((2, 9), bool), {"null": "none"}, "null is 'none'"),
        (np.ones((2, 9), bool), {"null": "configuration", "num_samples": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(mask, arguments, message):
    with pytest.raises(InputError, match=message):
        locality(mask, Geometry(1, (3, 3)), **arguments)


SHARED = [Geometry(2, (6, 7)), Geometry(1, (24,), wraps=True), Geometry(3, (4, 4), wraps=True)]


@pytest.mark.parametrize("geometry", SHARED, ids=str)
def test_attained_share_and_radius_are_those_of_brute_force(geometry):
    stream = np.random.default_rng(2)
    numbers = np.linspace(2, 0.7 * geometry.num_inputs, 8).astype(int)
    mask = stream.permuted(np.arange(geometry.num_inputs) < numbers[:, None], axis=1)
    mask[0] = np.isin(np.arange(geometry.num_inputs), [0, 2])
    found = locality(mask, geometry)
    near, distances = near_displacements(geometry), geometry.distances()
    everything = brute_force(np.ones((1, geometry.num_inputs), bool), geometry)[0]
    of_all = np.sqrt((distances**2 * everything).sum() / everything.sum())
    shares, radii = [], []
    for row in mask:
        counts, k, n = brute_force(row[None], geometry)[0], row.sum(), geometry.num_inputs
        null = k * (k - 1) / (n * (n - 1)) * everything[near].sum()
        most = most_near_pairs(np.array([k]), geometry)[0]
        shares.append((counts[near].sum() - null) / (most - null))
        radii.append(np.sqrt((distances**2 * counts).sum() / counts.sum()) / of_all)
    np.testing.assert_allclose(found.attained_share_per_unit, shares)
    np.testing.assert_allclose(found.radius_of_gyration_per_unit, radii)
    assert found.attained_share == pytest.approx(np.mean(shares))
    assert found.mean_radius_of_gyration == pytest.approx(np.mean(radii))


@pytest.mark.parametrize("geometry", SHARED, ids=str)
def test_attained_share_of_random_masks_is_zero(geometry):
    mask = np.random.default_rng(3).random((4000, geometry.num_inputs)) < 0.25
    shares = locality(mask, geometry).attained_share_per_unit
    shares = shares[~np.isnan(shares)]
    assert abs(shares.mean()) < 4 * shares.std() / np.sqrt(len(shares))


def test_attained_share_does_not_depend_on_how_weights_are_divided_between_units():
    """Windows that are as compact as can be have share 1; their near is between 3 and 21."""
    geometry = Geometry(1, (96,), wraps=True)
    divided = {
        "equal": np.repeat([5, 4], [31, 33]),
        "geometric": np.maximum(1, np.round(41 * 0.87 ** np.arange(64))).astype(int),
        "few": np.repeat([29, 28, 0], [7, 3, 54]),
    }
    near = {}
    for name, fan_in in divided.items():
        mask = np.arange(96) < fan_in[:, None]
        found = locality(mask, geometry)
        assert found.attained_share == pytest.approx(1)
        assert found.near == pytest.approx(found.near_ceiling)
        near[name] = found.near
    assert near["equal"] > 4 * near["geometric"] > 4 * near["few"]


def test_units_count_by_their_weights():
    geometry = Geometry(1, (40,))
    mask = np.zeros((3, 40), bool)
    mask[0, 10:16] = True
    mask[1, ::7] = True  # spread over the whole line
    even = locality(mask, geometry)
    tilted = locality(mask, geometry, unit_weights=np.array([3.0, 1.0, 7.0]))
    shares, radii = even.attained_share_per_unit, even.radius_of_gyration_per_unit
    assert np.isnan([shares[2], radii[2]]).all()
    assert even.attained_share == pytest.approx(shares[:2].mean())
    assert tilted.attained_share == pytest.approx((3 * shares[0] + shares[1]) / 4)
    assert tilted.mean_radius_of_gyration == pytest.approx((3 * radii[0] + radii[1]) / 4)
    assert (tilted.near, tilted.radius_of_gyration) == (even.near, even.radius_of_gyration)
    assert np.isnan(locality(mask, geometry, unit_weights=np.array([0, 0, 1])).attained_share)
    for bad, message in (
        (np.ones(2), r"unit_weights is float64\(2,\); one number for each of 3 units"),
        (np.array([1.0, -1, 0]), "unit_weights holds negative"),
        (np.array([1.0, np.nan, 0]), "NaN or infinite"),
    ):
        with pytest.raises(InputError, match=message):
            locality(mask, geometry, unit_weights=bad)


def test_units_without_room_and_maps_have_no_attained_share():
    geometry = Geometry(1, (6,))
    mask = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0]], bool)
    found = locality(mask, geometry)
    assert np.isnan(found.attained_share_per_unit).tolist() == [True, True, True, False]
    assert found.attained_share == 1
    of_map = locality(mask * 0.3, geometry)
    assert np.isnan(of_map.attained_share_per_unit).all()
    assert np.isnan([of_map.attained_share, of_map.near_ceiling]).all()
    np.testing.assert_allclose(of_map.radius_of_gyration_per_unit, found.radius_of_gyration_per_unit)


def test_two_channels_without_a_pair_in_either_have_no_radius():
    mask = np.array([[0, 1, 0, 0, 1, 0]], bool)
    found = locality(mask, Geometry(2, (3,)))
    assert np.isnan(found.radius_of_gyration_per_unit).all()
    assert found.attained_share < 0
