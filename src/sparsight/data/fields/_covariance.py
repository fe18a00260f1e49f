"""Stationary Gaussian fields: their covariance, and samples without the pixels × pixels matrix."""

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg
import torch
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError

Sampler = Callable[[np.random.Generator, int], np.ndarray]
"""``sampler(rng, n)`` draws n independent fields: float32, (n, *size)."""

_MAX_SIDE = 4096  # pixels; an axis is factorised as a dense matrix, which takes a minute here
_MAX_TORUS = 2**22  # pixels; of the torus that an open field is cut from
_REPORTED_CHANGE = 1e-4  # the standard error of a covariance from 10⁸ samples: less cannot be seen
_LOST_VARIANCE = 1e-12  # directions that together carry less than this share of the variance are left out,
# and so are covariances below
_BLOCK_VALUES = 2**17  # numbers filtered at a time: what lies between two axes stays in the cache
_GROWTH = 1.125  # of a torus that is not valid
_NEGATIVE_SHARE = 1e-10  # negative eigenvalues of an embedding, as a share of the largest, taken as zero


class CovarianceWarning(UserWarning):
    """The covariance asked for is not one (not positive semi-definite): the nearest kind was taken."""


@dataclass(frozen=True, eq=False)
class ProductCovariance:
    """The covariance of a stationary field with unit variance that is a product over the axes.

    Attributes
    ----------
    size : tuple of int
        ``(length,)`` or ``(height, width)``, in pixels.
    correlation_length : float
        ξ, in pixels.
    power : int
        p = 1 or 2.
    wraps : bool
        Whether the field lives on a ring or torus.
    rows : tuple of numpy.ndarray of float64, one of shape (extent,) for each axis
        Covariance at displacement 0 … extent − 1 along that axis. The first entry is 1.
    largest_change : float
        Largest |covariance − formula| over all displacements; above 0 only where `wraps`.
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
    nearest image, :math:`\min(|d_a|, D_a - |d_a|)`. For p = 2 this is then not positive semi-definite
    (at ξ = 0.3 D its smallest eigenvalue is −0.002 D). Negative eigenvalues are set to 0 and the
    result is divided by its diagonal, so that the variance stays 1 and the field stays stationary.
    Nothing is ever added to the diagonal.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, in pixels.
    correlation_length : float
        ξ > 0, in pixels, the same for every axis.
    power : {1, 2}
        1 = exponential, 2 = Gaussian.
    wraps : bool
        Whether opposite borders touch.

    Raises
    ------
    InputError
        If an argument is outside what is said above.

    Warns
    -----
    CovarianceWarning
        If a covariance had to change by more than 10⁻⁴ (p = 2 on a torus with ξ ≳ 0.17 D).

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
    formula = tuple(_decay(_distances(extent, wraps), correlation_length, power) for extent in size)
    rows = tuple(_nearest_valid_ring(row) for row in formula) if wraps else formula
    change = _largest_difference(formula, rows)
    if change > _REPORTED_CHANGE:
        warnings.warn(
            f"a Gaussian kernel with correlation length {correlation_length} is not a covariance on a torus "
            f"of {'x'.join(map(str, size))}: negative eigenvalues set to 0, which changes the covariance by "
            f"up to {change:.2g}; a correlation length below {0.17 * min(size):.2g}, power = 1 or "
            "wraps = false needs no change",
            CovarianceWarning,
            stacklevel=2,
        )
    return ProductCovariance(size, float(correlation_length), power, wraps, rows, change)


@checked(finite=("by_displacement",))
def covariance_matrix(
    by_displacement: Float[np.ndarray, "*size"], wraps: bool
) -> Float[np.ndarray, "pixels pixels"]:
    """Return the dense covariance of all pixels; for small fields, tests and reports.

    Parameters
    ----------
    by_displacement : numpy.ndarray of float64, (*size)
        Covariance at each displacement ≥ 0; even in each axis separately.
    wraps : bool
        With `wraps`, the displacement is taken modulo the extent.

    Returns
    -------
    numpy.ndarray of float64, (num_pixels, num_pixels)
        Pixels in C order.
    """
    size = by_displacement.shape
    if len(size) not in (1, 2) or not min(size):
        raise InputError(f"by_displacement has shape {size}; (length,) or (height, width) is needed")
    positions = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1).reshape(-1, len(size))
    displacement = positions[:, None] - positions[None]
    displacement = displacement % size if wraps else np.abs(displacement)
    matrix: np.ndarray = by_displacement[tuple(np.moveaxis(displacement, -1, 0))]
    return matrix


def product_sampler(covariance: ProductCovariance) -> Sampler:
    """Return a sampler of Gaussian fields with mean 0 and this covariance, by axis factors.

    Each axis matrix K (extent, extent) is factorised alone, K = F Fᵀ, in float64; a 2-D field is
    F₁ z F₂ᵀ with white z. Eigenvalues that are negative by rounding are 0, and directions that carry
    less than 10⁻¹² of the variance are left out.

    Parameters
    ----------
    covariance : ProductCovariance

    Returns
    -------
    callable
        ``sampler(rng, n)``: float32, (n, *size).
    """
    rows = {len(row): row for row in covariance.rows}  # axes of one extent have one row
    by_extent = {extent: _axis_factor(row, covariance.wraps) for extent, row in rows.items()}
    factors = [by_extent[extent] for extent in covariance.size]
    ranks = tuple(factor.shape[1] for factor in factors)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        if len(factors) == 1:
            return (white_noise(rng, (num_samples, *ranks)) @ factors[0].T).numpy()
        # The noise lies at the end of the memory of the fields, which never overtake it: a block is read
        # before it is written, and a field has at least as many pixels as it takes random numbers.
        num_pixels, num_noise = num_samples * math.prod(covariance.size), num_samples * math.prod(ranks)
        start = (num_pixels - num_noise + 1) // 2 * 2
        memory = torch.empty(start + (num_noise + 1) // 2 * 2)
        noise = white_noise(rng, (num_samples, *ranks), memory[start:].numpy())
        fields = memory[:num_pixels].view(num_samples, *covariance.size)
        block = max(1, _BLOCK_VALUES // math.prod(covariance.size))
        between = torch.empty(min(block, num_samples), ranks[0], covariance.size[1])
        for white, part in zip(torch.split(noise, block), torch.split(fields, block), strict=True):
            rows = between[: len(part)]
            torch.matmul(white, factors[1].T, out=rows)
            torch.matmul(factors[0], rows, out=part)
        return fields.numpy()

    return sample


def pointwise_sampler(
    covariance: ProductCovariance, transform: Callable[[np.ndarray], np.ndarray]
) -> Sampler:
    """Return a sampler of Gaussian fields whose covariance is a function of a product covariance.

    What a pointwise nonlinearity makes of a Gaussian field has the covariance f(C_ij), where the power
    series of f has no negative coefficients; so f(C) is positive semi-definite, too, but it is no
    product of axes. Fields on a torus are drawn by FFT, exactly. Open fields are windows of fields on a
    larger torus, the smallest tried on which the covariance, unchanged inside the window (to 10⁻¹²), is
    valid (circulant embedding: Wood, Chan, J. Comput. Graph. Stat. 3 (1994) 409).

    Parameters
    ----------
    covariance : ProductCovariance
        C, (num_pixels, num_pixels) in words only: the matrix is never built.
    transform : callable
        f, from float64 arrays of correlations in [−1, 1] to arrays of the same shape.

    Returns
    -------
    callable
        ``sampler(rng, n)``: float32, (n, *size).

    Raises
    ------
    InputError
        If the torus needed is too large (an open field with ξ far above its extent).
    """
    if covariance.wraps:
        spectrum = _spectrum(transform(covariance.by_displacement()))
    else:
        spectrum = _embedding_spectrum(covariance, transform)
    grid = spectrum.shape
    amplitude = torch.from_numpy(np.sqrt(np.maximum(spectrum, 0) / math.prod(grid)).astype(np.float32))
    window = tuple(slice(0, extent) for extent in covariance.size)
    axes = tuple(range(1, len(grid) + 1))
    block = max(1, _BLOCK_VALUES // (2 * math.prod(grid)))

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        # The real and the imaginary part of one complex transform are two independent fields.
        num_pairs = (num_samples + 1) // 2
        white = torch.view_as_complex(white_noise(rng, (num_pairs, *grid, 2)))
        fields = torch.empty(2, num_pairs, *covariance.size).numpy()
        for start in range(0, num_pairs, block):
            part = slice(start, start + block)
            transformed = torch.fft.ifftn(white[part].mul_(amplitude), dim=axes, norm="forward")
            pairs = transformed.numpy()[(slice(None), *window)]
            fields[0, part], fields[1, part] = pairs.real, pairs.imag
        return fields.reshape(-1, *covariance.size)[:num_samples]

    return sample


def _distances(extent: int, wraps: bool) -> np.ndarray:
    displacement = np.arange(extent)
    return np.minimum(displacement, extent - displacement) if wraps else displacement


def _decay(distances: np.ndarray, correlation_length: float, power: int) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):  # far away is exactly 0
        values: np.ndarray = np.exp(-((distances / correlation_length) ** power))
    return values


def _spectrum(by_displacement: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of a covariance on a torus: float64, same shape."""
    spectrum: np.ndarray = scipy.fft.fftn(by_displacement).real
    return spectrum


