import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.measure import hutchinson_trace, largest_eigenvalue


def _symmetric(size, seed=0):
    matrix = np.random.default_rng(seed).normal(size=(size, size))
    return matrix + matrix.T


@pytest.mark.parametrize("size", [1, 2, 16, 17, 80])
def test_largest_eigenvalue_is_that_of_the_matrix(size):
    matrix = _symmetric(size)
    found = largest_eigenvalue(lambda v: matrix @ v, size, tolerance=1e-8)
    assert found == pytest.approx(np.linalg.eigvalsh(matrix)[-1], rel=1e-6)


def test_it_is_the_largest_and_not_the_largest_in_size():
    matrix = np.diag(np.r_[-100.0, np.linspace(0, 3, 40)])
    assert largest_eigenvalue(lambda v: matrix @ v, 41, tolerance=1e-8) == pytest.approx(3)


def test_trace_is_unbiased_and_its_error_true():
    matrix = _symmetric(30, seed=1)
    found = [hutchinson_trace(lambda v: matrix @ v, 30, num_probes=20, seed=seed) for seed in range(300)]
    off_diagonal = matrix - np.diag(np.diag(matrix))
    error = np.sqrt(2 * np.square(off_diagonal).sum() / 20)
    traces = np.array([each.trace for each in found])
    assert traces.mean() == pytest.approx(np.trace(matrix), abs=4 * error / np.sqrt(300))
    assert traces.std() == pytest.approx(error, rel=0.15)
    assert np.mean([each.standard_error for each in found]) == pytest.approx(error, rel=0.1)


def test_trace_of_a_diagonal_matrix_has_no_error():
    diagonal = np.arange(12.0)
    found = hutchinson_trace(lambda v: diagonal * v, 12, num_probes=3)
    assert found.trace == pytest.approx(66)
    assert found.standard_error == pytest.approx(0)
    assert np.isnan(hutchinson_trace(lambda v: diagonal * v, 12, num_probes=1).standard_error)


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="size is 0"):
        largest_eigenvalue(lambda v: v, 0)
    with pytest.raises(InputError, match="size is 0"):
        hutchinson_trace(lambda v: v, 0)
    with pytest.raises(InputError, match="num_probes is 0"):
        hutchinson_trace(lambda v: v, 3, num_probes=0)
