import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from sparsight.errors import InputError
from sparsight.measure import cavity, class_mean_effects


def layer(num_classes=3, num_samples=240, seed=0):
    stream = np.random.default_rng(seed)
    labels = stream.integers(num_classes, size=num_samples)
    inputs = stream.laplace(size=(num_samples, 7)) * (1 + labels)[:, None]
    mask = stream.random((4, 7)) < 0.7
    return stream.normal(size=(4, 7)), inputs, labels, mask


def test_effects_are_those_of_every_class_on_its_own_averaged():
    weight, inputs, labels, mask = layer()
    found = class_mean_effects(weight, inputs, labels, mask=mask)
    for unit, column in np.argwhere(mask):
        without = weight[unit] * mask[unit]
        whole = inputs @ without
        without = np.where(np.arange(7) == column, 0, without)
        rest = inputs @ without
        expected = {"delta_kurtosis": 0.0, "delta_abs_kurtosis": 0.0, "delta_skewness": 0.0}
        for label in range(3):
            both = [values[labels == label] for values in (whole, rest)]
            before, after = map(kurtosis, both)
            expected["delta_kurtosis"] += (before - after) / 3
            expected["delta_abs_kurtosis"] += (abs(before) - abs(after)) / 3
            expected["delta_skewness"] += (skew(both[0]) - skew(both[1])) / 3
        for name, value in expected.items():
            assert found[name][unit, column] == pytest.approx(value, abs=1e-4), name
    assert not any(values[~mask].any() for values in found.values())


def test_a_class_that_is_too_small_is_left_out():
    weight, inputs, labels, mask = layer()
    labels[:] = 0
    labels[:19] = 2
    found = class_mean_effects(weight, inputs, labels, mask=mask, num_classes=4)["delta_kurtosis"]
    of_the_large = cavity(weight, inputs[19:], mask=mask).delta_kurtosis
    np.testing.assert_allclose(found, of_the_large, rtol=1e-3, atol=1e-4)
    assert np.isnan(class_mean_effects(weight, inputs[:19], labels[:19])["delta_kurtosis"]).all()


def test_a_mixture_of_gaussians_has_an_effect_when_pooled_and_none_within_classes():
    """The planted case: the first input separates two Gaussian classes by its variance, the others do not."""
    stream = np.random.default_rng(1)
    labels = np.arange(100_000) % 2
    inputs = stream.normal(size=(100_000, 4))
    inputs[:, 0] *= np.where(labels == 0, 0.3, 1.4)
    weight = np.ones((1, 4))
    pooled = cavity(weight, inputs).delta_abs_kurtosis[0]
    within = class_mean_effects(weight, inputs, labels)["delta_abs_kurtosis"][0]
    assert pooled[0] > 0.1
    assert np.abs(within).max() < 0.05 < pooled[0]


def test_labels_out_of_range_are_refused():
    weight, inputs, labels, mask = layer()
    with pytest.raises(InputError, match="labels range from"):
        class_mean_effects(weight, inputs, labels, mask=mask, num_classes=2)
