import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.stats import kurtosis

from sparsight.errors import InputError
from sparsight.measure import cavity, class_variance_effect, class_variance_score


def example(seed=0, num_classes=3, num_samples=200, num_inputs=9, num_units=4):
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, num_classes, num_samples)
    scale = stream.uniform(0.5, 2, (num_classes, num_inputs))
    inputs = stream.normal(size=(num_samples, num_inputs)) * scale[labels] + 3 * labels[:, None]
    mask = stream.random((num_units, num_inputs)) < 0.7
    return stream.normal(size=mask.shape), inputs, labels, mask


def score_of(values, labels, num_classes):
    variances = np.array([values[labels == c].var() for c in range(num_classes)])
    return variances.var() / variances.mean() ** 2


def brute_force(weight, inputs, labels, num_classes):
    effect = np.zeros(weight.shape)
    for unit, row in enumerate(weight):
        for i in np.flatnonzero(row):
            without = row.copy()
            without[i] = 0
            scores = [score_of(inputs @ w, labels, num_classes) for w in (row, without)]
            effect[unit, i] = scores[0] - scores[1]
    return effect


@given(st.integers(0, 10**6), st.integers(2, 4))
def test_effect_equals_setting_each_weight_to_zero(seed, num_classes):
    weight, inputs, labels, mask = example(seed, num_classes)
    found = class_variance_effect(weight, inputs, labels, mask=mask, num_classes=num_classes)
    kept = np.where(mask, weight, 0)
    expected = brute_force(kept, inputs, labels, num_classes)
    alone = mask & (mask.sum(axis=1, keepdims=True) == 1)  # nothing is left of the unit without this weight
    np.testing.assert_allclose(found[~alone], expected[~alone], rtol=0, atol=1e-9)
    assert np.isnan(found[alone]).all()
    score = class_variance_score(weight, inputs, labels, mask=mask, num_classes=num_classes)
    expected = [score_of(inputs @ row, labels, num_classes) if row.any() else np.nan for row in kept]
    np.testing.assert_allclose(score, expected, rtol=1e-9, atol=1e-12)


def test_two_classes_give_the_squared_relative_difference_and_its_kurtosis():
    """Two Gaussian classes of equal size and mean: κ of all together is 3q."""
    stream = np.random.default_rng(0)
    labels = np.arange(400_000) % 2
    inputs = stream.normal(size=(400_000, 1)) * np.where(labels, 2.0, 1.0)[:, None]
    score = class_variance_score(np.ones((1, 1)), inputs, labels, num_classes=2)[0]
    v0, v1 = (inputs[labels == c].var() for c in (0, 1))
    assert score == pytest.approx(((v0 - v1) / (v0 + v1)) ** 2, rel=1e-9)
    assert kurtosis(inputs[:, 0]) == pytest.approx(3 * score, abs=0.03)


def test_effect_sees_classes_and_not_tails():
    """A heavy-tailed input that is the same in both classes raises κ, but does not separate the classes."""
    stream = np.random.default_rng(0)
    labels = np.arange(40_000) % 2
    inputs = stream.normal(size=(40_000, 3))
    inputs[:, 0] = stream.laplace(size=40_000) / 2**0.5
    inputs[:, 1] *= np.where(labels, 1.2, 0.8)
    weight = np.ones((1, 3))
    kurtic = cavity(weight, inputs).delta_kurtosis[0]
    effect = class_variance_effect(weight, inputs, labels, num_classes=2)[0]
    assert kurtic.argmax() == 0
    assert effect.argmax() == 1
    assert effect[0] < 0 < effect[1]


def test_undefined_values_are_nan():
    stream = np.random.default_rng(0)
    inputs, labels = stream.normal(size=(60, 4)), np.arange(60) % 2
    inputs[:, 3] = 0.1
    weight = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 5], [0, 0, 0, 1.0]])
    found = class_variance_effect(weight, inputs, labels, num_classes=2)
    assert found[0].tolist() == [0, 0, 0, 0]
    assert np.isnan(found[1, 0])
    assert np.isnan(found[3, 3])
    assert found[2, 3] == pytest.approx(0, abs=1e-12)  # a constant input changes no variance
    score = class_variance_score(weight, inputs, labels, num_classes=2)
    assert np.isnan(score).tolist() == [True, False, False, True]
    one_class = class_variance_effect(weight, inputs, np.zeros(60, int), num_classes=2)
    assert np.isnan(one_class[weight != 0]).all()
    assert np.isnan(class_variance_score(weight, inputs, np.zeros(60, int), num_classes=2)).all()


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_shift_tensors_and_small_classes_change_nothing(offset):
    weight, inputs, labels, mask = example(num_classes=2)
    found = class_variance_effect(weight, inputs, labels, mask=mask, num_classes=2)
    more = np.concatenate([inputs, inputs[:1]]) + offset, np.append(labels, 2)  # a class of one sample
    again = class_variance_effect(
        torch.from_numpy(weight), *map(torch.from_numpy, more), mask=torch.from_numpy(mask), num_classes=5
    )
    np.testing.assert_allclose(again, found, rtol=0, atol=1e-8)


def test_blocks_of_samples_are_added_up(monkeypatch):
    weight, inputs, labels, _ = example()
    whole = class_variance_effect(weight, inputs, labels, num_classes=3)
    monkeypatch.setattr("sparsight.measure._sample_blocks.BLOCK", 17)
    np.testing.assert_allclose(
        class_variance_effect(weight, inputs, labels, num_classes=3), whole, rtol=0, atol=1e-10
    )


def test_what_does_not_fit_is_refused():
    weight, inputs, labels, _ = example()
    with pytest.raises(InputError, match="labels range from 0 to 2.* num_classes is 2"):
        class_variance_effect(weight, inputs, labels, num_classes=2)
    with pytest.raises(InputError, match="labels has shape"):
        class_variance_score(weight, inputs, labels[1:], num_classes=3)
