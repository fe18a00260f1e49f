"""The memory layout of the sparse step: a batch is cut into tiles with the samples of a feature side by side.

Activations are (tiles, features, width): sample n is column ``n % width`` of tile ``n // width``. The last
tile is padded with columns that belong to no sample. A kept weight thus meets `width` adjacent samples,
which is what makes products with scattered weights fast; docs/kernels.md draws it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Every width is a multiple of the samples of one vector in `sparsight.sparse.kernels._row_loops`.
_UNIT = 16

# Widths of 16, 32 and 64 were tried at every density: see "A layer's input is made piece by piece, where it
# is read, and never stored" in docs/decisions.md.
_WIDE, _NARROW = 64, 32
_DENSE_ENOUGH = 0.05

# Plain integers and not an enumeration, because the compiled loops compare them.
NO_RELU, RELU_FIRST, RELU_LAST = 0, 1, 2
"""Position of the ReLU at the input of a layer: absent, before, or after the BatchNorm."""


@dataclass(frozen=True)
class Tiling:
    """The division of a batch into tiles, with ``num_tiles · width ≥ num_samples``; 16 divides the width."""

    num_samples: int
    num_tiles: int
    width: int

    @classmethod
    def of(cls, num_samples: int, widest: int = _WIDE) -> "Tiling":
        """Return the tiling of a batch, with at most `widest` columns per tile: 64, or from `widest_for`.

        All tiles have the same width, the smallest that needs no further tile: little padding, and equal
        shares for threads.
        """
        num_tiles = math.ceil(num_samples / widest)
        return cls(num_samples, num_tiles, _UNIT * math.ceil(num_samples / num_tiles / _UNIT))

    def tiled(self, rows: Tensor) -> Tensor:
        """Return samples by features, (n, features), as tiles; the padding is 0."""
        filled = functional.pad(rows, (0, 0, 0, self.num_tiles * self.width - self.num_samples))
        return filled.view(self.num_tiles, self.width, -1).transpose(1, 2).contiguous()

    def rows(self, tiles: Tensor) -> Tensor:
        """Return tiles as samples by features, (n, features)."""
        return tiles.transpose(1, 2).reshape(-1, tiles.shape[1])[: self.num_samples]


def widest_for(density: float) -> int:
    """Return the best width of tiles for a network of a given density.

    All weights are read from memory once per tile, so many weights call for wide tiles. With few weights it
    matters more that a tile of all features fits into the second-level cache.
    """
    return _WIDE if density >= _DENSE_ENOUGH else _NARROW


@dataclass(frozen=True, eq=False)
class Table:
    """All samples, read in place; bytes are standardised while they are read.

    Attributes
    ----------
    numbers : ndarray of a float dtype or uint8, (samples, features)
        In C order; it may be read-only.
    mean, sd : ndarray of float64, (features,), or None
        The inputs are ``(numbers − mean) / sd``; None: the inputs are the numbers themselves.
    """

    numbers: np.ndarray
    mean: np.ndarray | None = None
    sd: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples of a table, by the numbers of their rows: int64, (n,)."""

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
    """The output of a stage, and the input of the next one: tiles, (tiles, features, width).

    `moments`, if the next BatchNorm needs them, are the mean over the samples of each tile and the sum of
    squares about it, (2, tiles, features); of the rectified tiles, if a ReLU comes before that BatchNorm.
    `constants` are the features that are the same for all samples, which the tiles leave out; see
    `sparsight.sparse._live_part`.
    """

    tiles: Tensor
    moments: np.ndarray | None = None
    constants: Tensor | None = None
