import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import fit_gabor, fit_gaussian, shuffled_over_kept
from sparsight.measure._shape_fits import profiles


def shape(geometry, centre, widths, orientation, frequency, phase, amplitude):
    """The formula, pixel by pixel."""
    field = np.zeros(geometry.size)
    for pixel in np.ndindex(geometry.size):
        offset = [p - c for p, c in zip(pixel, centre, strict=True)]
        if geometry.wraps:
            offset = [(d + n / 2) % n - n / 2 for d, n in zip(offset, geometry.size, strict=True)]
        if len(offset) == 2:
            y, x = offset
            offset = [
                x * np.cos(orientation) + y * np.sin(orientation),
                y * np.cos(orientation) - x * np.sin(orientation),
            ]
        bump = np.exp(-0.5 * sum((u / s) ** 2 for u, s in zip(offset, widths, strict=True)))
        field[pixel] = amplitude * bump * np.cos(2 * np.pi * frequency * offset[0] + phase)
    return field.reshape(1, -1)


@pytest.mark.parametrize(
    ("geometry", "centre"),
    [
        (Geometry(1, (20, 24)), (8.3, 13.6)),
        (Geometry(1, (20, 24), wraps=True), (18.9, 0.4)),
        (Geometry(1, (40,)), (17.2,)),
        (Geometry(1, (40,), wraps=True), (38.8,)),
    ],
    ids=["2d", "torus", "1d", "ring"],
)
def test_fits_find_the_parameters_of_what_they_are_made_of(geometry, centre):
    axes = len(centre)
    widths, orientation = (3.0, 2.0)[:axes], 0.7 * (axes == 2)
    bump = shape(geometry, centre, widths, orientation, 0, 0, 0.8)
    found = fit_gaussian(-bump, geometry)
    assert found.r_squared[0] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(found.centre[0], centre, atol=0.02)
    np.testing.assert_allclose(found.widths[0], widths, rtol=0.02)
    assert found.orientation[0] == pytest.approx(orientation, abs=0.02)
    assert found.phase[0] == pytest.approx(-np.pi)
    assert found.amplitude[0] == pytest.approx(0.8, rel=0.01)
    wave = shape(geometry, centre, widths, orientation, 0.15, 0.9, 0.8)
    found = fit_gabor(wave, geometry)
    assert found.r_squared[0] == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(found.centre[0], centre, atol=0.05)
    np.testing.assert_allclose(found.widths[0], widths, rtol=0.03)
    again = shape(
        geometry,
        found.centre[0],
        found.widths[0],
        found.orientation[0],
        found.frequency[0],
        found.phase[0],
        found.amplitude[0],
    )
    np.testing.assert_allclose(again, wave, atol=0.02)
    assert fit_gaussian(wave, geometry).r_squared[0] < 0.95


@settings(max_examples=15)
@given(
    st.floats(0, np.pi),
    st.floats(-np.pi, np.pi),
    st.floats(0.08, 0.3),
    st.floats(6, 13),
    st.floats(6, 13),
    st.floats(-3, 3).filter(lambda a: abs(a) > 0.01),
)
def test_r_squared_is_that_of_the_described_gabor(orientation, phase, frequency, y, x, amplitude):
    geometry = Geometry(1, (20, 20))
    noise = np.random.default_rng(0).normal(size=(1, 400)) * 0.05 * abs(amplitude)
    weights = shape(geometry, (y, x), (2.5, 3.5), orientation, frequency, phase, amplitude) + noise
    found = fit_gabor(weights, geometry)
    described = shape(
        geometry,
        found.centre[0],
        found.widths[0],
        found.orientation[0],
        found.frequency[0],
        found.phase[0],
        found.amplitude[0],
    )
    assert found.r_squared[0] == pytest.approx(1 - ((weights - described) ** 2).sum() / (weights**2).sum())
    assert found.r_squared[0] > 0.8
    assert 0 <= found.orientation[0] < np.pi
    assert -np.pi <= found.phase[0] < np.pi
    assert 0 <= found.frequency[0] <= 0.5
    assert found.amplitude[0] >= 0


