"""Samplers of stationary Gaussian fields that never build the pixels × pixels matrix."""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft
import scipy.linalg
import torch
from jaxtyping import Float

from sparsight.data.fields._covariance import ProductCovariance, axis_row, torus_spectrum
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError

Sampler = Callable[[np.random.Generator, int], np.ndarray]
"""``sampler(rng, n)`` draws n independent fields: float32, (n, *size)."""

_MAX_TORUS = 2**22  # pixels of the torus that an open field is cut from
_LOST_VARIANCE = 1e-12  # share of the variance below which directions, and covariances, count as 0
_BLOCK_VALUES = 2**17  # numbers filtered at a time: what is between two axes then stays in the cache
_GROWTH = 1.125  # factor by which a torus that is not valid grows
_NEGATIVE_SHARE = 1e-10  # negative eigenvalues below this share of the largest are rounding errors


def product_sampler(covariance: ProductCovariance) -> Sampler:
    """Return a sampler of Gaussian fields with mean 0 and this covariance, by axis factors.

    Each axis matrix K (extent, extent) is factorised separately, K = F Fᵀ, in float64; a 2-D field is
    F₁ z F₂ᵀ with white z. Directions that together carry less than 10⁻¹² of the variance, among them
    those whose eigenvalue is negative by rounding, are left out.
    """
    rows = {len(row): row for row in covariance.rows}  # axes of equal extent share their row
    by_extent = {extent: _axis_factor(row, covariance.wraps) for extent, row in rows.items()}
    factors = [by_extent[extent] for extent in covariance.size]
    ranks = tuple(factor.shape[1] for factor in factors)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        if len(factors) == 1:
            return (white_noise(rng, (num_samples, *ranks)) @ factors[0].T).numpy()
        # New pages cost as much as the sampler (docs/decisions.md, "Fields: our own loops for noise and
        # erf …"), so the noise is drawn into the end of the fields' own memory. The fields never overtake
        # it: a block is read before it is written, and a field has at least as many pixels as it takes
        # random numbers. Both lengths are even because noise comes in pairs, aligned to 8 bytes.
        num_pixels, num_noise = num_samples * math.prod(covariance.size), num_samples * math.prod(ranks)
        start = (num_pixels - num_noise + 1) // 2 * 2
        memory = torch.empty(start + (num_noise + 1) // 2 * 2)
        noise = white_noise(rng, (num_samples, *ranks), memory[start:].numpy())
        fields = memory[:num_pixels].view(num_samples, *covariance.size)
        block = max(1, _BLOCK_VALUES // math.prod(covariance.size))
        between = torch.empty(min(block, num_samples), ranks[0], covariance.size[1])
        for white, part in zip(torch.split(noise, block), torch.split(fields, block), strict=True):
            rows = between[: len(part)]
            torch.matmul(white, factors[1].T, out=rows)  # (block, rank of axis 0, width)
            torch.matmul(factors[0], rows, out=part)  # (block, height, width)
        return fields.numpy()

    return sample


def pointwise_sampler(
    covariance: ProductCovariance, transform: Callable[[np.ndarray], np.ndarray]
) -> Sampler:
    """Return a sampler of Gaussian fields with the covariance f(C), where C is a product covariance.

    A pointwise nonlinearity of a Gaussian field has the covariance f(C_ij), where the power series of f has
    no negative coefficients. So f(C) is positive semi-definite, but it is not a product over axes. Fields on
    a torus are drawn exactly, by FFT; the matrix is never built. Open fields are windows of fields on a
    larger torus, the smallest one tried on which the covariance is valid and, inside the window, unchanged to
    10⁻¹² (circulant embedding: Wood, Chan, J. Comput. Graph. Stat. 3 (1994) 409). If that torus would be too
    large (an open field with ξ far above its extent), `InputError` is raised.
    """
    if covariance.wraps:
        spectrum = torus_spectrum(transform(covariance.by_displacement()))
    else:
        spectrum = _embedding_spectrum(covariance, transform)
    return torus_sampler(spectrum, covariance.size)


def torus_sampler(spectrum: np.ndarray, size: Sequence[int]) -> Sampler:
    """Return a sampler of Gaussian fields of `size`, windows of stationary fields on a torus.

    `spectrum` holds the eigenvalues of their covariance, one for each wave (`torus_spectrum`), in the order
    of `scipy.fft.fftn`; it is at least as large as `size`. Negative eigenvalues count as 0.
    """
    grid = spectrum.shape
    amplitude = torch.from_numpy(np.sqrt(np.maximum(spectrum, 0) / math.prod(grid)).astype(np.float32))
    window = tuple(slice(0, extent) for extent in size)
    axes = tuple(range(1, len(grid) + 1))
    block = max(1, _BLOCK_VALUES // (2 * math.prod(grid)))

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        # The real and the imaginary part of one complex transform are two independent fields.
        num_pairs = (num_samples + 1) // 2
        white = torch.view_as_complex(white_noise(rng, (num_pairs, *grid, 2)))
        fields = torch.empty(2, num_pairs, *size).numpy()
        for start in range(0, num_pairs, block):
            part = slice(start, start + block)
            transformed = torch.fft.ifftn(white[part].mul_(amplitude), dim=axes, norm="forward")
            pairs = transformed.numpy()[(slice(None), *window)]
            fields[0, part], fields[1, part] = pairs.real, pairs.imag
        return fields.reshape(-1, *size)[:num_samples]

    return sample


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
        rows = (axis_row(extent, length, power, wraps=True) for extent in grid)
        return torus_spectrum(transform(functools.reduce(np.multiply.outer, rows)))

    def is_valid(spectrum: np.ndarray) -> bool:
        return bool(spectrum.min() >= -_NEGATIVE_SHARE * spectrum.max())

    # A torus is valid only if the ring of each axis is, because the spectrum of a ring is that of the torus
    # summed over the other axis. So each axis first grows alone, and a long one does not grow with a short.
    grid = []
    for axis, row in enumerate(covariance.rows):
        largest = _MAX_TORUS // math.prod(covariance.size[:axis] + covariance.size[axis + 1 :])
        ring = _even(_smallest_ring(transform(row)))
        while ring <= largest and not is_valid(spectrum_on([ring])):
            ring = _even(_GROWTH * ring)
        grid.append(ring)
    # Valid rings are necessary but not sufficient: f of a product is not the product of f.
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
    """Return an even length with small prime factors; transforms of odd lengths take half as long again."""
    return 2 * scipy.fft.next_fast_len(math.ceil(least / 2))


def _smallest_ring(row: np.ndarray) -> int:
    """Return the extent of the smallest ring that leaves a decreasing covariance unchanged in its window."""
    # A ring of extent n − 1 + m brings pixels of the window that are n − 1 apart within m of each other, so
    # C(m) must equal C(n − 1). In 2-D the change is largest where the displacement along the other axis is
    # 0, because the power series of the transform has no negative coefficient: one row is enough to look at.
    closest = int(np.argmax(row - row[-1] <= _LOST_VARIANCE))
    return len(row) - 1 + max(closest, 1)
