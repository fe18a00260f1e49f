import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from sparsight.geometry import Geometry
from sparsight.instruments import INSTRUMENTS, Observation
from sparsight.instruments._locality import measure_locality
from sparsight.instruments._shape_fits import measure_shape_fits
from sparsight.measure import SUMMARIES, ipr, ipr_of_cut_gaussian, locality, num_components

GEOMETRY = Geometry(2, (9, 8))


def observation(mask, depth=0, geometry=GEOMETRY, paths=None, weight=None):
    if weight is None:
        weight = np.random.default_rng(0).normal(size=mask.shape)
    return Observation(
        layer="layer",
        depth=depth,
        level=3,
        seed=1,
        weight=(weight * mask).astype(np.float32),
        bias=None,
        mask=mask,
        next_mask=mask,
        inputs=torch.zeros(1, mask.shape[1]),
        labels=torch.zeros(1, dtype=torch.long),
        twin_inputs=None,
        geometry=geometry,
        paths=mask.astype(np.float64) if paths is None else paths,
        num_classes=2,
    )


def test_quantities_are_those_of_the_plain_functions():
    assert INSTRUMENTS["locality"] is measure_locality
    assert INSTRUMENTS["shape_fits"] is measure_shape_fits
    mask = np.random.default_rng(0).random((20, 144)) < 0.2
    mask[3] = False
    mask[4] = np.arange(144) == 7
    seen = observation(mask)
    found = measure_locality(seen)
    for null, suffix in (("fan_in", ""), ("uniform", "_uniform")):
        plain = locality(mask, GEOMETRY, null=null)
        for name in SUMMARIES:
            assert found[f"{name}{suffix}"].value == getattr(plain, name)
            assert found[f"{name}_z{suffix}"].value == plain.z[name]
            assert tuple(found[f"{name}_interval{suffix}"].value) == plain.interval[name]
        np.testing.assert_array_equal(found[f"pairs_same_channel_{null}"].value, plain.same_channel_expected)
    np.testing.assert_array_equal(found["near_per_unit"].value, locality(mask, GEOMETRY).near_per_unit)
    np.testing.assert_array_equal(found["ipr_per_unit"].value, ipr(seen.weight))
    np.testing.assert_array_equal(found["fan_in_per_unit"].value, mask.sum(axis=1))
    np.testing.assert_array_equal(found["fan_out_per_input"].value, mask.sum(axis=0))
    assert found["near_squared_weights"].value == locality(seen.weight.astype(float) ** 2, GEOMETRY).near
    assert found["connected_units"].value == 19
    assert found["num_undefined"].value == 2
    assert 0.8 < found["near_configuration"].value < 1.2
    assert abs(found["near_z_configuration"].value) < 4
    for quantity in found.values():
        assert len(quantity.dims) == np.ndim(quantity.value)
        assert quantity.definition


def test_the_same_level_gives_the_same_numbers():
    mask = np.random.default_rng(0).random((20, 144)) < 0.2
    first, second = (measure_locality(observation(mask)) for _ in range(2))
    for name, quantity in first.items():
        np.testing.assert_array_equal(quantity.value, second[name].value)


def test_shape_and_fan_in_are_those_of_the_plain_functions():
    mask = np.random.default_rng(0).random((20, 144)) < 0.2
    mask[3] = False
    seen = observation(mask)
    found = {name: quantity.value for name, quantity in measure_locality(seen).items()}
    squares = np.square(seen.weight.astype(float))
    shares = squares / np.where(mask.any(axis=1), squares.sum(axis=1), np.nan)[:, None]
    np.testing.assert_allclose(found["participation_ratio_per_unit"], 1 / (shares**2).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["entropy_per_unit"], stats.entropy(shares.T), rtol=1e-6)
    assert found["entropy"] == pytest.approx(np.nanmean(found["entropy_per_unit"]))
    for unit in (0, 7):
        positions = GEOMETRY.positions()[np.flatnonzero(mask[unit]) % 72]
        np.testing.assert_allclose(found["centre_per_unit"][unit], positions.mean(axis=0))
        np.testing.assert_allclose(found["covariance_per_unit"][unit], np.cov(positions.T, ddof=0))
    assert np.isnan(found["centre_per_unit"][3]).all()
    np.testing.assert_array_equal(found["fan_in_histogram"], np.bincount(mask.sum(axis=1), minlength=145))
    binomial = 20 * stats.binom.pmf(np.arange(145), 144, mask.mean())
    np.testing.assert_allclose(found["fan_in_histogram_binomial"], binomial)


