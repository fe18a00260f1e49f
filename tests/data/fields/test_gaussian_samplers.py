import numpy as np
import pytest
import scipy.fft

from sparsight.data import product_covariance
from sparsight.data.fields import _gaussian_samplers as samplers
from sparsight.data.fields._covariance import CovarianceWarning, covariance_matrix
from sparsight.data.fields._gaussian_samplers import pointwise_sampler, product_sampler
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError
from sparsight.streams import generator
from tests.data.fields.test_covariance import CASES, assert_covariance, dense_formula


@pytest.mark.parametrize(("size", "length", "power", "wraps"), CASES)
def test_product_sampler_has_the_covariance(size, length, power, wraps):
    covariance = product_covariance(size, length, power, wraps)
    samples = product_sampler(covariance)(generator(1, "t"), 40_000)
    assert samples.shape == (40_000, *size)
    assert samples.dtype == np.float32
    assert_covariance(samples, covariance_matrix(covariance.by_displacement(), wraps))


def test_product_sampler_has_the_covariance_that_results_from_clipping():
    with pytest.warns(CovarianceWarning):
        covariance = product_covariance((10,), 4.0, 2, True)
    samples = product_sampler(covariance)(generator(2, "t"), 200_000)
    valid = covariance_matrix(covariance.by_displacement(), True)
    assert_covariance(samples, valid)
    with pytest.raises(AssertionError):
        assert_covariance(samples, dense_formula((10,), 4.0, 2, True))


def test_product_sampler_of_a_near_singular_kernel_is_finite_and_smooth():
    covariance = product_covariance((24,), 500.0, 2, False)
    samples = product_sampler(covariance)(generator(3, "t"), 2000)
    assert np.isfinite(samples).all()
    # E (z_i − z_j)² = 2 (1 − C) is tiny: what remains is a slope.
    expected = 2 * (1 - covariance.rows[0][23])
    assert np.mean((samples[:, 23] - samples[:, 0]) ** 2) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(("size", "length", "power", "wraps"), CASES)
def test_pointwise_sampler_has_the_transformed_covariance(size, length, power, wraps):
    covariance = product_covariance(size, length, power, wraps)
    samples = pointwise_sampler(covariance, lambda c: c**3)(generator(4, "t"), 40_000)
    assert samples.shape == (40_000, *size)
    assert samples.dtype == np.float32
    assert_covariance(samples, covariance_matrix(covariance.by_displacement(), wraps) ** 3)


def test_pointwise_sampler_pairs_are_independent():
    covariance = product_covariance((8,), 2.0)
    fields = pointwise_sampler(covariance, np.array)(generator(5, "t"), 40_000)
    pairs = np.concatenate([fields[:20_000], fields[20_000:]], axis=1)  # real and imaginary parts
    zero = np.zeros((8, 8))
    block = covariance_matrix(covariance.by_displacement(), False)
    assert_covariance(pairs, np.block([[block, zero], [zero, block]]))


def test_pointwise_sampler_draws_odd_numbers_and_none():
    sampler = pointwise_sampler(product_covariance((6, 4), 1.0), np.array)
    assert sampler(generator(0, "t"), 7).shape == (7, 6, 4)
    assert sampler(generator(0, "t"), 0).shape == (0, 6, 4)


def test_pointwise_sampler_refuses_a_length_far_above_an_open_field():
    covariance = product_covariance((8, 8), 1000.0, 2, False)
    with pytest.raises(InputError, match=r"correlation length is 1000\.0, too far above the size \(8, 8\)"):
        pointwise_sampler(covariance, np.array)


@pytest.mark.parametrize(
    ("size", "length", "power", "grid"),
    [
        ((32, 32), 2.0, 2, (42, 42)),  # e^-(d/2)² is below 1e-12 from 10.5 pixels on
        ((32, 32), 4.0, 2, (54, 54)),
        ((32, 9), 4.0, 2, (54, 42)),  # the short axis alone had to grow, from 16
        ((16,), 0.2, 1, (22,)),
        ((16,), 30.0, 1, (30,)),
        ((1, 5), 1.0, 2, (2, 8)),
    ],
)
@pytest.mark.parametrize("transform", [np.array, np.arcsin, lambda c: c**3])
def test_the_torus_around_an_open_field_leaves_its_covariance(size, length, power, grid, transform):
    covariance = product_covariance(size, length, power, False)
    spectrum = samplers._embedding_spectrum(covariance, transform)
    if transform is np.array:
        assert spectrum.shape == grid
    assert (spectrum > -1e-9 * spectrum.max()).all()
    on_torus = scipy.fft.ifftn(spectrum).real[tuple(slice(0, extent) for extent in size)]
    np.testing.assert_allclose(on_torus, transform(covariance.by_displacement()), rtol=0, atol=2e-12)


@pytest.mark.parametrize(
    "make", [product_sampler, lambda covariance: pointwise_sampler(covariance, np.array)]
)
@pytest.mark.parametrize(("size", "length", "power", "wraps"), CASES)
@pytest.mark.parametrize("num_samples", [0, 1, 7])
def test_samples_do_not_depend_on_the_block(make, size, length, power, wraps, num_samples, monkeypatch):
    sampler = make(product_covariance(size, length, power, wraps))
    whole = sampler(generator(6, "t"), num_samples)
    assert whole.shape == (num_samples, *size)
    monkeypatch.setattr("sparsight.data.fields._gaussian_samplers._BLOCK_VALUES", 100)
    blocks = make(product_covariance(size, length, power, wraps))(generator(6, "t"), num_samples)
    np.testing.assert_allclose(blocks, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("block_values", [1, 100, 2**17])
@pytest.mark.parametrize(("size", "length"), [((8, 9), 1.3), ((9, 8), 4.0), ((7, 7), 0.2), ((1, 6), 2.0)])
@pytest.mark.parametrize("num_samples", [1, 2, 30])
def test_product_sampler_is_noise_between_two_factors(block_values, size, length, num_samples, monkeypatch):
    """The noise lies in the memory of the fields until it is used, at full rank (0.2) and far below (4)."""
    monkeypatch.setattr("sparsight.data.fields._gaussian_samplers._BLOCK_VALUES", block_values)
    covariance = product_covariance(size, length)
    first, second = (samplers._axis_factor(row, False).double() for row in covariance.rows)
    noise = white_noise(generator(7, "t"), (num_samples, first.shape[1], second.shape[1])).double()
    samples = product_sampler(covariance)(generator(7, "t"), num_samples)
    np.testing.assert_allclose(samples, first @ noise @ second.T, rtol=0, atol=1e-5)
