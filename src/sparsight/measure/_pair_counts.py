"""Exact counts of pairs of inputs at every displacement, by FFT autocorrelation."""

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import fft

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry

NEAR_DISTANCE = 1.5
"""Largest distance, in pixels, of near pixels: the eight neighbours."""
FAR_SHARE = 0.25
"""Smallest distance of far pixels, as a share of the extent D."""

_NUMBERS_PER_BLOCK = 2**18
"""Padded numbers that are transformed together (at least one unit): 2 MiB, which stays in the cache."""


@checked(finite=("weights",))
def pair_counts(weights: Shaped[np.ndarray, "out in"], geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Count the pairs of inputs of one unit at each displacement, summed over units: S^sc(d) and S^dc(d).

    With w_c(x) the row of a unit as an array over channels c and pixels x,

        S^sc(d) = Σ_c Σ_x w_c(x) w_c(x + d) − [d = 0] Σ w²,    S^dc(d) = Σ_{c ≠ c'} Σ_x w_c(x) w_c'(x + d)

    where x + d wraps if the geometry does; otherwise pairs that leave the image do not count. Pairs are
    ordered, and none is of an input with itself. Weights are a mask (counts are then integers), squared
    weights, or numbers of paths. Memory does not grow with the number of units: their power spectra are added
    up and transformed back once.
    """
    # A sum over pairs at displacement d is an autocorrelation, whose transform is the power spectrum |F w|².
    # Pairs across channels are those of the channels' sum less those within channels: no c² loop.
    *others, last = _lengths(geometry)
    same_power = np.zeros(2 * math.prod(others) * (last // 2 + 1))
    all_power = np.zeros_like(same_power)
    for _, spectra in _spectra(weights, geometry):
        same_power += np.einsum("ucf,ucf->f", spectra, spectra)
        total = spectra.sum(axis=1)
        all_power += np.einsum("uf,uf->f", total, total)
    powers = np.stack([same_power, all_power - same_power])
    same, different = _grids(powers, geometry)
    same[geometry.centre] -= (weights.astype(np.float64) ** 2).sum()
    if weights.dtype == np.bool_:  # counts are integers: rounding makes the FFT exact
        return np.rint(same), np.rint(different)
    return same, different


@checked(finite=("weights", "kernels"))
def unit_pair_sums(
    weights: Shaped[np.ndarray, "out in"], geometry: Geometry, kernels: Shaped[np.ndarray, "kernel ..."]
) -> Float[np.ndarray, "kernel out"]:
    """Return Σ_d K(d) S^sc(d) of each unit for each kernel K, without computing S(d) of each unit.

    By Parseval's theorem this is the sum of the unit's power spectrum times the spectrum of the kernel.
    Kernels are even functions of displacement, K(−d) = K(d), so their spectra are real.
    """
    if len(kernels):
        _check_grid("kernels", kernels[0], geometry)
    last = _lengths(geometry)[-1]
    # A real transform stores half of the last axis' frequencies. Each also stands for its negative, except
    # 0 and, of an even length, the highest, which are their own.
    in_half = np.full(last // 2 + 1, 2.0)
    in_half[0] = 1
    if last % 2 == 0:
        in_half[-1] = 1
    spectrum_shape = (*_lengths(geometry)[:-1], last // 2 + 1)
    kernel_spectra = np.zeros((len(kernels), *spectrum_shape))
    for row, kernel in enumerate(kernels):
        kernel_spectra[row] = kernel_spectrum(kernel, geometry)
    factors = (kernel_spectra * in_half / np.prod(_lengths(geometry))).reshape(
        len(kernels), math.prod(spectrum_shape)
    )
    factors = np.repeat(factors, 2, axis=1)  # the same for real and imaginary parts
    sums = np.zeros((len(kernels), len(weights)))
    for block, spectra in _spectra(weights, geometry):
        sums[:, block] = factors @ np.einsum("ucf,ucf->uf", spectra, spectra).T
    at_zero: tuple[Any, ...] = (slice(None), *geometry.centre)
    sums -= np.outer(kernels[at_zero], (weights.astype(np.float64) ** 2).sum(axis=1))
    if weights.dtype == np.bool_ and kernels.dtype == np.bool_:
        return np.asarray(np.rint(sums))
    return sums


def kernel_spectrum(kernel: Shaped[np.ndarray, "..."], geometry: Geometry) -> Float[np.ndarray, "..."]:
    """Return the real half spectrum of an even function of displacement, at the padded lengths."""
    lengths = _lengths(geometry)
    padded = np.zeros(lengths)
    places = np.ix_(*(_places(axis, geometry) for axis in range(len(lengths))))
    padded[places] = kernel
    return np.asarray(fft.rfftn(padded).real)


@checked(finite=("kernel",))
def pairs_of_pixel(kernel: Shaped[np.ndarray, "..."], geometry: Geometry) -> Float[np.ndarray, " pixel"]:
    """Return Σ_x' K(x' − x), over the pixels x' of the image, of every pixel x, for an even K."""
    _check_grid("kernel", kernel, geometry)
    lengths = _lengths(geometry)
    ones = fft.rfftn(np.ones(geometry.size), lengths)
    sums = fft.irfftn(ones * kernel_spectrum(kernel, geometry), lengths)
    return np.asarray(sums[tuple(slice(extent) for extent in geometry.size)].reshape(-1))


@functools.lru_cache(maxsize=8)
def available_pairs(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return A^sc(d) and A^dc(d): the pair counts of a unit that keeps every input."""
    return pair_counts(np.ones((1, geometry.num_inputs), dtype=bool), geometry)


def near_displacements(geometry: Geometry) -> Bool[np.ndarray, "..."]:
    """Return which displacements are near: |d| ≤ 1.5, zero among them."""
    return np.asarray(geometry.distances() <= NEAR_DISTANCE)


def far_displacements(geometry: Geometry) -> Bool[np.ndarray, "..."]:
    """Return which displacements are far: |d| ≥ D/4 and not near."""
    far = geometry.distances() >= FAR_SHARE * geometry.extent
    return np.asarray(far & ~near_displacements(geometry))


@checked(finite=("counts",))
def mean_squared_displacement(counts: Float[np.ndarray, "..."], geometry: Geometry) -> float:
    """Return Σ |d|² S(d) / Σ S(d), in pixels²; NaN without pairs."""
    _check_grid("counts", counts, geometry)
    total = float(counts.sum())
    return float((geometry.distances() ** 2 * counts).sum() / total) if total > 0 else float("nan")


def _check_grid(name: str, values: np.ndarray, geometry: Geometry) -> None:
    grid = tuple(extent if geometry.wraps else 2 * extent - 1 for extent in geometry.size)
    if values.shape != grid:
        raise InputError(f"{name} has shape {values.shape}; the geometry has {grid} displacements")


def _lengths(geometry: Geometry) -> tuple[int, ...]:
    """Return the lengths of the transforms."""
    if geometry.wraps:
        return geometry.size
    # A transform wraps. Zeros up to 2n − 1 keep displacements d and d − n apart; a few more make it fast.
    return tuple(fft.next_fast_len(2 * extent - 1, real=True) for extent in geometry.size)


def _places(axis: int, geometry: Geometry) -> np.ndarray:
    """Return the positions of an axis' displacements in a transform: negative ones are at its end."""
    extent, length = geometry.size[axis], _lengths(geometry)[axis]
    lowest = -(extent // 2) if geometry.wraps else -(extent - 1)
    number = extent if geometry.wraps else 2 * extent - 1
    return (np.arange(number) + lowest) % length


def _spectra(weights: np.ndarray, geometry: Geometry) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield F w_c of blocks of units, (unit, channel, 2 · frequencies).

    Real and imaginary parts alternate in the last axis, so that |F w|² is a sum of squares of real numbers
    and needs no complex temporaries.
    """
    lengths = _lengths(geometry)
    units_per_block = max(1, _NUMBERS_PER_BLOCK // (geometry.channels * int(np.prod(lengths))))
    for start in range(0, len(weights), units_per_block):
        block = slice(start, start + units_per_block)
        fields = weights[block].reshape(-1, *geometry.shape).astype(np.float64)
        spectra = fft.rfft(fields, lengths[-1], axis=-1, overwrite_x=True)
        if len(lengths) == 2:  # padding this axis only now saves half of the transforms along the last one
            spectra = fft.fft(spectra, lengths[0], axis=-2, overwrite_x=True)
        yield block, np.ascontiguousarray(spectra).view(np.float64).reshape(*fields.shape[:2], -1)


def _grids(powers: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return autocorrelations, (map, *grid), from squares of spectra, (map, 2 · frequencies)."""
    *others, last = _lengths(geometry)
    powers = powers.reshape(len(powers), *others, last // 2 + 1, 2).sum(axis=-1)
    axes = tuple(range(-len(geometry.size), 0))
    grids: np.ndarray = fft.irfftn(powers, _lengths(geometry), axes=axes)
    for axis in axes:
        grids = np.take(grids, _places(axis, geometry), axis=axis)
    return grids