def test_maps_of_the_fan_in_classes_add_up_to_those_of_the_layer():
    mask = np.random.default_rng(0).random((20, 144)) < np.linspace(0.02, 0.5, 20)[:, None]
    found = {name: quantity.value for name, quantity in measure_locality(observation(mask)).items()}
    for kind in ("same_channel", "different_channel"):
        parts, whole = found[f"pairs_{kind}_by_fan_in"], found[f"pairs_{kind}"]
        np.testing.assert_allclose(parts.sum(axis=0), whole, atol=1e-9)
        expected = found[f"pairs_{kind}_by_fan_in_expected"].sum(axis=0)
        np.testing.assert_allclose(expected, found[f"pairs_{kind}_fan_in"], rtol=1e-9)
    assert (found["lowest_fan_in_by_fan_in"][1:] >= found["highest_fan_in_by_fan_in"][:-1]).all()
    few = measure_locality(observation(mask[-2:]))
    assert np.isnan(few["near_by_fan_in"].value).tolist() == [False, False, True, True]


def test_pieces_of_patches_are_fewer_than_of_random_masks():
    mask = np.zeros((12, 2, 9, 8), bool)
    for unit in range(12):
        mask[unit, :, unit % 5 : unit % 5 + 3, unit % 4 : unit % 4 + 3] = True
    found = measure_locality(observation(mask.reshape(12, -1)))
    assert found["num_pieces"].value == 1
    assert found["num_pieces_fan_in"].value > 1.5
    np.testing.assert_allclose(found["radius_per_unit"].value, np.sqrt(4 / 3))


@pytest.mark.parametrize("fill", [True, False])
def test_full_and_empty_masks_are_one_or_nan(fill):
    found = measure_locality(observation(np.full((5, 144), fill)))
    for suffix in ("", "_uniform", "_configuration"):
        for name in SUMMARIES:
            value = found[f"{name}{suffix}"].value
            assert value == pytest.approx(1, abs=1e-12) if fill else np.isnan(value)
            assert np.isnan(found[f"{name}_z{suffix}"].value)
    assert np.isnan(found["ipr"].value) == (not fill)
    assert found["num_undefined"].value == (0 if fill else 5)


def test_deeper_layers_are_seen_through_paths_and_have_no_z():
    stream = np.random.default_rng(0)
    first, second = stream.random((30, 144)) < 0.05, stream.random((10, 30)) < 0.1
    paths = second.astype(float) @ first
    found = measure_locality(observation(second, depth=1, paths=paths))
    assert found["near"].value == locality(paths > 0, GEOMETRY).near
    assert found["near_paths"].value == locality(paths, GEOMETRY).near
    assert not any("_z" in name or "_interval" in name for name in found)
    assert "near_squared_weights" not in found
    assert len(found["fan_out_per_input"].value) == 144


def test_random_pruning_of_two_layers_is_at_chance_through_paths():
    """Units share paths, so the spread is over networks and not over units: 60 of them."""
    near = []
    for seed in range(60):
        stream = np.random.default_rng(seed)
        first, second = stream.random((30, 144)) < 0.05, stream.random((10, 30)) < 0.1
        near.append(locality((second.astype(int) @ first) > 0, GEOMETRY).near)
    assert abs(np.mean(near) - 1) < 4 * np.std(near, ddof=1) / np.sqrt(60)


def test_shape_fits_see_bumps_where_shuffled_weights_show_none():
    geometry = Geometry(1, (14, 14))
    y, x = geometry.positions().T
    bumps = np.stack([np.exp(-((y - 4 - u % 5) ** 2 + (x - 7) ** 2) / 8) for u in range(16)])
    mask = bumps > 0.05
    found = measure_shape_fits(observation(mask, geometry=geometry, weight=bumps))
    assert found["gaussian_r_squared"].value > 0.9
    assert found["gabor_r_squared"].value > 0.9
    assert found["gaussian_r_squared_shuffled"].value < 0.8
    assert np.isfinite(found["gaussian_r_squared_per_unit"].value).sum() == 2
    assert measure_shape_fits(observation(mask, depth=1, geometry=geometry)) == {}
    empty = measure_shape_fits(observation(np.zeros((16, 196), bool), geometry=geometry))
    assert np.isnan(empty["gabor_r_squared"].value)
    assert empty["gabor_num_undefined"].value == 2


