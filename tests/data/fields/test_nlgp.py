import math
import re

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from hypothesis import given, strategies as st
from pydantic import ConfigDict, create_model

from sparsight.data import nlgp, nlgp_sampler, product_covariance
from sparsight.data.fields._covariance import CovarianceWarning, covariance_matrix
from sparsight.data.fields._field_source import Count, Lengths, Size
from sparsight.data.fields._nlgp import (
    gp,
    nlgp_covariance,
    nlgp_excess_kurtosis,
    nlgp_twin_sampler,
    nlgp_variance,
)
from sparsight.errors import InputError
from sparsight.streams import generator

GAINS = [1e-3, 0.5, 1.0, 3.0, 10.0, 100.0]
SOURCES = {"nlgp": nlgp, "gp": gp}


def mean_over_normal(function):
    """E f(z), z standard normal, by quadrature on a fine grid."""
    z = np.linspace(-10, 10, 400_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return scipy.integrate.simpson(function(z) * density, x=z)


@pytest.mark.parametrize("gain", GAINS)
def test_nlgp_variance_is_the_integral(gain):
    integral = mean_over_normal(lambda z: scipy.special.erf(gain * z / math.sqrt(2)) ** 2)
    assert nlgp_variance(gain) == pytest.approx(integral, rel=1e-7)


@pytest.mark.parametrize("gain", GAINS)
def test_nlgp_excess_kurtosis_is_the_integral(gain):
    fourth = mean_over_normal(lambda z: scipy.special.erf(gain * z / math.sqrt(2)) ** 4)
    assert nlgp_excess_kurtosis(gain) + 3 == pytest.approx(fourth / nlgp_variance(gain) ** 2, rel=1e-6)


def test_nlgp_excess_kurtosis_known_values():
    known = {1: 1.800, 2: 1.382, 3: 1.243, 5: 1.139, 10: 1.066, 100: 1.006}
    for gain, raw in known.items():
        assert nlgp_excess_kurtosis(float(gain)) + 3 == pytest.approx(raw, abs=5e-4)
    assert nlgp_excess_kurtosis(1e-6) == pytest.approx(0, abs=1e-9)
    assert nlgp_excess_kurtosis(1e6) == pytest.approx(-2, abs=1e-5)


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.3, 0.99])
def test_nlgp_covariance_is_the_double_integral(gain, correlation):
    """E f(z₁) f(z₂) as E_z₁ f(z₁) E[f(z₂) | z₁]; the inner mean is an error function of smaller gain."""
    inner = gain / math.sqrt(1 + gain**2 * (1 - correlation**2))
    moment = mean_over_normal(
        lambda z: (
            scipy.special.erf(gain * z / math.sqrt(2))
            * scipy.special.erf(inner * correlation * z / math.sqrt(2))
        )
    )
    found = nlgp_covariance(np.array([correlation]), gain)[0]
    assert found == pytest.approx(moment / nlgp_variance(gain), rel=1e-6, abs=1e-9)


@given(st.floats(1e-5, 1e5))
def test_nlgp_covariance_keeps_unit_variance_and_order(gain):
    values = nlgp_covariance(np.linspace(-1, 1, 41), gain)
    assert values[-1] == pytest.approx(1, abs=1e-12)
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(values, -values[::-1], atol=1e-12)


def assert_moment_matrix(samples, expected, num_deviations=5.5):
    """Every entry of E x_i x_j within so many standard errors, these estimated from the samples."""
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    found = flat.T @ flat / len(flat)
    squares = (flat**2).T @ flat**2 / len(flat)
    error = np.sqrt(np.maximum(squares - found**2, 1e-12) / len(flat))
    assert (np.abs(found - expected) <= num_deviations * error + 2e-6).all()


def neighbour_covariance(correlation_length, gain=3.0):
    return nlgp_covariance(np.exp([-(correlation_length**-2.0)]), gain)[0]


FIELD_CASES = [((12,), 2.0, 2, True), ((10,), 3.0, 1, False), ((6, 7), 1.0, 2, True), ((5, 6), 2.5, 2, False)]


@pytest.mark.parametrize("gain", [0.5, 3.0, 100.0])
@pytest.mark.parametrize(("size", "length", "power", "wraps"), FIELD_CASES)
@pytest.mark.parametrize("make", [nlgp_sampler, nlgp_twin_sampler])
def test_nlgp_and_twin_have_the_closed_form_covariance(make, size, length, power, wraps, gain):
    covariance = product_covariance(size, length, power, wraps)
    matrix = covariance_matrix(covariance.by_displacement(), wraps)
    samples = make(covariance, gain)(generator(0, "t"), 40_000)
    expected = 2 / (np.pi * nlgp_variance(gain)) * np.arcsin(gain**2 / (1 + gain**2) * matrix)
    assert_moment_matrix(samples, expected)
    with pytest.raises(AssertionError):
        assert_moment_matrix(samples, expected * 1.05)


