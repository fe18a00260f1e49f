import math

import numpy as np
import pytest
import scipy.stats

from sparsight.data import Task, clone_task, nlgp
from sparsight.data._kept_and_changed import change_by_samples, kurtosis_within_class
from sparsight.data.fields._nlgp import nlgp_excess_kurtosis
from tests.data.test_clones import heavy_task, vectors


def numbers(task, kind):
    return clone_task(task, kind, 0).card["kept_and_changed"]


def test_the_plain_twin_keeps_both_moments_and_loses_the_kurtosis():
    task = heavy_task(num_train=(600, 900), num_test=20)
    found = numbers(task, "gaussian")
    assert found["mean_change_per_class"] == found["covariance_change_per_class"] == [0, 0]
    assert found["pixel_excess_kurtosis_within_class_original"] > 2
    assert abs(found["pixel_excess_kurtosis_within_class"]) < 0.3


def test_changes_of_the_shared_and_the_global_twin_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr("sparsight.data._teacher._NUM_STEPS", 20)
    task = heavy_task(num_train=(60, 90), num_test=20)
    rows = [vectors(task, "train", label) for label in range(2)]
    everything = np.concatenate(rows)
    pooled = sum((len(x) - 1) * np.cov(x.T) for x in rows) / (len(everything) - 2)
    for kind, covariance, means in (
        ("gaussian_shared", pooled, [x.mean(axis=0) for x in rows]),
        ("gaussian_global", np.cov(everything.T), [everything.mean(axis=0)] * 2),
    ):
        found = numbers(task, kind)
        for label, x in enumerate(rows):
            own = np.cov(x.T)
            expected = np.linalg.norm(covariance - own) / np.linalg.norm(own)
            assert found["covariance_change_per_class"][label] == pytest.approx(expected, abs=2e-4)
            shift = np.linalg.norm(means[label] - x.mean(axis=0)) / np.sqrt(np.trace(own))
            assert found["mean_change_per_class"][label] == pytest.approx(shift, abs=2e-4)


def test_the_change_by_samples_leaves_out_their_sampling_error():
    """Clones with the original's moments: a plain difference of covariances is all sampling error."""
    stream = np.random.default_rng(0)
    original = stream.normal(size=(300, 100))
    factor = (original - original.mean(axis=0)) / np.sqrt(299)
    first, second = (stream.normal(size=(300, 300)) @ factor + original.mean(axis=0) for _ in range(2))
    plain = np.linalg.norm(np.cov(first.T) - np.cov(original.T)) / np.linalg.norm(np.cov(original.T))
    assert plain > 0.4
    mean, covariance = change_by_samples(*(each.astype(np.float32) for each in (original, first, second)))
    assert covariance < 0.1
    assert mean < 0.03


def test_the_change_by_samples_finds_a_true_change():
    stream = np.random.default_rng(1)
    original = stream.normal(size=(400, 50))
    first, second = (1.5 * stream.normal(size=(400, 50)) + 0.2 for _ in range(2))
    mean, covariance = change_by_samples(*(each.astype(np.float32) for each in (original, first, second)))
    own = np.cov(original.T)
    assert covariance == pytest.approx(
        np.linalg.norm(2.25 * np.eye(50) - own) / np.linalg.norm(own), abs=0.04
    )
    assert mean == pytest.approx(
        np.linalg.norm(original.mean(axis=0) - 0.2) / np.sqrt(np.trace(own)), abs=0.02
    )


def test_phase_clones_of_stationary_rings_keep_the_covariance_and_of_others_do_not():
    ring = nlgp(size=[24], correlation_lengths=[1.0, 3.0], num_train=8000, num_test=20, seed=0)
    found = numbers(ring, "phase")
    assert max(found["covariance_change_per_class"]) < 0.08
    assert found["pixel_excess_kurtosis_within_class_original"] == pytest.approx(
        nlgp_excess_kurtosis(3.0), abs=0.02
    )
    task = heavy_task(num_train=(600, 900), num_test=20)
    assert min(numbers(task, "phase")["covariance_change_per_class"]) > 0.3


def test_kurtosis_within_class_weights_pixels_by_their_variance():
    task = heavy_task(num_train=(60, 90), num_test=20)
    fourth = square = 0.0
    for label in range(2):
        for pixel in vectors(task, "train", label).T:
            variance = pixel.var()
            if variance > 1e-12:
                fourth += (scipy.stats.kurtosis(pixel) + 3) * variance**2
                square += variance**2
    assert kurtosis_within_class(task) == pytest.approx(fourth / square - 3, rel=1e-5)


def test_kurtosis_of_constant_pixels_is_undefined():
    task = heavy_task(num_train=(6, 6), num_test=4)
    constant = Task(
        **{
            name: getattr(task, name)
            for name in ("name", "geometry", "num_classes", "train_labels", "test_labels", "test_inputs")
        },
        train_inputs=np.zeros_like(task.train_inputs),
    )
    assert math.isnan(kurtosis_within_class(constant))
