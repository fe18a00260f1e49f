import re

import numpy as np
import pytest

from sparsight.data import product_covariance
from sparsight.data.fields._covariance import covariance_matrix
from sparsight.data.fields._mean_only import bump_template, mean_only
from sparsight.data.fields._nlgp import nlgp_covariance
from sparsight.errors import InputError

SMALL = {"size": (12,), "num_bumps": 2, "bump_width": 1.0, "num_train": 40_000, "num_test": 50, "seed": 0}


def test_a_template_is_a_sum_of_bumps():
    found = bump_template((10,), [[0.0], [4.0]], 1.5, True)
    distance = [[min(abs(i - c), 10 - abs(i - c)) for c in (0, 4)] for i in range(10)]
    np.testing.assert_allclose(found, np.exp(-(np.array(distance) ** 2) / 4.5).sum(axis=1), rtol=1e-6)
    plane = bump_template((5, 7), [[2.0, 3.0]], 1.0, False)
    assert plane[2, 3] == 1
    assert plane[1, 5] == pytest.approx(np.exp(-(1 + 4) / 2))


@pytest.mark.parametrize("clone", ["none", "gaussian"])
@pytest.mark.parametrize("gain", [0.0, 3.0])
def test_classes_differ_in_their_mean_alone(clone, gain):
    task = mean_only(**SMALL, num_classes=3, gain=gain, clone=clone)
    matrix = covariance_matrix(product_covariance((12,), 2.0, 2, True).by_displacement(), True)
    expected = matrix if gain == 0 else nlgp_covariance(matrix, gain)
    inputs, labels = (each.numpy() for each in task.samples("train"))
    for label in range(3):
        own = inputs[labels == label].astype(float)
        centres = [[12 * (label + 3 * k + 0.5) / 6 - 0.5] for k in range(2)]
        template = bump_template((12,), centres, 1.0, True)
        assert np.abs(own.mean(axis=0) - template).max() < 5.5 / np.sqrt(len(own))
        assert np.abs(np.cov(own.T) - expected).max() < 5.5 * np.sqrt(2 / len(own))
    assert (np.array(task.card["pixel_excess_kurtosis_per_class"]) < -1).all() == (
        gain > 0 and clone == "none"
    )


def test_too_many_bumps_are_refused():
    message = "num_bumps is 7 for each of 2 classes, more than the 12 pixels"
    with pytest.raises(InputError, match=re.escape(message)):
        mean_only(**SMALL | {"num_bumps": 7})
