"""The layout of the sparse step: a batch cut into tiles, each with the samples of one feature side by side.

Activations are (tiles, features, width): sample n is column ``n % width`` of tile ``n // width``, and the
last tile is filled up with columns that belong to no sample. A kept weight then meets `width` samples
that lie side by side.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_UNIT = 16
"""A width is a multiple of this, the samples of one vector in `sparsight.sparse.kernels._row_loops`."""

_WIDE, _NARROW = 64, 32
_DENSE_ENOUGH = 0.05

NO_RELU, RELU_FIRST, RELU_LAST = 0, 1, 2
"""Where a ReLU stands at the input of a layer: nowhere, before or after the BatchNorm."""


@dataclass(frozen=True)
class Tiling:
    """How a batch is cut.

    Attributes
    ----------
    num_samples, num_tiles, width : int
        ``num_tiles · width ≥ num_samples``.
    """

    num_samples: int
    num_tiles: int
    width: int

    @classmethod
    def of(cls, num_samples: int, widest: int = _WIDE) -> "Tiling":
        """Return the tiling for a batch, with at most `widest` columns a tile: 64, or `widest_for`."""
        num_tiles = math.ceil(num_samples / widest)
        return cls(num_samples, num_tiles, _UNIT * math.ceil(num_samples / num_tiles / _UNIT))

    def tiled(self, rows: Tensor) -> Tensor:
        """Return samples by features, (n, features), as tiles; what fills up is 0."""
        filled = functional.pad(rows, (0, 0, 0, self.num_tiles * self.width - self.num_samples))
        return filled.view(self.num_tiles, self.width, -1).transpose(1, 2).contiguous()

    def rows(self, tiles: Tensor) -> Tensor:
        """Return tiles as samples by features, (n, features)."""
        return tiles.transpose(1, 2).reshape(-1, tiles.shape[1])[: self.num_samples]


def widest_for(density: float) -> int:
    """Return how wide tiles are best, for networks of a density.

    The more weights, the more often they are read from memory, once for every tile; with few, what counts is
    that a tile of all features fits into the second-level cache.
    """
    return _WIDE if density >= _DENSE_ENOUGH else _NARROW


@dataclass(frozen=True, eq=False)
class Table:
    """Samples, read where they lie; bytes are standardised while they are read.

    Attributes
    ----------
    numbers : ndarray of a float dtype or uint8, (samples, features)
        In C order; it may be read-only.
    mean, sd : ndarray of float64, (features,), or None
        The inputs are ``(numbers − mean) / sd``; None: they are the numbers.
    """

    numbers: np.ndarray
    mean: np.ndarray | None = None
    sd: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples of a table.

    Attributes
    ----------
    table : Table
    rows : ndarray of int64, (n,)
    """

    table: Table
    rows: np.ndarray

    def inputs(self, dtype: torch.dtype) -> Tensor:
        """Return the samples themselves: (n, features)."""
        numbers = torch.from_numpy(self.table.numbers[self.rows]).to(dtype)
        if self.table.mean is None or self.table.sd is None:
            return numbers
        mean, sd = (torch.from_numpy(array).to(dtype) for array in (self.table.mean, self.table.sd))
        return (numbers - mean) / sd


@dataclass(frozen=True, eq=False)
class Activations:
    """What a stage gives to the next one.

    Attributes
    ----------
    tiles : Tensor, (tiles, features, width)
    moments : ndarray of float64, (2, tiles, features), or None
        Mean over the samples of each tile and sum of squares about it, where somebody asked for them: of
        the rectified tiles, if that is what is standardised next.
    constants : Tensor, (constants,), or None
        Features that are the same for all samples and not in the tiles; see `sparsight.sparse._live_part`.
    """

    tiles: Tensor
    moments: np.ndarray | None = None
    constants: Tensor | None = None
