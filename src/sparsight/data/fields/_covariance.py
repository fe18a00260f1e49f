"""Covariances of stationary Gaussian fields that are products over the axes."""

import functools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.errors import InputError

_MAX_SIDE = 4096  # pixels; factorising an axis this long as a dense matrix takes a minute
_REPORTED_CHANGE = 1e-4  # standard error of a covariance estimated from 10⁸ samples


class CovarianceWarning(UserWarning):
    """The requested function is not positive semi-definite; a valid covariance near it is used instead."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ProductCovariance:
    """The covariance of a stationary field with unit variance that is a product over the axes.

    The formula is exp(−(d/ξ)^p) along each axis, with the correlation length ξ in pixels and the power p. For
    each axis `rows` has the covariance at displacement 0 … extent − 1; the first entry is 1. `largest_change`
    is the largest |covariance − formula| over all displacements, above 0 only where `wraps`.
    """

    size: tuple[int, ...]
    correlation_length: float
    power: int
    wraps: bool
    rows: tuple[np.ndarray, ...]
    largest_change: float

    def by_displacement(self) -> Float[np.ndarray, "*size"]:
        """Return the covariance of two pixels at each displacement ≥ 0: float64, shape `size`."""
        return functools.reduce(np.multiply.outer, self.rows)


def product_covariance(
    size: Sequence[int], correlation_length: float, power: int = 2, wraps: bool = False
) -> ProductCovariance:
    r"""Return the covariance :math:`\prod_a \exp(-(|d_a| / \xi)^p)` of a field, made valid on a torus.

    :math:`d` is the displacement of two pixels; with `wraps`, :math:`|d_a|` is the distance to the
    nearest image, :math:`\min(|d_a|, D_a - |d_a|)`. For p = 2 the formula is then not positive
    semi-definite (at ξ = 0.3 D its smallest eigenvalue is −0.002 D). Negative eigenvalues are set to 0
    and the result is divided by its diagonal, so that the variance stays 1 and the field stays
    stationary. Nothing is added to the diagonal.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, each from 1 to 4096 pixels.
    correlation_length : float
        ξ > 0, in pixels, the same for every axis.
    power : {1, 2}
        p: 1 = exponential, 2 = Gaussian.
    wraps : bool
        Whether opposite borders touch.

    Raises
    ------
    InputError
        If an argument is out of range.

    Warns
    -----
    CovarianceWarning
        If the covariance differs from the formula by more than 10⁻⁴ (p = 2 on a torus, ξ ≳ 0.17 D).

    References
    ----------
    Ingrosso, Goldt, PNAS 119 (2022), arXiv 2202.00565, Methods (p = 2, torus).
    """
    size = tuple(int(extent) for extent in size)
    if len(size) not in (1, 2) or min(size) < 1 or max(size) > _MAX_SIDE:
        raise InputError(
            f"size is {size}; give (length,) or (height, width), each from 1 to {_MAX_SIDE} pixels"
        )
    if not (math.isfinite(correlation_length) and correlation_length > 0):
        raise InputError(f"correlation length is {correlation_length} pixels; give a finite number above 0")
    if power not in (1, 2):
        raise InputError(f"power is {power}; 1 (exponential) or 2 (Gaussian) is allowed")
    formula = tuple(axis_row(extent, correlation_length, power, wraps) for extent in size)
    rows = tuple(_nearest_valid_ring(row) for row in formula) if wraps else formula
    change = _largest_difference(formula, rows)
    if change > _REPORTED_CHANGE:
        warnings.warn(
            f"a Gaussian kernel with correlation length {correlation_length} is not a covariance on a torus "
            f"of {'x'.join(map(str, size))}: its negative eigenvalues are set to 0, which changes it by "
            f"up to {change:.2g}; a correlation length below {0.17 * min(size):.2g}, power = 1 or "
            "wraps = false avoids this",
            CovarianceWarning,
            stacklevel=2,
        )
    return ProductCovariance(
        size=size,
        correlation_length=float(correlation_length),
        power=power,
        wraps=wraps,
        rows=rows,
        largest_change=change,
    )


@checked(finite=("by_displacement",))
def covariance_matrix(
    by_displacement: Float[np.ndarray, "*size"], wraps: bool
) -> Float[np.ndarray, "pixels pixels"]:
    """Return the dense covariance of all pixels in C order, for small fields and tests.

    It is made from the covariance at each displacement ≥ 0, which is even in each axis separately; with
    `wraps` a displacement is taken modulo the extent.
    """
    size = by_displacement.shape
    if len(size) not in (1, 2) or not min(size):
        raise InputError(f"by_displacement has shape {size}; (length,) or (height, width) is needed")
    positions = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1).reshape(-1, len(size))
    displacement = positions[:, None] - positions[None]
    displacement = displacement % size if wraps else np.abs(displacement)
    matrix: np.ndarray = by_displacement[tuple(np.moveaxis(displacement, -1, 0))]
    return matrix


def axis_row(extent: int, correlation_length: float, power: int, wraps: bool) -> np.ndarray:
    """Return exp(−(d/ξ)^p) at displacement 0 … extent − 1 along one axis: float64, (extent,)."""
    displacement = np.arange(extent)
    distances = np.minimum(displacement, extent - displacement) if wraps else displacement
    with np.errstate(over="ignore", under="ignore"):  # far beyond ξ the result is exactly 0
        values: np.ndarray = np.exp(-((distances / correlation_length) ** power))
    return values


def torus_spectrum(by_displacement: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of a covariance on a torus: float64, same shape."""
    # A covariance that depends on the displacement modulo the extent is diagonal in Fourier space.
    spectrum: np.ndarray = scipy.fft.fftn(by_displacement).real
    return spectrum


def _nearest_valid_ring(row: np.ndarray) -> np.ndarray:
    # The distance to the nearest image has a kink at half the ring. Its Fourier coefficients fall only as a
    # power of the frequency while those of a Gaussian fall faster, so some of them are negative.
    clipped = np.maximum(torus_spectrum(row), 0)
    # The mean eigenvalue is the variance. Clipping raises it above 1: divide, so that pixels keep variance 1.
    # (Adding to the diagonal instead would be white noise in every field; a jitter of 10⁻³ makes the arcsine
    # of an NLGP's covariance NaN for gains above 31.)
    valid: np.ndarray = scipy.fft.ifft(clipped / clipped.mean()).real
    return valid


def _largest_difference(before: tuple[np.ndarray, ...], after: tuple[np.ndarray, ...]) -> float:
    """Return max |⊗before − ⊗after| over all displacements."""
    products = (functools.reduce(np.multiply.outer, rows) for rows in (before, after))
    return float(np.abs(next(products) - next(products)).max())
