"""The geometry of a layer's input: channels, extent, and whether it wraps."""

import math
from dataclasses import dataclass

import numpy as np

from sparsight.errors import InputError


@dataclass(frozen=True)
class Geometry:
    """Positions of the inputs of a fully connected layer.

    An input vector of length ``num_inputs`` is an array of shape ``(channels, *size)`` flattened in C
    order: input ``i`` is pixel ``i % num_pixels`` of channel ``i // num_pixels``.

    Parameters
    ----------
    channels : int
        Number of values per pixel, at least 1.
    size : tuple of int
        ``(length,)`` or ``(height, width)``, in pixels.
    wraps : bool
        Whether opposite borders touch, so that the pixels form a ring or a torus. Applies to every axis.

    Raises
    ------
    InputError
        If `channels` or an extent is below 1, or `size` does not have one or two axes.
    """

    channels: int
    size: tuple[int, ...]
    wraps: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(int(extent) for extent in self.size))
        if self.channels < 1:
            raise InputError(f"geometry.channels is {self.channels}; it must be at least 1")
        if len(self.size) not in (1, 2) or min(self.size) < 1:
            raise InputError(
                f"geometry.size is {self.size}; give (length,) or (height, width), each at least 1"
            )

    @property
    def num_pixels(self) -> int:
        """Number of positions, whatever the number of channels."""
        return math.prod(self.size)

    @property
    def num_inputs(self) -> int:
        """Length of the flattened input vector."""
        return self.channels * self.num_pixels

    @property
    def extent(self) -> int:
        """Smallest side D, in pixels; distances count as far relative to it."""
        return min(self.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(channels, *size)`` of one input."""
        return (self.channels, *self.size)

    def displacements(self) -> np.ndarray:
        """Return every displacement between two pixels, as a centred grid of vectors.

        Returns
        -------
        numpy.ndarray of int64, (*grid, len(size))
            Without wrapping each axis of the grid runs over −(n−1) … n−1; with wrapping over
            −⌊n/2⌋ … ⌈n/2⌉−1. The zero displacement is at the index given by `centre`.
        """
        axes = [np.arange(n) - n // 2 if self.wraps else np.arange(-(n - 1), n) for n in self.size]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def distances(self) -> np.ndarray:
        """Return the Euclidean length of every displacement, float64, shape ``grid``, in pixels."""
        lengths: np.ndarray = np.linalg.norm(self.displacements().astype(np.float64), axis=-1)
        return lengths

    @property
    def centre(self) -> tuple[int, ...]:
        """Index of the zero displacement in `displacements` and `distances`."""
        return tuple(n // 2 if self.wraps else n - 1 for n in self.size)

    def squared_distances_from(self, pixels: np.ndarray) -> np.ndarray:
        """Return the squared distance of every pixel from each of some, int64, (len(pixels), num_pixels)."""
        positions = self.positions()
        offsets = np.abs(positions[None] - positions[pixels][:, None])
        if self.wraps:
            offsets = np.minimum(offsets, np.array(self.size) - offsets)
        squared: np.ndarray = (offsets**2).sum(axis=-1)
        return squared

    def positions(self) -> np.ndarray:
        """Return the coordinates of every pixel, int64, shape ``(num_pixels, len(size))``."""
        axes = [np.arange(n) for n in self.size]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(self.num_pixels, -1)
