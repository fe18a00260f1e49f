import numpy as np
import pytest
import torch
from scipy.stats import kurtosis

from sparsight.errors import InputError
from sparsight.measure import gaussianity, independent_kurtosis, ipr, preactivations


@pytest.mark.parametrize("seed", range(3))
def test_independent_kurtosis_equals_the_definition(seed):
    stream = np.random.default_rng(seed)
    inputs = stream.standard_t(5, (80, 6)) * stream.uniform(0.1, 10, 6) + stream.normal(size=6)
    weight, mask = stream.normal(size=(4, 6)), stream.random((4, 6)) < 0.8
    labels = stream.integers(0, 3, 80)
    found = independent_kurtosis(weight, inputs, mask=mask)
    by_class = independent_kurtosis(weight, inputs, labels=labels, num_classes=4, mask=mask)
    assert by_class.shape == (4, 4)
    assert np.isnan(by_class[3]).all()
    for values, x in ((found, inputs), *((by_class[c], inputs[labels == c]) for c in range(3))):
        for unit in range(4):
            terms = [
                (weight[unit, i] ** 2 * x[:, i].var(), kurtosis(x[:, i])) for i in np.flatnonzero(mask[unit])
            ]
            total = sum(v for v, _ in terms)
            expected = sum(v**2 * k for v, k in terms) / total**2 if terms else np.nan
            assert values[unit] == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_on_independent_inputs_it_is_the_kurtosis_and_follows_the_ipr():
    stream = np.random.default_rng(0)
    inputs = stream.uniform(-1, 1, (100_000, 12)).astype(np.float32)
    weight = stream.normal(size=(8, 12)) * (stream.random((8, 12)) < 0.5)
    weight[:, 0] = 1
    found = independent_kurtosis(weight, inputs)
    own = gaussianity(preactivations(weight, inputs.astype(float))).excess_kurtosis
    np.testing.assert_allclose(found, own, atol=5 * (24 / 100_000) ** 0.5)
    np.testing.assert_allclose(found, -1.2 * ipr(weight), atol=0.03)


def test_fewer_effective_inputs_fool_the_comparison_with_random_pruning():
    """Independent inputs, sub-Gaussian; one condition keeps few equal weights and the other many.

    By |κ| the few are the less Gaussian. Beyond their ipr neither has anything, and a unit on inputs that
    share a sign has.
    """
    stream = np.random.default_rng(0)
    inputs = stream.uniform(-1, 1, (50_000, 24))
    inputs[:, 12:] *= stream.choice([0.3, 1.7], (50_000, 1))  # the second half share a scale
    few = np.tile(np.arange(24) < 2, (1, 1)).astype(float)
    shared = np.tile(np.arange(24) >= 12, (1, 1)).astype(float)
    of_few, of_shared = (gaussianity(preactivations(w, inputs)).excess_kurtosis[0] for w in (few, shared))
    beyond_few, beyond_shared = (
        abs(own) - abs(independent_kurtosis(w, inputs)[0]) for own, w in ((of_few, few), (of_shared, shared))
    )
    assert abs(of_few) > 0.5
    assert beyond_few == pytest.approx(0, abs=0.05)
    assert beyond_shared > 0.5


def test_constant_inputs_add_nothing_and_leave_units_undefined():
    stream = np.random.default_rng(0)
    inputs = stream.normal(size=(50, 3)).astype(np.float32)
    inputs[:, 2] = 0.1
    found = independent_kurtosis(np.array([[1.0, 0, 5], [0, 0, 1], [0, 0, 0]]), torch.from_numpy(inputs))
    assert found[0] == pytest.approx(kurtosis(inputs[:, 0].astype(float)))
    assert np.isnan(found[1:]).all()


def test_far_from_zero_it_is_as_exact():
    inputs = np.random.default_rng(0).laplace(size=(300, 4))
    weight = np.ones((1, 4))
    near, far = (independent_kurtosis(weight, inputs + offset) for offset in (0.0, 1e4))
    np.testing.assert_allclose(far, near, rtol=1e-7)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="labels range from 0 to 3"):
        independent_kurtosis(np.ones((1, 2)), np.eye(2), labels=np.array([0, 3]), num_classes=2)
    with pytest.raises(InputError, match="inputs has shape"):
        independent_kurtosis(np.ones((1, 2)), np.ones((4, 3)))