@pytest.mark.parametrize("gain", [0.5, 3.0, 100.0])
def test_nlgp_sampler_kurtosis_and_its_twin(gain):
    covariance = product_covariance((64,), 1.0, 2, True)
    pixels = nlgp_sampler(covariance, gain)(generator(0, "t"), 10_000)
    assert scipy.stats.kurtosis(pixels, axis=None) == pytest.approx(nlgp_excess_kurtosis(gain), abs=0.02)
    twin = nlgp_twin_sampler(covariance, gain)(generator(0, "t"), 10_000)
    assert scipy.stats.kurtosis(twin, axis=None) == pytest.approx(0, abs=0.03)
    assert scipy.stats.kurtosis(twin @ np.cos(np.arange(64))) == pytest.approx(0, abs=0.25)


def test_twin_of_a_saturated_gain_is_finite():
    twin = nlgp_twin_sampler(product_covariance((20, 20), 3.0, 2, True), 1e4)(generator(0, "t"), 500)
    assert np.isfinite(twin).all()
    assert twin.std() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("gain", [0.0, -1.0, float("inf"), float("nan")])
def test_gain_out_of_range_is_refused(gain):
    covariance = product_covariance((8,), 1.0)
    for call in (
        lambda: nlgp_variance(gain),
        lambda: nlgp_excess_kurtosis(gain),
        lambda: nlgp_covariance(np.zeros(2), gain),
        lambda: nlgp_sampler(covariance, gain),
        lambda: nlgp_twin_sampler(covariance, gain),
    ):
        with pytest.raises(InputError, match=r"gain is .*; give a finite number above 0"):
            call()


SMALL = {"size": (16,), "correlation_lengths": (1.0, 2.0), "num_train": 101, "num_test": 50}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("clone", ["none", "gaussian"])
@pytest.mark.parametrize("size", [(16,), (6, 9)])
def test_source_shapes_labels_and_determinism(name, clone, size):
    options = SMALL | {"size": size, "channels": 2, "clone": clone, "wraps": False}
    task = SOURCES[name](**options, seed=3)
    assert task.train_inputs.shape == (101, 2, *size)
    assert task.train_inputs.dtype == np.float32
    assert sorted(np.bincount(task.train_labels)) == [50, 51]
    assert np.bincount(task.test_labels).tolist() == [25, 25] == task.card["test_samples_per_class"]
    assert not np.array_equal(task.train_labels, np.sort(task.train_labels))
    again, other = SOURCES[name](**options, seed=3), SOURCES[name](**options, seed=4)
    for attribute in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
        np.testing.assert_array_equal(getattr(task, attribute), getattr(again, attribute))
        assert not np.array_equal(getattr(task, attribute), getattr(other, attribute))


@pytest.mark.parametrize("name", SOURCES)
def test_twin_shares_labels_and_nothing_else(name):
    options = SMALL | {"num_train": 4000, "seed": 1}
    task, twin = SOURCES[name](**options), SOURCES[name](**options, clone="gaussian")
    np.testing.assert_array_equal(task.train_labels, twin.train_labels)
    assert (task.name, twin.name) == (name, f"{name}-gaussian")
    correlation = np.corrcoef(task.train_inputs.ravel(), twin.train_inputs.ravel())[0, 1]
    assert abs(correlation) < 5 / math.sqrt(4000 * 4)  # at least 4 independent pixels in 16


def test_channels_and_splits_are_independent():
    task = nlgp(size=(32,), correlation_lengths=(1.0, 2.0), channels=2, num_train=4000, num_test=4000, seed=0)
    first, second = task.train_inputs[:, 0].ravel(), task.train_inputs[:, 1].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / math.sqrt(4000 * 8)
    assert abs(np.corrcoef(first, task.test_inputs[:, 0].ravel())[0, 1]) < 5 / math.sqrt(4000 * 8)


