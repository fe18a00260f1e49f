import re
import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.data import product_covariance
from sparsight.data.fields._covariance import CovarianceWarning, covariance_matrix
from sparsight.errors import InputError

CASES = [
    ((12,), 2.0, 2, True),
    ((13,), 3.0, 1, True),
    ((16,), 5.0, 2, False),
    ((15,), 40.0, 1, False),
    ((8, 9), 1.3, 2, True),
    ((6, 5), 2.0, 1, True),
    ((6, 8), 2.5, 2, False),
    ((5, 7), 1.5, 1, False),
]


def dense_formula(size, correlation_length, power, wraps):
    """C_ij from the definition, pair by pair."""
    positions = list(np.ndindex(*size))
    matrix = np.ones((len(positions), len(positions)))
    for i, p in enumerate(positions):
        for j, q in enumerate(positions):
            for a, b, extent in zip(p, q, size, strict=True):
                d = min(abs(a - b), extent - abs(a - b)) if wraps else abs(a - b)
                matrix[i, j] *= np.exp(-((d / correlation_length) ** power))
    return matrix


def assert_covariance(samples, expected, num_deviations=5.5):
    """Every entry of the raw second moment within so many standard errors; Gaussian samples."""
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    found = flat.T @ flat / len(flat)
    diagonal = np.diag(expected)
    error = np.sqrt((np.outer(diagonal, diagonal) + expected**2) / len(flat))
    assert np.abs((found - expected) / error).max() < num_deviations


@pytest.mark.parametrize(("size", "length", "power", "wraps"), CASES)
def test_product_covariance_is_the_formula(size, length, power, wraps):
    covariance = product_covariance(size, length, power, wraps)
    matrix = covariance_matrix(covariance.by_displacement(), wraps)
    np.testing.assert_allclose(matrix, dense_formula(size, length, power, wraps), atol=1e-4)
    assert covariance.largest_change < 1e-4
    if not wraps:
        assert covariance.largest_change == 0


@given(st.integers(1, 24), st.floats(0.05, 50), st.sampled_from([1, 2]))
def test_product_covariance_on_a_ring_is_a_covariance_of_unit_variance(extent, length, power):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CovarianceWarning)
        covariance = product_covariance((extent,), length, power, True)
    matrix = covariance_matrix(covariance.by_displacement(), True)
    assert np.linalg.eigvalsh(matrix).min() > -1e-12 * extent
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-12)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    if power == 1:
        assert covariance.largest_change < 1e-12


def test_product_covariance_warns_of_what_it_changes():
    with pytest.warns(
        CovarianceWarning, match=r"length 9\.6 .* torus of 32x32: .* by up to 0\.024; .* below 5\.4"
    ):
        covariance = product_covariance((32, 32), 9.6, 2, True)
    formula = dense_formula((32, 32), 9.6, 2, True)[0].reshape(32, 32)
    change = np.abs(covariance.by_displacement() - formula).max()
    assert covariance.largest_change == pytest.approx(change, rel=1e-12)
    assert np.linalg.eigvalsh(dense_formula((32,), 9.6, 2, True)).min() == pytest.approx(-0.002 * 32, rel=0.1)


def test_product_covariance_is_silent_where_the_warning_says():
    product_covariance((32, 32), 0.17 * 32, 2, True)  # warnings are errors here


@pytest.mark.parametrize("power", [1, 2])
def test_product_covariance_of_any_length_is_silent_on_open_fields(power):
    assert product_covariance((20, 20), 1e6, power, False).largest_change == 0
    tiny = product_covariance((20,), 1e-200, power, False).by_displacement()
    np.testing.assert_array_equal(tiny, np.eye(20)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), 1.0), "size is ()"),
        (((2, 2, 2), 1.0), "size is (2, 2, 2)"),
        (((0,), 1.0), "size is (0,)"),
        (((5000,), 1.0), "from 1 to 4096"),
        (((8,), 0.0), "correlation length is 0.0"),
        (((8,), float("nan")), "correlation length is nan"),
        (((8,), float("inf")), "correlation length is inf"),
        (((8,), 1.0, 3), "power is 3; 1 (exponential) or 2 (Gaussian)"),
    ],
)
def test_product_covariance_refuses(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        product_covariance(*arguments)