def test_r_squared_does_not_depend_on_scale_and_a_gabor_fits_no_worse():
    geometry = Geometry(1, (12, 12))
    weights = np.random.default_rng(0).normal(size=(4, 144))
    weights[:, 70:76] += 4
    gaussian, gabor = fit_gaussian(weights, geometry), fit_gabor(weights, geometry)
    small = fit_gaussian(-1e-6 * weights, geometry)
    np.testing.assert_allclose(small.r_squared, gaussian.r_squared, rtol=1e-4)
    found = ~np.isnan(gaussian.r_squared)
    assert found.sum() == 3
    assert (gabor.r_squared > gaussian.r_squared - 0.02)[found].all()


def test_shuffled_weights_are_fitted_worse_than_a_bump():
    geometry = Geometry(1, (16, 16))
    bump = np.repeat(shape(geometry, (7, 8), (3, 3), 0, 0, 0, 1), 6, axis=0)
    shuffled = shuffled_over_kept(bump, seed=0)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.sort(bump, axis=1))
    assert np.nanmax(fit_gaussian(shuffled, geometry).r_squared) < 0.6


def test_shuffling_stays_on_kept_inputs():
    weights = np.random.default_rng(0).normal(size=(5, 30)) * (np.random.default_rng(1).random((5, 30)) < 0.4)
    shuffled = shuffled_over_kept(weights, seed=0)
    np.testing.assert_array_equal(shuffled != 0, weights != 0)
    assert (shuffled != weights).any()


def test_profile_of_separable_channels_is_all_of_the_weights():
    geometry = Geometry(3, (6, 6))
    field = np.random.default_rng(0).normal(size=36)
    weights = np.concatenate([2 * field, -field, 0 * field])[None]
    found, share = profiles(weights, geometry)
    assert share[0] == pytest.approx(1)
    np.testing.assert_allclose(found.reshape(-1), np.sqrt(5) * field)
    _, share = profiles(np.random.default_rng(0).normal(size=(1, 108)), geometry)
    assert 1 / 3 < share[0] < 0.8
    assert np.isnan(profiles(np.zeros((1, 108)), geometry)[1][0])


def test_share_is_drawn_and_empty_units_are_counted():
    geometry = Geometry(1, (8, 8))
    weights = np.zeros((10, 64))
    weights[:, :3] = 1.0
    found = fit_gaussian(weights, geometry, share=0.4, seed=1)
    assert len(found.units) == len(set(found.units.tolist())) == 4
    assert found.num_undefined == 4
    assert np.isnan(found.r_squared).all()
    assert fit_gaussian(weights, geometry, share=0.4, seed=2).units.tolist() != found.units.tolist()
    assert len(fit_gaussian(weights[:1], geometry, share=0.01).units) == 1
    assert len(fit_gabor(weights[:0], geometry).units) == 0


def test_fits_that_do_not_converge_are_counted(monkeypatch):
    monkeypatch.setattr("sparsight.measure._shape_fits._MAX_EVALUATIONS", 1)
    weights = np.random.default_rng(0).normal(size=(3, 64))
    found = fit_gaussian(weights, Geometry(1, (8, 8)))
    assert (found.num_failed, found.num_undefined) == (3, 0)
    assert np.isnan(found.r_squared).all()


@pytest.mark.parametrize(
    ("weights", "share", "message"),
    [
        (np.ones((2, 8)), 1.0, r"weights has shape \(2, 8\), but geometry has 9"),
        (np.full((2, 9), np.inf), 1.0, "NaN or infinite"),
        (np.ones((2, 9)), 0.0, "share is 0.0; it must be above 0 and at most 1"),
        (np.ones((2, 9)), 1.5, "share is 1.5"),
    ],
)
def test_what_cannot_be_fitted_is_refused(weights, share, message):
    with pytest.raises(InputError, match=message):
        fit_gaussian(weights, Geometry(1, (3, 3)), share=share)
