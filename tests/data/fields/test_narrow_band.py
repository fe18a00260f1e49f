import numpy as np
import pytest
import scipy.stats

from sparsight.data import SOURCES, product_covariance
from sparsight.data.fields._covariance import covariance_matrix
from sparsight.data.fields._narrow_band import (
    narrow_band,
    narrow_band_spectrum,
    sign_covariance,
    spectrum_covariance,
)
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from tests.data.fields.test_heavy_tailed import assert_moment_matrix


def by_cosines(size, wave_number, power, correlation_length=None):
    """The covariance at every displacement: a sum of cosines over all waves."""
    background = np.ones(size)
    if correlation_length is not None:
        rows = product_covariance(size, correlation_length, wraps=True).by_displacement()
        phases = [np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in size]
        background = (phases[0] @ rows).real if len(size) == 1 else (phases[0] @ rows @ phases[1].T).real
    total, covariance = 0.0, np.zeros(size)
    places = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    for wave in np.ndindex(*size):
        signed = [k if k <= n // 2 else k - n for k, n in zip(wave, size, strict=True)]
        cycles = np.hypot(*signed) if len(size) == 2 else abs(signed[0])
        share = background[wave] * (power if abs(cycles - wave_number) < 0.5 else 1.0)
        covariance += share * np.cos(2 * np.pi * (places * np.array(wave) / np.array(size)).sum(axis=-1))
        total += share
    return covariance / total


@pytest.mark.parametrize("length", [None, 1.5])
@pytest.mark.parametrize(("size", "wave_number"), [((16,), 3), ((15,), 7), ((16,), 8), ((6, 6), 2)])
def test_covariance_is_a_sum_of_cosines(size, wave_number, length):
    spectrum = narrow_band_spectrum(size, wave_number, 15.0, length)
    expected = by_cosines(size, wave_number, 15.0, length)
    np.testing.assert_allclose(spectrum_covariance(spectrum), expected, atol=1e-9)
    assert spectrum_covariance(spectrum).flat[0] == pytest.approx(1)


def test_on_the_default_ring_two_waves_of_96_have_fifteen_times_the_power():
    spectrum = narrow_band_spectrum((96,), 5, 15.0)
    assert np.flatnonzero(spectrum > 2 * spectrum.min()).tolist() == [5, 91]
    assert spectrum[5] == pytest.approx(15 * spectrum[4])


@pytest.mark.parametrize("sign", [False, True])
@pytest.mark.parametrize("clone", ["none", "gaussian"])
@pytest.mark.parametrize(("size", "wave_number"), [((12,), 2), ((5, 4), 1)])
def test_fields_have_the_closed_form_covariance(sign, clone, size, wave_number):
    options = {"size": size, "wave_number": wave_number, "powers": (15.0, 1.0), "sign": sign, "clone": clone}
    options["correlation_length"] = 0.8
    task = narrow_band(**options, num_train=80_000, num_test=2, seed=0)
    assert task.geometry == Geometry(1, size, wraps=True)
    fields = task.train_inputs[task.train_labels == 0, 0]
    expected = by_cosines(size, wave_number, 15.0, 0.8)
    if sign:
        expected = 2 / np.pi * np.arcsin(np.clip(expected, -1, 1))
    assert_moment_matrix(fields, covariance_matrix(expected, True))
    if sign and clone == "none":
        assert set(np.unique(fields)) == {-1.0, 1.0}
    else:
        assert abs(scipy.stats.kurtosis(fields, axis=None)) < 0.05
    assert task.card["pixel_excess_kurtosis_per_class"] == [-2.0 if sign and clone == "none" else 0.0] * 2


@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.3, 1.0])
def test_sign_covariance_is_that_of_an_orthant(correlation):
    """E sign(a) sign(b) = 4 P(a > 0, b > 0) − 1."""
    covariance = [[1, correlation], [correlation, 1]]
    both = scipy.stats.multivariate_normal([0, 0], covariance, allow_singular=True).cdf([0, 0])
    assert sign_covariance(np.array([correlation]))[0] == pytest.approx(4 * both - 1, abs=1e-5)


def test_it_is_a_source_whose_draws_are_a_function_of_the_seed():
    assert SOURCES["narrow_band"] is narrow_band
    options = {"num_train": 21, "num_test": 20, "channels": 2, "sign": True}
    task, again, other = (narrow_band(**options, seed=seed) for seed in (0, 0, 1))
    assert task.train_inputs.shape == (21, 2, 96)
    assert task.train_inputs.dtype == np.float32
    assert (task.train_inputs == again.train_inputs).all()
    assert not (task.train_inputs == other.train_inputs).all()
    twin = narrow_band(**options, seed=0, clone="gaussian")
    assert twin.name == "narrow_band-gaussian"
    assert (twin.train_labels == task.train_labels).all()
    fresh = narrow_band(**options, online=True, seed=0)
    assert (fresh.batch(1, 2, 4)[0] == fresh.batch(1, 2, 4)[0]).all()


@pytest.mark.parametrize(("size", "wave_number"), [((8,), 5), ((9, 30), 5)])
def test_a_wave_that_does_not_fit_is_refused(size, wave_number):
    with pytest.raises(
        InputError, match=f"wave_number is {wave_number}; with the shortest side {size[0]}, 1 to 4"
    ):
        narrow_band(size=size, wave_number=wave_number, seed=0)
