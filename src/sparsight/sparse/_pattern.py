"""The kept weights of a layer, in the orders that products need.

The values of kept weights are one vector, in C order under the mask: ``weight[mask]``. Optimizer, checkpoint
and every gradient use that order. Products need others: `Pieces` for the compiled loops on a CPU, `Rows` for
torch's sparse matrices on a GPU.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

# 128 columns of 64 samples in float32 are 32 KiB: a usual first-level data cache.
_LEAST_COLUMNS = 128

# Every further piece reads and writes the sums of all units once more. That pays only if a unit has some
# products in the piece: where few weights are kept, pieces are larger than the cache. Pieces of 64 to 3072
# columns were tried at every density, and this rule was within 20 % of the best everywhere.
_WEIGHTS_OF_A_ROW = 12

# The gather reads whole blocks of 16 features (`kernels._gather.SIDE`), so pieces begin at such a multiple.
_MULTIPLE = 16


class Pieces(NamedTuple):
    """The kept entries of a matrix with its columns cut into pieces, in the order of the compiled products.

    A piece has `size` columns, the last perhaps fewer. Its rows come in the order of how many entries they
    have in it, fewest first: neighbouring loops over a row's entries are then equally long, which the
    processor predicts. Row ``rows[p, r]`` is the one at place r of piece p, and its entries are those from
    ``starts[p, r]`` to before ``starts[p, r + 1]``. `columns`, counted from the beginning of the piece,
    ascend within a row. ``values[order]`` are the values in this order, where `values` are in the order
    given to `of`. A named tuple, because numba takes one as an argument and a dataclass it does not.
    """

    size: int
    rows: np.ndarray
    starts: np.ndarray
    columns: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> "Pieces":
        """Return the pieces of a matrix with entries at these places, row by row, columns ascending."""
        num_rows, num_columns = shape
        size = piece_size(num_columns, len(rows) / max(num_rows * num_columns, 1))
        num_pieces = -(-num_columns // size)
        piece = columns // size
        counts = np.bincount(rows * num_pieces + piece, minlength=num_rows * num_pieces)
        by_piece = counts.reshape(num_rows, num_pieces).T
        in_order = np.argsort(by_piece, axis=1, kind="stable")
        ends = np.cumsum(np.take_along_axis(by_piece, in_order, axis=1)).reshape(num_pieces, num_rows)
        starts = np.concatenate([np.concatenate([[0], ends[:-1, -1]])[:, None], ends], axis=1)
        # The entries of a row in a piece lie together before and after: all of them move equally far.
        after = np.empty_like(by_piece)
        np.put_along_axis(after, in_order, starts[:, :-1], axis=1)
        places = np.arange(len(rows)) + np.repeat(after.T.ravel() - (np.cumsum(counts) - counts), counts)
        moved, order = np.empty(len(rows), np.int32), np.empty(len(rows), np.int64)
        moved[places] = columns - piece * size
        order[places] = np.arange(len(rows))
        return cls(size, in_order.astype(np.int32), starts.astype(np.int32), moved, order)

    def cuts(self, num_ranges: int) -> np.ndarray:
        """Cut the places of rows into ranges ``cuts[i] … cuts[i + 1] − 1`` of about equally many entries."""
        if num_ranges == 1:
            return np.array([0, self.starts.shape[1] - 1])
        ends = (self.starts - self.starts[:, :1]).sum(axis=0)
        goals = ends[-1] * np.arange(1, num_ranges) // num_ranges
        return np.array([0, *np.searchsorted(ends, goals), len(ends) - 1])


def piece_size(num_columns: int, density: float) -> int:
    """Return the number of columns of a piece: a multiple of 16, or all columns."""
    wanted = max(_LEAST_COLUMNS, int(min(_WEIGHTS_OF_A_ROW / max(density, 1e-9), num_columns)))
    return min(-(-wanted // _MULTIPLE) * _MULTIPLE, num_columns)


@dataclass(frozen=True, eq=False)
class Rows:
    """Compressed sparse rows of a matrix, without its values.

    The entries of row k are ``starts[k] … starts[k + 1] − 1``; columns ascend within a row.
    """

    starts: Tensor
    columns: Tensor


@dataclass(frozen=True, eq=False)
class Pattern:
    """The positions of the kept weights of a layer: its mask, and the row and column of each of them."""

    mask: Tensor
    units: Tensor
    inputs: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> "Pattern":
        """Return the pattern of a mask: bool, (out, in)."""
        return cls(mask, *mask.nonzero(as_tuple=True))

    @property
    def num_kept(self) -> int:
        """The number of kept weights."""
        return len(self.units)

    @cached_property
    def positions(self) -> Tensor:
        """The positions of the kept weights in the flattened weight: int64, (kept,)."""
        return self.units * self.mask.shape[1] + self.inputs

    @cached_property
    def pieces(self) -> Pieces:
        """The kept inputs of every unit, for the compiled products."""
        return Pieces.of(self.units.numpy(), self.inputs.numpy(), (self.mask.shape[0], self.mask.shape[1]))

    @cached_property
    def transposed_pieces(self) -> Pieces:
        """The units that keep each input, for the compiled gradient by the inputs."""
        num_units, num_inputs = self.mask.shape
        numbers = scipy.sparse.csr_array(
            (np.arange(self.num_kept), self.inputs.numpy(), self.rows.starts.numpy()), (num_units, num_inputs)
        ).tocsc()
        columns = np.repeat(np.arange(num_inputs), np.diff(numbers.indptr))
        found = Pieces.of(columns, numbers.indices, (num_inputs, num_units))
        return found._replace(order=numbers.data[found.order])

    @cached_property
    def rows(self) -> Rows:
        """The kept inputs of every unit, for torch's products."""
        return Rows(_starts(self.units, self.mask.shape[0]), self.inputs.to(torch.int32))

    @cached_property
    def transposed(self) -> Rows:
        """The units that keep each input, for torch's products."""
        order = self.transposed_order
        return Rows(_starts(self.inputs[order], self.mask.shape[1]), self.units[order].to(torch.int32))

    @cached_property
    def transposed_order(self) -> Tensor:
        """``values[transposed_order]`` are the values of `transposed`: int64, (kept,)."""
        return torch.argsort(self.inputs, stable=True)


def _starts(sorted_rows: Tensor, num_rows: int) -> Tensor:
    counts = torch.bincount(sorted_rows, minlength=num_rows)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)
