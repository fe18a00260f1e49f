import re

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from sparsight.data.fields._equal_covariance import (
    equal_covariance,
    one_sided_covariance,
    one_sided_excess_kurtosis,
    one_sided_sampler,
)
from sparsight.errors import InputError
from sparsight.streams import generator
from tests.data.fields.test_pulses import assert_moment_matrix

SMALL = {"size": (16,), "decay": 2.0, "num_train": 20, "num_test": 20, "seed": 0}
CASES = [((16,), 2.0, True), ((13,), 3.0, False), ((8, 9), 2.0, True), ((8, 9), 1.5, False)]


@pytest.mark.parametrize(("size", "decay", "wraps"), CASES)
def test_a_field_and_its_mirror_image_have_the_same_covariance_in_closed_form(size, decay, wraps):
    one, other = (one_sided_covariance(size, decay, wraps, mirrored) for mirrored in (False, True))
    np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_allclose(np.diag(one), 1)
    # For an endless pulse exp(−k/decay), neighbours along the last axis covary by exp(−1/decay).
    assert one_sided_covariance((60,), 2.0, True)[0, 1] == pytest.approx(np.exp(-0.5), abs=1e-4)


@pytest.mark.parametrize(("size", "decay", "wraps"), CASES)
@pytest.mark.parametrize("options", [{}, {"signs": "random"}, {"twin": True}])
def test_samples_have_that_covariance_and_kurtosis(size, decay, wraps, options):
    expected = one_sided_covariance(size, decay, wraps)
    kurtosis = 0 if "twin" in options else one_sided_excess_kurtosis(size, decay, 0.5, wraps)
    for mirrored in (False, True):
        sampler = one_sided_sampler(size, decay, 0.5, wraps, mirrored=mirrored, **options)
        samples = sampler(generator(0, "t"), 30_000)
        assert samples.shape == (30_000, *size)
        assert_moment_matrix(samples, expected)
        flat = samples.reshape(len(samples), -1)
        assert np.abs(flat.mean(axis=0)).max() < 5.5 / np.sqrt(30_000)
        assert scipy.stats.kurtosis(flat).mean() == pytest.approx(kurtosis, abs=0.1)


def test_third_moments_tell_the_classes_apart_and_the_twins_not():
    """E x_i² x_{i+1} − E x_i x_{i+1}²: positive pulses fall off to one side."""

    def asymmetry(**options):
        fields = one_sided_sampler((32,), 3.0, 0.1, True, **options)(generator(0, "t"), 20_000)
        after = np.roll(fields, -1, axis=1)
        return float((fields**2 * after - fields * after**2).mean())

    one, other = asymmetry(), asymmetry(mirrored=True)
    assert abs(one) > 0.2
    assert other == pytest.approx(-one, rel=0.05)
    assert abs(asymmetry(twin=True)) < 0.01


def quadratic_discriminant(task):
    """Test accuracy of the Gaussian classifier with the training mean and covariance of each class."""
    (train, labels), (test, truth) = task.samples("train"), task.samples("test")
    scores = []
    for label in range(task.num_classes):
        own = train[labels == label].double().numpy()
        model = scipy.stats.multivariate_normal(own.mean(axis=0), np.cov(own.T))
        scores.append(model.logpdf(test.double().numpy()))
    return float((np.argmax(scores, axis=0) == truth.numpy()).mean())


def test_the_twin_is_at_chance_and_no_second_moment_helps():
    options = {"size": (16,), "decay": 2.0, "num_train": 20_000, "num_test": 10_000, "seed": 0}
    twin = quadratic_discriminant(equal_covariance(**options, clone="gaussian"))
    assert abs(twin - 0.5) < 4 * np.sqrt(0.25 / 10_000)
    # On the pulses the rule rests on sampling error alone, but its scores are skewed differently by class.
    assert abs(quadratic_discriminant(equal_covariance(**options)) - 0.5) < 0.06


def test_a_small_network_learns_the_task_and_not_its_twin():
    def accuracy(clone):
        task = equal_covariance(size=(32,), rate=0.05, num_train=6000, num_test=2000, clone=clone, seed=0)
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 2))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
        for step in range(400):
            inputs, labels = task.batch(0, step, 128)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
        inputs, labels = task.samples("test")
        return network(inputs).argmax(dim=1).eq(labels).float().mean().item()

    assert accuracy("none") > 0.8
    assert abs(accuracy("gaussian") - 0.5) < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 5.0}, "decay is 5.0 pixels and size (16,)"),
        ({"decay": 0.5}, "decay is 0.5 pixels"),
        ({"size": (8, 8, 8)}, "one or two axes"),
        ({"rate": 0.0}, "rate is 0.0 pulses per pixel"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        equal_covariance(
            **{"size": (16,), "decay": 2.0, "num_train": 20, "num_test": 20, "seed": 0} | options
        )