def test_classes_differ_by_correlation_length_or_gain():
    by_length = nlgp(size=(32,), correlation_lengths=(1.0, 3.0), num_train=8000, num_test=10, seed=0)
    for label, length in enumerate((1.0, 3.0)):
        rows = by_length.train_inputs[by_length.train_labels == label, 0]
        neighbour = np.mean(rows * np.roll(rows, 1, axis=1))
        assert neighbour == pytest.approx(neighbour_covariance(length), abs=0.01)
    by_gain = nlgp(
        size=(32,), correlation_lengths=(1.0,), gains=(0.2, 9.0), num_train=8000, num_test=10, seed=0
    )
    assert by_gain.card["correlation_length_per_class"] == [1.0, 1.0]
    for label, gain in enumerate((0.2, 9.0)):
        rows = by_gain.train_inputs[by_gain.train_labels == label]
        assert scipy.stats.kurtosis(rows, axis=None) == pytest.approx(nlgp_excess_kurtosis(gain), abs=0.05)


def test_card_says_what_the_data_are():
    with pytest.warns(CovarianceWarning):
        task = nlgp(
            size=(16,), correlation_lengths=(1.0, 5.0), gains=(1.0, 2.0), num_train=20, num_test=4, seed=0
        )
    assert task.card["gain_per_class"] == [1.0, 2.0]
    assert task.card["pixel_excess_kurtosis_per_class"] == pytest.approx([-1.2, 1.382 - 3], abs=1e-3)
    assert (
        task.card["covariance_change_per_class"][0]
        < 1e-6
        < 1e-3
        < task.card["covariance_change_per_class"][1]
    )
    twin = nlgp(**SMALL, clone="gaussian", seed=0)
    assert twin.card["pixel_excess_kurtosis_per_class"] == [0.0, 0.0]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("clone", ["none", "gaussian"])
def test_online_batches_are_functions_of_seed_and_step(name, clone):
    task = SOURCES[name](**SMALL, clone=clone, online=True, seed=0)
    assert task.draw is not None
    inputs, labels = task.batch(5, 7, 33)
    assert inputs.shape == (33, 16)
    assert abs(int(labels.sum()) - 16.5) == 0.5
    task.batch(5, 8, 33)
    again, labels_again = task.batch(5, 7, 33)
    assert (inputs == again).all()
    assert (labels == labels_again).all()
    for seed, step in ((5, 8), (6, 7)):
        assert not (inputs == task.batch(seed, step, 33)[0]).all(dim=1).any()
    assert not (inputs.numpy()[:, None] == task.train_inputs[:33, 0]).all(axis=2).any()
    other_data = SOURCES[name](**SMALL, clone=clone, online=True, seed=1)
    assert (other_data.batch(5, 7, 33)[0] == inputs).all()


def test_online_batches_have_the_moments_of_the_training_split():
    task = nlgp(size=(16,), correlation_lengths=(1.0, 2.0), num_train=4, num_test=4, online=True, seed=0)
    inputs, labels = task.batch(0, 0, 20_000)
    for label, length in enumerate((1.0, 2.0)):
        rows = inputs[labels == label].numpy()
        neighbour = np.mean(rows * np.roll(rows, 1, axis=1))
        assert neighbour == pytest.approx(neighbour_covariance(length), abs=0.01)
    assert nlgp(**SMALL, seed=0).draw is None


def test_blocks_do_not_change_the_distribution(monkeypatch):
    monkeypatch.setattr("sparsight.data.fields._field_source._BLOCK_VALUES", 64)
    task = gp(**SMALL | {"num_train": 4000}, seed=0)
    assert task.train_inputs.std() == pytest.approx(1, abs=0.02)
    assert len(np.unique(task.train_inputs)) > 0.99 * task.train_inputs.size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"correlation_lengths": (1.0,)}, "nlgp has one class"),
        ({"correlation_lengths": ()}, "0 correlation_lengths and 1 gains"),
        ({"gains": (1.0, 2.0, 3.0)}, "there are 2 correlation_lengths and 3 gains"),
        ({"num_train": 1}, "num_train is 1; at least one for each of 2 classes"),
        ({"num_test": 0}, "num_test is 0; at least one for each of 2 classes"),
        ({"size": (4, 4, 4)}, "size is (4, 4, 4)"),
    ],
)
def test_nlgp_refuses(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        nlgp(**SMALL | options, seed=0)


def test_gp_refuses_one_class():
    with pytest.raises(InputError, match="gp has one class"):
        gp(**SMALL | {"correlation_lengths": (1.0,)}, seed=0)


@pytest.mark.parametrize(
    ("annotation", "bad"),
    [
        (Size, []),
        (Size, [1, 2, 3]),
        (Size, [0]),
        (Lengths, [-1.0]),
        (Count, 1),
    ],
)
def test_option_types_refuse(annotation, bad):
    model = create_model("model", __config__=ConfigDict(extra="forbid"), value=(annotation, ...))
    with pytest.raises(ValueError, match="value"):
        model(value=bad)
