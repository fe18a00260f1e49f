import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.stats import kurtosis, skew

from sparsight.errors import InputError
from sparsight.measure import cavity, joint_cavity


def example(seed=0, num_samples=200, shape=(4, 10)):
    stream = np.random.default_rng(seed)
    inputs = stream.laplace(size=(num_samples, shape[1])) + stream.normal(size=shape[1])
    weight = stream.normal(size=shape)
    removed = stream.random(shape) < 0.4
    return weight, inputs, removed


@given(st.integers(0, 10**6))
def test_joint_cavity_equals_computing_the_unit_without_the_set(seed):
    weight, inputs, removed = example(seed)
    found = joint_cavity(weight, inputs, removed, dtype="float64")
    with_set, without = inputs @ weight.T, inputs @ np.where(removed, 0, weight).T
    k, k0, s, s0 = kurtosis(with_set), kurtosis(without), skew(with_set), skew(without)
    np.testing.assert_allclose(found.delta_kurtosis, k - k0, atol=1e-9)
    np.testing.assert_allclose(found.delta_abs_kurtosis, np.abs(k) - np.abs(k0), atol=1e-9)
    np.testing.assert_allclose(found.delta_skewness, s - s0, atol=1e-9)
    np.testing.assert_allclose(found.delta_negentropy, (s**2 - s0**2) / 12 + (k**2 - k0**2) / 48, atol=1e-9)
    assert (found.num_removed == removed.sum(axis=1)).all()
    assert found.num_undefined == 0


def test_a_set_of_one_weight_is_the_cavity_of_that_weight():
    weight, inputs, _ = example()
    removed = np.zeros(weight.shape, bool)
    removed[range(4), [3, 0, 9, 5]] = True
    found = joint_cavity(weight, inputs, removed, dtype="float64")
    for name in ("kurtosis", "abs_kurtosis", "skewness", "negentropy"):
        single = getattr(found, f"first_order_{name}")
        np.testing.assert_allclose(getattr(found, f"delta_{name}"), single, atol=1e-9)
    assert (found.num_removed == 1).all()


def test_first_order_is_the_sum_of_single_effects_and_holds_for_small_weights():
    weight, inputs, removed = example(num_samples=2000)
    for size, bound in ((1.0, np.inf), (1e-3, 5e-3)):
        scaled = np.where(removed, size * weight, weight)
        single = cavity(scaled, inputs, dtype="float64")
        found = joint_cavity(scaled, inputs, removed, single=single, dtype="float64")
        expected = np.where(removed, single.delta_kurtosis, 0).sum(axis=1)
        np.testing.assert_allclose(found.first_order_kurtosis, expected, atol=1e-12)
        gap = np.abs(found.delta_kurtosis - found.first_order_kurtosis).max()
        assert gap < bound * np.abs(found.delta_kurtosis).max()
        assert gap > 0  # large sets do interact


def test_pairs_that_cancel_matter_together_only():
    """Two equal inputs of opposite weight: either alone matters, both together do not."""
    stream = np.random.default_rng(0)
    inputs = stream.normal(size=(1000, 3))
    inputs[:, 1] = inputs[:, 0] = stream.laplace(size=1000)
    found = joint_cavity(np.array([[1.0, -1, 1]]), inputs, np.array([[True, True, False]]), dtype="float64")
    assert abs(found.delta_kurtosis[0]) < 1e-9
    assert abs(found.first_order_kurtosis[0]) > 0.5


def test_float32_and_batches_and_tensors_agree_with_float64():
    weight, inputs, removed = example(num_samples=5000)
    reference = joint_cavity(weight, inputs + 100, removed, dtype="float64")
    batches = [torch.from_numpy(batch) for batch in np.array_split(inputs + 100, 7)]
    for found in (
        joint_cavity(torch.from_numpy(weight), batches, torch.from_numpy(removed)),
        joint_cavity(weight, iter(batches), removed, single=cavity(weight, inputs)),
    ):
        np.testing.assert_allclose(found.delta_kurtosis, reference.delta_kurtosis, atol=1e-4)
        np.testing.assert_allclose(found.first_order_kurtosis, reference.first_order_kurtosis, atol=1e-4)


def test_a_mask_hides_weights_from_the_set():
    weight, inputs, removed = example()
    mask = np.random.default_rng(1).random(weight.shape) < 0.5
    found = joint_cavity(weight, inputs, removed, mask=mask, dtype="float64")
    expected = joint_cavity(weight * mask, inputs, removed & mask, dtype="float64")
    np.testing.assert_allclose(found.delta_kurtosis, expected.delta_kurtosis, atol=1e-12)
    assert (found.num_removed == (removed & mask).sum(axis=1)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_degenerate_units(dtype):
    inputs = np.random.default_rng(0).normal(size=(100, 3)) + 0.1
    inputs[:, 2] = 0.3  # constant
    weight = np.array([[1.0, 1, 0], [1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    removed = np.array([[0, 0, 1], [1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1]], bool)
    found = joint_cavity(weight, inputs, removed, dtype=dtype)
    assert found.delta_kurtosis[0] == 0  # nothing in its set
    assert np.isnan(found.delta_kurtosis[1:4]).all()  # a constant is left, or was all there was
    assert found.delta_kurtosis[4] == 0  # a dead unit has nothing to remove
    assert found.num_removed.tolist() == [0, 2, 1, 1, 0]
    assert found.num_undefined == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"removed": np.ones((4, 9), bool)}, r"removed has shape \(4, 9\), but weight has 10"),
        ({"removed": np.ones((4, 10))}, "removed is float64"),
        ({"inputs": iter([np.ones((5, 10))])}, "read only once"),
        ({"single": cavity(np.ones((2, 3)), np.eye(3))}, "single is of a layer of shape"),
        ({"inputs": np.ones((1, 10)), "single": cavity(np.ones((4, 10)), np.eye(10))}, "at least 2"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    weight, inputs, removed = example()
    with pytest.raises(InputError, match=message):
        joint_cavity(**({"weight": weight, "inputs": inputs, "removed": removed} | change))