def test_share_radius_and_pieces_are_those_of_the_plain_functions():
    mask = np.random.default_rng(0).random((20, 144)) < 0.2
    mask[3] = False
    mask[4] = np.arange(144) == 7
    found, plain = measure_locality(observation(mask)), locality(mask, GEOMETRY)
    for name in ("attained_share", "near_ceiling"):
        assert found[name].value == getattr(plain, name)
    for name in ("attained_share_per_unit", "radius_of_gyration_per_unit"):
        np.testing.assert_array_equal(found[name].value, getattr(plain, name))
    several = mask.sum(axis=1) >= 2
    assert found["pieces"].value == num_components(mask, GEOMETRY)[several].mean()
    assert found["pieces_expected"].value == pytest.approx(found["pieces"].value, rel=0.15)
    expected = np.nanmean(ipr_of_cut_gaussian(mask.sum(axis=1), mask.mean()))
    assert found["ipr_null_truncated"].value == pytest.approx(expected)
    assert "attained_share_by_contribution" not in found


def test_units_are_weighted_by_what_they_contribute():
    mask = np.zeros((4, 144), bool)
    mask[0, :6] = mask[1, ::11] = mask[2, 3:9] = True
    outgoing = np.array([[1.0, -2, 4, 5], [3, 0, 0, 5]], np.float32)  # Σ|v|: 4, 2, 4, 10
    outputs = torch.tensor([[0.0, 0, 7, 0], [2, 6, 7, 2]])  # sd: 1, 3, 0, 1
    seen = dataclasses.replace(observation(mask), outgoing=outgoing, outputs=outputs)
    found = {name: quantity.value for name, quantity in measure_locality(seen).items()}
    np.testing.assert_allclose(found["contribution_per_unit"], np.array([4, 6, 0, 10]) / 20)
    for name in ("attained_share", "radius_of_gyration"):
        per_unit = found[f"{name}_per_unit"]
        assert found[f"{name}_by_contribution"] == pytest.approx((4 * per_unit[0] + 6 * per_unit[1]) / 10)
    silent = dataclasses.replace(seen, outputs=torch.ones(2, 4))
    assert np.isnan(measure_locality(silent)["attained_share_by_contribution"].value)


def test_units_that_no_sample_activates_are_counted():
    stream = np.random.default_rng(0)
    mask = stream.random((6, 144)) < 0.3
    inputs = torch.from_numpy(stream.normal(size=(1500, 144)).astype(np.float32))
    plain = observation(mask)
    lambdas = inputs.numpy() @ plain.weight.T
    bias = np.zeros(6, np.float32)
    bias[1] = -lambdas[:, 1].max() - 1  # never above 0
    bias[4] = -np.sort(lambdas[:, 4])[-2:].mean()  # above 0 on one sample
    seen = dataclasses.replace(plain, inputs=inputs, bias=bias)
    assert measure_locality(seen)["num_never_active"].value == 1
    empty = dataclasses.replace(observation(np.zeros((6, 144), bool)), inputs=inputs)
    assert measure_locality(empty)["num_never_active"].value == 6


def test_r_squared_beyond_the_shuffled_control_tells_a_bump_from_scattered_weights():
    geometry = Geometry(1, (14, 14))
    y, x = geometry.positions().T
    bumps = np.stack([np.exp(-((y - 4 - u % 5) ** 2 + (x - 7) ** 2) / 8) for u in range(16)])
    found = measure_shape_fits(observation(bumps > 0.05, geometry=geometry, weight=bumps))
    for shape in ("gaussian", "gabor"):
        difference = (
            found[f"{shape}_r_squared_per_unit"].value - found[f"{shape}_r_squared_per_unit_shuffled"].value
        )
        assert found[f"{shape}_r_squared_beyond_shuffled"].value == pytest.approx(np.nanmean(difference))
    assert found["gaussian_r_squared_beyond_shuffled"].value > 0.2
    scattered = np.random.default_rng(0).random((80, 196)) < 0.2
    found = measure_shape_fits(observation(scattered, geometry=geometry))
    assert abs(found["gaussian_r_squared_beyond_shuffled"].value) < 0.1
