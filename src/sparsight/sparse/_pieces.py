"""Kept weights in the order in which the products take them: piece by piece of the columns, row by row."""

from dataclasses import dataclass

import numpy as np

_LEAST = 128
"""Columns of a piece at least: with 64 samples each, in float32, they fill a first-level cache of 32 KiB."""

_WEIGHTS_OF_A_ROW = 12
"""Kept weights that a row has in a piece on average, where pieces are larger: every piece reads and writes
the sums of all rows again, which only so many products are worth."""

_MULTIPLE = 16


@dataclass(frozen=True, eq=False)
class Pieces:
    """The kept entries of a matrix, its columns cut into pieces.

    Attributes
    ----------
    size : int
        Columns of a piece; the last one may have fewer.
    starts : ndarray of int32, (pieces, rows + 1)
        The entries of row k in piece p are ``starts[p, k] … starts[p, k + 1] − 1``.
    columns : ndarray of int32, (entries,)
        Counted from the beginning of the piece, ascending within a row.
    order : ndarray of int64, (entries,)
        Values in this order are ``values[order]``, where `values` are in the order that `numbers` gave.
    """

    size: int
    starts: np.ndarray
    columns: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, numbers: np.ndarray) -> "Pieces":
        """Return the pieces of a mask.

        Parameters
        ----------
        mask : ndarray of bool, (rows, columns)
        numbers : ndarray of int, (rows, columns)
            The place of each kept entry in the vector of values; any number elsewhere.
        """
        num_rows, num_columns = mask.shape
        size = piece_size(num_columns, np.count_nonzero(mask) / mask.size)
        starts, columns, order = [], [], []
        before = 0
        for begin in range(0, num_columns, size):
            part = np.ascontiguousarray(mask[:, begin : begin + size])
            width = part.shape[1]
            kept = np.flatnonzero(part)
            row, column = np.divmod(kept, width)
            starts.append(before + np.searchsorted(kept, width * np.arange(num_rows + 1)))
            columns.append(column)
            order.append(numbers[row, begin + column])
            before = starts[-1][-1]
        return cls(
            size,
            np.array(starts, dtype=np.int32).reshape(-1, num_rows + 1),
            np.concatenate(columns).astype(np.int32),
            np.concatenate(order).astype(np.int64),
        )

    def cuts(self, num_ranges: int) -> np.ndarray:
        """Cut the rows into consecutive ranges of about equally many entries.

        Returns
        -------
        ndarray of int64, (num_ranges + 1,)
            Range i is rows ``cuts[i] … cuts[i + 1] − 1``; it may be empty.
        """
        if num_ranges == 1:
            return np.array([0, self.starts.shape[1] - 1])
        ends = (self.starts - self.starts[:, :1]).sum(axis=0)
        goals = ends[-1] * np.arange(1, num_ranges) // num_ranges
        return np.array([0, *np.searchsorted(ends, goals), len(ends) - 1])


def piece_size(num_columns: int, density: float) -> int:
    """Return how many columns a piece has: a multiple of 16, or all of them."""
    wanted = max(_LEAST, int(min(_WEIGHTS_OF_A_ROW / max(density, 1e-9), num_columns)))
    return min(-(-wanted // _MULTIPLE) * _MULTIPLE, num_columns)
