"""Exact counts of pairs of inputs at every displacement, by FFT autocorrelation."""

import functools
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import fft

from sparsight.geometry import Geometry

NEAR_DISTANCE = 1.5
"""Pixels at most this far apart are near: the eight neighbours."""
FAR_SHARE = 0.25
"""Pixels at least this share of the extent D apart are far."""

_UNITS_PER_BLOCK = 64


def unit_pair_counts(
    weights: Shaped[np.ndarray, "out in"], geometry: Geometry
) -> tuple[np.ndarray, np.ndarray]:
    """Count the pairs of inputs of each unit at each displacement.

    With w_c(x) the row of a unit as an array over channels c and pixels x,

        S^sc(d) = Σ_c Σ_x w_c(x) w_c(x + d) − [d = 0] Σ w²,    S^dc(d) = Σ_{c ≠ c'} Σ_x w_c(x) w_c'(x + d)

    where x + d wraps if the geometry does, and leaves the image (and counts nothing) otherwise.

    Parameters
    ----------
    weights : numpy.ndarray of bool or non-negative numbers, (out, in)
        A mask, squared weights, or numbers of paths.
    geometry : Geometry

    Returns
    -------
    same_channel, different_channel : numpy.ndarray of float64, (out, *grid of displacements)
        Ordered pairs, an input with itself left out. Rounded to integers for bool.
    """
    fields = weights.reshape(len(weights), *geometry.shape).astype(np.float64)
    axes = tuple(range(1, 1 + len(geometry.size)))
    lengths = [n if geometry.wraps else fft.next_fast_len(2 * n - 1, real=True) for n in geometry.size]
    spectrum = fft.rfftn(fields, lengths, axes=tuple(axis + 1 for axis in axes))  # (out, channel, *half)
    same_power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    total = spectrum.sum(axis=1)
    all_power = total.real**2 + total.imag**2
    counts = []
    for power in (same_power, all_power - same_power):
        grid = fft.irfftn(power, lengths, axes=axes)
        # Negative displacements stand at the end of each axis; the padding between is dropped.
        for axis, (length, extent) in enumerate(zip(lengths, geometry.size, strict=True), start=1):
            lowest = -(extent // 2) if geometry.wraps else -(extent - 1)
            number = extent if geometry.wraps else 2 * extent - 1
            grid = np.take(grid, (np.arange(number) + lowest) % length, axis=axis)
        counts.append(grid)
    at_zero: tuple[Any, ...] = (slice(None), *geometry.centre)
    counts[0][at_zero] -= (fields**2).reshape(len(fields), -1).sum(axis=1)
    if weights.dtype == np.bool_:
        counts = [np.rint(grid) for grid in counts]
    return counts[0], counts[1]


def pair_counts(weights: Shaped[np.ndarray, "out in"], geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return `unit_pair_counts` summed over units, in memory that does not grow with their number."""
    same = np.zeros(geometry.distances().shape)
    different = np.zeros_like(same)
    for start in range(0, len(weights), _UNITS_PER_BLOCK):
        block = unit_pair_counts(weights[start : start + _UNITS_PER_BLOCK], geometry)
        same += block[0].sum(axis=0)
        different += block[1].sum(axis=0)
    return same, different


@functools.lru_cache(maxsize=8)
def available_pairs(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return A^sc(d) and A^dc(d): the pair counts of a unit that keeps every input."""
    same, different = unit_pair_counts(np.ones((1, geometry.num_inputs), dtype=bool), geometry)
    return same[0], different[0]


def near_displacements(geometry: Geometry) -> Bool[np.ndarray, "..."]:
    """Return which displacements are near: |d| ≤ 1.5, zero among them."""
    return np.asarray(geometry.distances() <= NEAR_DISTANCE)


def far_displacements(geometry: Geometry) -> Bool[np.ndarray, "..."]:
    """Return which displacements are far: |d| ≥ D/4 and not near."""
    far = geometry.distances() >= FAR_SHARE * geometry.extent
    return np.asarray(far & ~near_displacements(geometry))


def mean_squared_displacement(counts: Float[np.ndarray, "..."], geometry: Geometry) -> float:
    """Return Σ |d|² S(d) / Σ S(d), in pixels²; NaN without pairs."""
    total = float(counts.sum())
    return float((geometry.distances() ** 2 * counts).sum() / total) if total > 0 else float("nan")
