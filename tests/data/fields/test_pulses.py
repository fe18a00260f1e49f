import re

import numpy as np
import pytest
import scipy.stats

from sparsight.data.fields._covariance import covariance_matrix
from sparsight.data.fields._pulses import (
    bars,
    pulse_covariance_rows,
    pulse_excess_kurtosis,
    pulse_sampler,
    pulses,
)
from sparsight.errors import InputError
from sparsight.streams import generator

CASES = [((12,), 2.0, True, "gaussian"), ((9,), 3.0, False, "box"), ((6, 7), 1.5, True, "box"),
         ((5, 6), 2.0, False, "gaussian")]  # fmt: skip


def assert_moment_matrix(samples, expected, num_deviations=5.5):
    """Every entry of E x_i x_j within so many standard errors, these estimated from the samples."""
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    found = flat.T @ flat / len(flat)
    error = np.sqrt(np.maximum((flat**2).T @ flat**2 / len(flat) - found**2, 1e-12) / len(flat))
    assert (np.abs(found - expected) <= num_deviations * error + 2e-6).all()


@pytest.mark.parametrize(("size", "width", "wraps", "profile"), CASES)
@pytest.mark.parametrize("twin", [False, True])
def test_pulse_sampler_has_covariance_and_kurtosis(size, width, wraps, profile, twin):
    samples = pulse_sampler(size, width, 0.4, wraps, profile, twin)(generator(0, "t"), 60_000)
    assert samples.shape == (60_000, *size)
    assert samples.dtype == np.float32
    rows = pulse_covariance_rows(size, width, wraps, profile)
    by_displacement = rows[0] if len(rows) == 1 else np.multiply.outer(*rows)
    assert_moment_matrix(samples, covariance_matrix(by_displacement, wraps))
    expected = 0 if twin else pulse_excess_kurtosis(size, width, 0.4, wraps, profile)
    by_pixel = scipy.stats.kurtosis(samples)
    assert by_pixel.mean() == pytest.approx(expected, abs=0.1)
    assert np.abs(by_pixel - expected).max() < 0.25  # borders, too


def test_pulse_excess_kurtosis_of_boxes_is_counted_by_hand():
    # 3 x 3 pixels of height 1: Σh⁴ = Σh² = 9.
    assert pulse_excess_kurtosis((8, 8), 3.0, 0.05, True, "box") == pytest.approx(9 / (0.05 * 81))
    # ⌈2.5⌉ = 3 pixels: triangular covariance.
    np.testing.assert_allclose(pulse_covariance_rows((8,), 2.5, False, "box")[0][:5], [1, 2 / 3, 1 / 3, 0, 0])


@pytest.mark.parametrize("width", [2.0, 3.5, 5.0])
def test_gaussian_pulses_have_the_covariance_of_a_gaussian_process(width):
    found = pulse_covariance_rows((40,), width, False)[0]
    np.testing.assert_allclose(found, np.exp(-((np.arange(40) / width) ** 2)), atol=1e-3)


@pytest.mark.parametrize("rate", [0.01, 30.0])
def test_pulse_kurtosis_runs_from_large_to_none(rate):
    samples = pulse_sampler((64,), 2.0, rate, True)(generator(0, "t"), 4000)
    expected = pulse_excess_kurtosis((64,), 2.0, rate, True)
    assert scipy.stats.kurtosis(samples, axis=None) == pytest.approx(expected, rel=0.05, abs=0.03)
    assert (expected > 10) == (rate == 0.01)


def test_pulses_tells_classes_and_kurtosis():
    options = {"size": (20,), "widths": (2.0, 3.0), "profile": "box", "num_train": 101, "num_test": 50}
    task, again, twin = (
        pulses(**options, seed=0),
        pulses(**options, seed=0),
        pulses(**options, clone="gaussian", seed=0),
    )
    assert task.card["pixel_excess_kurtosis_per_class"] == pytest.approx([1 / 0.1, 1 / 0.15])
    assert twin.card["pixel_excess_kurtosis_per_class"] == [0.0, 0.0]
    assert (task.train_inputs == again.train_inputs).all()
    assert (task.train_labels == twin.train_labels).all()
    assert twin.name == "pulses-gaussian"


@pytest.mark.parametrize("clone", ["none", "gaussian"])
@pytest.mark.parametrize("wraps", [True, False])
def test_bars_are_constant_along_their_direction(clone, wraps):
    task = bars(size=(10, 14), num_train=2000, num_test=10, clone=clone, wraps=wraps, channels=2, seed=0)
    horizontal, vertical = (task.train_inputs[task.train_labels == c] for c in (0, 1))
    assert (horizontal == horizontal[..., :1]).all()
    assert (vertical == vertical[:, :, :1]).all()
    # Two pixels thick: neighbours across a bar share one of two rows.
    assert np.mean(horizontal[:, :, 1:] * horizontal[:, :, :-1]) == pytest.approx(0.5, abs=0.06)
    assert np.mean(vertical**2) == pytest.approx(1, abs=0.08)
    expected = 0.0 if clone == "gaussian" else 1 / (0.1 * 2)
    assert task.card["pixel_excess_kurtosis_per_class"] == pytest.approx([expected] * 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pulse_sampler((8,), 0.5, 1.0, True), "width is 0.5 pixels and size (8,)"),
        (lambda: pulse_sampler((8, 4), 5.0, 1.0, True), "width is 5.0 pixels and size (8, 4)"),
        (lambda: pulse_sampler((4, 4, 4), 2.0, 1.0, True), "size (4, 4, 4); one or two axes"),
        (lambda: pulse_sampler((8,), 2.0, 0.0, True), "rate is 0.0 pulses per pixel"),
        (lambda: pulses(widths=(2.0,), seed=0), "pulses has one class"),
        (lambda: bars(size=(8,), seed=0), "size is (8,); bars need (height, width)"),
    ],
)
def test_pulse_fields_refuse(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()