def _nearest_valid_ring(row: np.ndarray) -> np.ndarray:
    clipped = np.maximum(_spectrum(row), 0)
    valid: np.ndarray = scipy.fft.ifft(clipped / clipped.mean()).real
    return valid


def _largest_difference(before: tuple[np.ndarray, ...], after: tuple[np.ndarray, ...]) -> float:
    """Return max |⊗before − ⊗after| over all displacements."""
    products = (functools.reduce(np.multiply.outer, rows) for rows in (before, after))
    return float(np.abs(next(products) - next(products)).max())


def _axis_factor(row: np.ndarray, wraps: bool) -> torch.Tensor:
    """Return F, float32, (extent, rank), with F Fᵀ the axis covariance."""
    matrix = scipy.linalg.circulant(row) if wraps else scipy.linalg.toeplitz(row)
    eigenvalues, vectors = scipy.linalg.eigh(matrix)  # ascending
    lost = np.cumsum(np.maximum(eigenvalues, 0))
    first = int(np.searchsorted(lost, _LOST_VARIANCE * len(row), side="right"))
    factor = vectors[:, first:] * np.sqrt(eigenvalues[first:])
    return torch.from_numpy(np.ascontiguousarray(factor, dtype=np.float32))


def _embedding_spectrum(
    covariance: ProductCovariance, transform: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return the spectrum of the smallest torus tried in which the open field is a window."""

    def spectrum_on(grid: Sequence[int]) -> np.ndarray:
        length, power = covariance.correlation_length, covariance.power
        rows = (_decay(_distances(extent, True), length, power) for extent in grid)
        return _spectrum(transform(functools.reduce(np.multiply.outer, rows)))

    def is_valid(spectrum: np.ndarray) -> bool:
        return bool(spectrum.min() >= -_NEGATIVE_SHARE * spectrum.max())

    # A torus is valid only where the ring of each axis is, for that is the torus's spectrum summed over the
    # others: so an axis that is long enough stays as it is while another grows.
    grid = []
    for axis, row in enumerate(covariance.rows):
        largest = _MAX_TORUS // math.prod(covariance.size[:axis] + covariance.size[axis + 1 :])
        ring = _even(_smallest_ring(transform(row)))
        while ring <= largest and not is_valid(spectrum_on([ring])):
            ring = _even(_GROWTH * ring)
        grid.append(ring)
    while math.prod(grid) <= _MAX_TORUS:
        spectrum = spectrum_on(grid)
        if is_valid(spectrum):
            return spectrum
        grid = [_even(_GROWTH * ring) for ring in grid]
    raise InputError(
        f"correlation length is {covariance.correlation_length}, too far above the size "
        f"{covariance.size} of this open field to draw its twin; choose a smaller one or wraps = true"
    )


def _even(least: int | float) -> int:
    """Return an even length of small prime factors; the transform of an odd one takes half as long again."""
    return 2 * scipy.fft.next_fast_len(math.ceil(least / 2))


def _smallest_ring(row: np.ndarray) -> int:
    """Return the extent of the smallest ring on which a covariance that only falls is that of the row.

    A ring of extent n − 1 + m brings pixels of the window within m of each other that are up to n − 1
    apart. With a product covariance the change that this makes is largest where the other axis's
    displacement is 0, as no coefficient of the transform's power series is negative.
    """
    closest = int(np.argmax(row - row[-1] <= _LOST_VARIANCE))
    return len(row) - 1 + max(closest, 1)
