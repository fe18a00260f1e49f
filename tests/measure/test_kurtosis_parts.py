import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.measure import cavity, kurtosis_parts


def fourth_cumulant_and_variance(values):
    deviations = values - values.mean()
    variance = (deviations**2).mean()
    return (deviations**4).mean() - 3 * variance**2, variance


@given(st.integers(0, 10**6))
def test_parts_equal_the_definition_and_add_up(seed):
    stream = np.random.default_rng(seed)
    inputs = stream.laplace(size=(60, 7)) + stream.normal(size=7)
    weight = stream.normal(size=(3, 7)) * (stream.random((3, 7)) < 0.8)
    weight[:, :2] = 1
    found = cavity(weight, inputs, dtype="float64")
    parts = kurtosis_parts(found)
    np.testing.assert_allclose(parts.cumulant + parts.dilution, found.delta_kurtosis, rtol=0, atol=1e-8)
    for unit, i in np.ndindex(weight.shape):
        own, var = fourth_cumulant_and_variance(inputs @ weight[unit])
        own0, var0 = fourth_cumulant_and_variance(inputs @ weight[unit] - weight[unit, i] * inputs[:, i])
        assert found.variance_ratio[unit, i] == pytest.approx(var0 / var, rel=1e-8)
        cumulant = (own - own0) * (var**-2 + var0**-2) / 2
        dilution = (var**-2 - var0**-2) * (own + own0) / 2
        assert parts.cumulant[unit, i] == pytest.approx(cumulant, rel=1e-6, abs=1e-8)
        assert parts.dilution[unit, i] == pytest.approx(dilution, rel=1e-6, abs=1e-8)


def test_an_independent_gaussian_input_dilutes_and_adds_no_cumulant():
    """Δκ alone says that the Gaussian weight makes its unit less non-Gaussian."""
    stream = np.random.default_rng(0)
    inputs = np.stack([stream.laplace(size=400_000), stream.normal(size=400_000)], axis=1)
    found = cavity(np.array([[1.0, 1.0]]), inputs)
    parts = kurtosis_parts(found)
    assert found.delta_kurtosis[0, 1] < -1
    assert parts.cumulant[0, 1] == pytest.approx(0, abs=0.1)
    assert parts.dilution[0, 1] == pytest.approx(found.delta_kurtosis[0, 1], abs=0.1)
    assert parts.cumulant[0, 0] > 1


def test_nothing_to_remove_is_zero_and_undefined_stays_undefined():
    inputs = np.random.default_rng(0).normal(size=(100, 4))
    inputs[:, 3] = 2.5
    weight = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 5], [0, 0, 0, 1.0]])
    found = cavity(weight, inputs)
    parts = kurtosis_parts(found)
    assert found.variance_ratio[0].tolist() == [1, 1, 1, 1]
    for values in (parts.cumulant, parts.dilution):
        assert (np.isnan(values) == np.isnan(found.delta_kurtosis)).all()
        assert not values[weight == 0].any()
        assert values[2, 3] == 0  # a constant input changes no shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_variance_ratio_of_a_sparse_layer_is_one_elsewhere(dtype):
    stream = np.random.default_rng(3)
    inputs = stream.laplace(size=(500, 200))
    weight = stream.choice([-1.0, 1.0], (12, 200)) * (stream.random((12, 200)) < 0.04)
    found = cavity(weight, inputs, dtype=dtype).variance_ratio
    assert (found[weight == 0] == 1).all()
    for unit, i in np.argwhere(weight):
        without = inputs @ weight[unit] - weight[unit, i] * inputs[:, i]
        assert found[unit, i] == pytest.approx(without.var() / (inputs @ weight[unit]).var(), rel=1e-4)
