"""The layout of the sparse step: a batch cut into tiles, each with the samples of one feature side by side.

Activations are (tiles, features, width): sample n is column ``n % width`` of tile ``n // width``, and the
last tile is filled up with columns that belong to no sample. A kept weight then meets `width` samples
that lie side by side, and all features of a tile fit into the cache.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparsight.sparse.threads import even_shares, in_parallel

_WIDEST = 64
"""Columns of a tile at most: of 32, 64 and 128 the fastest for 3072 features."""

_UNIT = 16
"""A width is a multiple of this, the samples of one vector in `sparsight.sparse.kept_products`."""


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
    def of(cls, num_samples: int, device: torch.device) -> "Tiling":
        """Return the tiling for a batch: on a GPU one tile as wide as the batch, without filling."""
        if device.type != "cpu":
            return cls(num_samples, 1, num_samples)
        num_tiles = math.ceil(num_samples / _WIDEST)
        return cls(num_samples, num_tiles, _UNIT * math.ceil(num_samples / num_tiles / _UNIT))

    def tiled(self, rows: Tensor) -> Tensor:
        """Return samples by features, (n, features), as tiles; what fills up is 0."""
        if rows.device.type == "cpu" and not rows.requires_grad:
            return self.gathered(rows.contiguous().numpy(), np.arange(self.num_samples))
        filled = functional.pad(rows, (0, 0, 0, self.num_tiles * self.width - self.num_samples))
        return filled.view(self.num_tiles, self.width, -1).transpose(1, 2).contiguous()

    def gathered(self, table: np.ndarray, rows: np.ndarray, into: Tensor | None = None) -> Tensor:
        """Return ``tiled(table[rows])`` in one pass over memory; on the CPU, without gradient.

        Parameters
        ----------
        table : ndarray, (samples, features)
            In C order; it may be read-only.
        rows : ndarray of int64, (n,)
        into : Tensor, optional
            Filled and returned if it has the right shape.
        """
        from sparsight.sparse.gather import gather_into_tiles

        shape = (self.num_tiles, table.shape[1], self.width)
        if into is None or into.shape != shape:
            # torch's memory begins at a cache line, NumPy's need not: then every vector would touch two
            into = torch.empty(shape, dtype=getattr(torch, table.dtype.name))
        in_parallel(gather_into_tiles, even_shares(self.num_tiles), table, rows, into.numpy())
        return into

    def rows(self, tiles: Tensor) -> Tensor:
        """Return tiles as samples by features, (n, features)."""
        return tiles.transpose(1, 2).reshape(-1, tiles.shape[1])[: self.num_samples]
