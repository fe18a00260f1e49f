import re

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from sparsight.data import product_covariance
from sparsight.data.fields._covariance import covariance_matrix
from sparsight.data.fields._gaussian_samplers import product_sampler
from sparsight.data.fields._heavy_tailed import (
    elliptical,
    elliptical_sampler,
    laplace,
    laplace_covariance,
    laplace_sampler,
)
from sparsight.data.fields._nlgp import nlgp_covariance
from sparsight.errors import InputError
from sparsight.streams import generator

SOURCES = {"elliptical": elliptical, "laplace": laplace}
SMALL = {"size": (16,), "correlation_lengths": (1.0, 2.0), "num_train": 101, "num_test": 50}


def assert_moment_matrix(samples, expected, num_deviations=5.5):
    """Every entry of E x_i x_j within so many standard errors, these estimated from the samples."""
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    found = flat.T @ flat / len(flat)
    error = np.sqrt(np.maximum((flat**2).T @ flat**2 / len(flat) - found**2, 1e-12) / len(flat))
    assert (np.abs(found - expected) <= num_deviations * error + 2e-6).all()


def test_elliptical_sampler_is_a_multivariate_t():
    covariance = product_covariance((6,), 2.0)
    samples = elliptical_sampler(product_sampler(covariance), 8.0)(generator(0, "t"), 60_000)
    assert samples.dtype == np.float32
    matrix = covariance_matrix(covariance.by_displacement(), False)
    assert_moment_matrix(samples, matrix)
    # Any direction is a t variable scaled to its variance: here one pixel, and a sum of all.
    for direction in (np.eye(6)[2], np.ones(6)):
        values = samples @ direction / np.sqrt(direction @ matrix @ direction * 6 / 8)
        assert scipy.stats.kstest(values, scipy.stats.t(8).cdf).statistic < 2.7 / np.sqrt(60_000)


def test_laplace_sampler_has_laplace_pixels():
    samples = laplace_sampler(product_covariance((8,), 0.2))(generator(0, "t"), 20_000)
    cdf = scipy.stats.laplace(scale=np.sqrt(0.5)).cdf
    assert scipy.stats.kstest(samples.ravel(), cdf).statistic < 2.7 / np.sqrt(samples.size)


@pytest.mark.parametrize("correlation", [-1.0, -0.6, 0.0, 0.4, 0.9, 0.99, 1.0])
def test_laplace_covariance_is_the_double_integral(correlation):
    """E x(z₁) x(z₂) with z₂ = ρ z₁ + √(1−ρ²) y on a grid."""
    z = np.linspace(-9, 9, 1501)
    weight = scipy.stats.norm.pdf(z) * (z[1] - z[0])

    def quantile(value):
        return -np.sign(value) * scipy.stats.laplace(scale=np.sqrt(0.5)).ppf(
            scipy.stats.norm.cdf(-np.abs(value))
        )

    second = quantile(correlation * z[:, None] + np.sqrt(1 - correlation**2) * z)
    expected = (weight * quantile(z)) @ second @ weight
    assert laplace_covariance(np.array([correlation]))[0] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(("size", "wraps"), [((10,), True), ((5, 6), False)])
def test_laplace_and_its_twin_have_the_closed_form_covariance(size, wraps):
    options = {"size": size, "wraps": wraps, "correlation_lengths": (1.6, 0.5), "power": 1}
    for clone, kurtosis in (("none", 3), ("gaussian", 0)):
        task = laplace(**options, clone=clone, num_train=80_000, num_test=2, seed=0)
        samples = task.train_inputs[task.train_labels == 0, 0]
        matrix = covariance_matrix(product_covariance(size, 1.6, 1, wraps).by_displacement(), wraps)
        assert_moment_matrix(samples, laplace_covariance(matrix))
        assert scipy.stats.kurtosis(samples, axis=None) == pytest.approx(kurtosis, abs=0.3)


def test_elliptical_at_the_covariance_of_an_nlgp():
    options = {"size": (10,), "correlation_lengths": (2.0, 1.0), "covariance_gain": 3.0, "power": 1}
    task = elliptical(**options, degrees_of_freedom=9.0, num_train=80_000, num_test=2, seed=0)
    samples = task.train_inputs[task.train_labels == 0, 0]
    matrix = covariance_matrix(product_covariance((10,), 2.0, 1, True).by_displacement(), True)
    assert_moment_matrix(samples, nlgp_covariance(matrix, 3.0))
    assert task.card["pixel_excess_kurtosis_per_class"] == pytest.approx([1.2, 1.2])
    assert scipy.stats.kurtosis(samples, axis=None) == pytest.approx(1.2, abs=0.2)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("clone", ["none", "gaussian"])
def test_heavy_sources_are_functions_of_their_seed(name, clone):
    make = SOURCES[name]
    task, again, other = (make(**SMALL, clone=clone, channels=2, seed=seed) for seed in (0, 0, 1))
    assert task.train_inputs.shape == (101, 2, 16)
    assert task.train_inputs.dtype == np.float32
    assert task.name == (name if clone == "none" else f"{name}-gaussian")
    assert (task.train_inputs == again.train_inputs).all()
    assert not (task.train_inputs == other.train_inputs).any(axis=2).all()
    kurtosis = {"none": {"elliptical": 3.0, "laplace": 3.0}[name], "gaussian": 0.0}[clone]
    assert task.card["pixel_excess_kurtosis_per_class"] == [kurtosis] * 2
    fresh = make(**SMALL, clone=clone, online=True, seed=0)
    assert (fresh.batch(1, 2, 4)[0] == fresh.batch(1, 2, 4)[0]).all()


@pytest.mark.parametrize("degrees", [4.0, 1.0, float("nan"), float("inf")])
def test_elliptical_refuses_infinite_kurtosis(degrees):
    with pytest.raises(InputError, match=r"degrees_of_freedom is .*; give a finite number above 4"):
        elliptical_sampler(product_sampler(product_covariance((4,), 1.0)), degrees)


@pytest.mark.parametrize("name", SOURCES)
def test_heavy_sources_refuse_one_class(name):
    with pytest.raises(InputError, match=re.escape(f"{name} has one class")):
        SOURCES[name](**SMALL | {"correlation_lengths": (1.0,)}, seed=0)
