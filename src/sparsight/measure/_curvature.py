"""Curvature of a function given by products with its Hessian: largest eigenvalue and trace."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from sparsight.errors import InputError
from sparsight.streams import generator

HessianProduct = Callable[[np.ndarray], np.ndarray]
"""From a vector v, float64 (size,), to H v of the same shape."""

_DENSE_SIZE = 16
"""Up to this many dimensions the matrix is formed: Lanczos needs a space larger than its few vectors."""


@dataclass(frozen=True, kw_only=True)
class TraceEstimate:
    """A trace with its standard error over probes; the error is NaN with one probe."""

    trace: float
    standard_error: float


def largest_eigenvalue(
    product: HessianProduct, size: int, *, tolerance: float = 1e-3, seed: int = 0
) -> float:
    """Return the algebraically largest eigenvalue of a symmetric matrix, by Lanczos iteration.

    Parameters
    ----------
    product : callable
        Multiplies the matrix with a vector.
    size : int
        Rows of the matrix, at least 1.
    tolerance : float
        Relative error at which the iteration stops.
    seed : int
        Seeds the first vector.

    Returns
    -------
    float
        NaN if the iteration does not converge within 10 · size restarts, or 1000 if that is less.

    Raises
    ------
    InputError
        If the size is below 1.
    """
    _check_size(size)
    if size <= _DENSE_SIZE:
        matrix = np.stack([product(row) for row in np.eye(size)])
        return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
    start = generator(seed, "first Lanczos vector").normal(size=size)
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        found = eigsh(
            operator,
            k=1,
            which="LA",
            v0=start,
            tol=tolerance,
            maxiter=min(10 * size, 1000),
            return_eigenvectors=False,
        )
    except ArpackNoConvergence:
        return np.nan
    return float(found[0])


def hutchinson_trace(
    product: HessianProduct, size: int, *, num_probes: int = 50, seed: int = 0
) -> TraceEstimate:
    """Return an unbiased estimate of the trace of a symmetric matrix, the mean of vᵀHv over random signs v.

    Hutchinson, Communications in Statistics 18:1059 (1989). The variance of one probe is 2 Σ_{i≠j} H_ij², so
    that a diagonal matrix has no error.

    Parameters
    ----------
    product, size, seed
        As in `largest_eigenvalue`; the probes have their own stream.
    num_probes : int
        Random vectors, at least 1.

    Raises
    ------
    InputError
        If the size or the number of probes is below 1.
    """
    _check_size(size)
    if num_probes < 1:
        raise InputError(f"num_probes is {num_probes}; 1 or more is needed")
    stream = generator(seed, "trace probes")
    forms = np.empty(num_probes)
    for index in range(num_probes):
        signs = np.where(stream.random(size) < 0.5, -1.0, 1.0)
        forms[index] = signs @ product(signs)
    error = forms.std(ddof=1) / np.sqrt(num_probes) if num_probes > 1 else np.nan
    return TraceEstimate(trace=float(forms.mean()), standard_error=float(error))


def _check_size(size: int) -> None:
    if size < 1:
        raise InputError(f"size is {size}; at least one dimension is needed")
