import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kurtosis, skew

from sparsight.errors import InputError
from sparsight.measure.cavity import cavity

DATA = {
    "gaussian": lambda stream, shape: stream.normal(size=shape),
    "heavy-tailed": lambda stream, shape: stream.standard_t(5, size=shape),
    "discrete": lambda stream, shape: stream.integers(-1, 2, size=shape).astype(float),
}


def example(kind="gaussian", num_samples=300, num_inputs=12, num_units=5, density=0.7, seed=0):
    stream = np.random.default_rng(seed)
    inputs = DATA[kind](stream, (num_samples, num_inputs)) + stream.normal(size=num_inputs)
    weight = stream.normal(size=(num_units, num_inputs)) * (stream.random((num_units, num_inputs)) < density)
    return weight, inputs


def brute_force(weight, inputs):
    """Each weight set to 0 in turn, with scipy's moments: (Δκ, Δ|κ|, Δskewness, Δnegentropy)."""
    deltas = np.zeros((4, *weight.shape))
    for unit, row in enumerate(weight):
        for i in np.flatnonzero(row):
            without = row.copy()
            without[i] = 0
            k, k0 = kurtosis(inputs @ row), kurtosis(inputs @ without)
            s, s0 = skew(inputs @ row), skew(inputs @ without)
            deltas[:, unit, i] = k - k0, abs(k) - abs(k0), s - s0, (s**2 - s0**2) / 12 + (k**2 - k0**2) / 48
    return deltas


def stacked(found):
    return np.stack(
        [found.delta_kurtosis, found.delta_abs_kurtosis, found.delta_skewness, found.delta_negentropy]
    )


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_cavity_equals_setting_each_weight_to_zero(kind, density):
    weight, inputs = example(kind, density=density)
    found = cavity(weight, inputs, dtype=torch.float64)
    expected = brute_force(weight, inputs)
    np.testing.assert_allclose(stacked(found), expected, rtol=0, atol=1e-9)
    assert found.num_undefined == np.isnan(expected[0]).sum()
    np.testing.assert_allclose(found.excess_kurtosis, kurtosis(inputs @ weight.T), atol=1e-9)
    np.testing.assert_allclose(found.skewness, skew(inputs @ weight.T), atol=1e-9)


def test_float32_is_exact_enough_on_colour_patches():
    """At most 1e-3 of the median |Δκ| away, on 32 × 32 × 3 inputs, densities 1 and 0.02."""
    stream = np.random.default_rng(0)
    inputs = stream.laplace(size=(1000, 3072)).astype(np.float32) + 1
    for density in (1.0, 0.02):
        mask = stream.random((16, 3072)) < density
        weight = (stream.normal(size=(16, 3072)) / 50 * mask).astype(np.float32)
        single, double = cavity(weight, inputs), cavity(weight, inputs, dtype=torch.float64)
        median = np.median(np.abs(double.delta_kurtosis[mask]))
        assert np.abs(single.delta_kurtosis - double.delta_kurtosis).max() < 1e-3 * median


def test_large_means_do_not_cancel():
    weight, inputs = example(num_samples=2000)
    centred = cavity(weight, inputs - inputs.mean(axis=0), dtype=torch.float64).delta_kurtosis
    for dtype, offset, bound in ((torch.float64, 1e3, 1e-9), (torch.float32, 1e3, 1e-3)):
        found = cavity(weight, inputs - inputs.mean(axis=0) + offset, dtype=dtype).delta_kurtosis
        assert np.abs(found - centred).max() < bound * np.abs(centred).max()


@given(st.integers(0, 10**6), st.floats(-5, 5), st.sampled_from([1e-3, 0.5, 7.0, 1e4]))
def test_shift_and_scale_of_the_inputs_change_nothing(seed, shift, scale):
    weight, inputs = example(seed=seed, num_samples=50)
    a = cavity(weight, inputs, dtype=torch.float64)
    b = cavity(weight, scale * inputs + shift, dtype=torch.float64)
    np.testing.assert_allclose(stacked(a), stacked(b), atol=1e-7)


@given(st.integers(0, 10**6))
def test_order_of_units_inputs_and_samples_changes_nothing(seed):
    weight, inputs = example(seed=seed, num_samples=40)
    stream = np.random.default_rng(seed)
    units, columns, rows = (stream.permutation(n) for n in (5, 12, 40))
    a = stacked(cavity(weight, inputs, dtype=torch.float64))
    b = stacked(cavity(weight[units][:, columns], inputs[rows][:, columns], dtype=torch.float64))
    np.testing.assert_allclose(a[:, units][:, :, columns], b, atol=1e-9)


def test_sign_says_who_makes_the_unit_kurtotic():
    """One heavy-tailed input among Gaussian ones raises κ; a two-valued one lowers it."""
    stream = np.random.default_rng(0)
    inputs = stream.normal(size=(20000, 3))
    inputs[:, 0] = stream.laplace(size=20000)
    inputs[:, 1] = stream.choice([-1.0, 1.0], size=20000)
    found = cavity(np.ones((1, 3)), inputs).delta_kurtosis[0]
    assert found[0] > 0.1 > -0.1 > found[1]


def test_sub_gaussian_units_have_opposite_signs_of_the_two_effects():
    inputs = np.random.default_rng(0).choice([-1.0, 1.0], size=(5000, 4))
    found = cavity(np.array([[3.0, 1, 1, 1]]), inputs)
    assert found.excess_kurtosis[0] < 0
    assert found.delta_kurtosis[0, 0] < 0 < found.delta_abs_kurtosis[0, 0]


def test_degenerate_layers():
    inputs = np.random.default_rng(0).normal(size=(100, 4))
    inputs[:, 3] = 2.5
    weight = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 5], [0, 0, 0, 1.0]])
    found = cavity(weight, inputs)
    assert np.isnan(found.excess_kurtosis).tolist() == [True, False, False, True]
    assert found.delta_kurtosis[0].tolist() == [0, 0, 0, 0]  # a dead unit: nothing to remove
    assert np.isnan(found.delta_kurtosis[1, 0])  # one live input: nothing is left without it
    assert found.delta_kurtosis[2, 3] == 0  # a constant input changes no shape
    assert found.num_undefined == np.isnan(found.delta_kurtosis).sum() == 1
    assert np.isfinite(stacked(found)[:, 2]).all()


def test_two_equal_samples_have_no_variance():
    found = cavity(np.ones((1, 3)), np.ones((2, 3)))
    assert np.isnan(found.excess_kurtosis).all()


@pytest.mark.parametrize(
    ("weight", "inputs", "message"),
    [
        (np.ones((2, 3)), np.ones((5, 4)), r"\(out, in\) and \(n, in\) are needed"),
        (np.ones(3), np.ones((5, 3)), "are needed"),
        (np.ones((2, 3)), np.ones((1, 3)), "at least 2"),
        (np.full((2, 3), np.nan), np.ones((5, 3)), "weight holds NaN"),
        (np.ones((2, 3)), np.full((5, 3), np.inf), "inputs holds NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_refused(weight, inputs, message):
    with pytest.raises(InputError, match=message):
        cavity(weight, inputs)
