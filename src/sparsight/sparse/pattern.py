"""Which weights of a layer are kept, in compressed sparse rows, and the same of its transpose."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """Compressed sparse rows of a matrix, without its values.

    Attributes
    ----------
    starts : Tensor of int32, (rows + 1,)
        The entries of row k are ``starts[k] … starts[k + 1] − 1``.
    columns : Tensor of int32, (entries,)
        Ascending within a row.
    """

    starts: Tensor
    columns: Tensor

    def cuts(self, num_ranges: int) -> np.ndarray:
        """Cut the rows into consecutive ranges of about equally many entries.

        Returns
        -------
        ndarray of int64, (num_ranges + 1,)
            Range i is rows ``cuts[i] … cuts[i + 1] − 1``; it may be empty.
        """
        starts = self.starts.cpu().numpy()
        goals = starts[-1] * np.arange(1, num_ranges) // num_ranges
        return np.array([0, *np.searchsorted(starts, goals), len(starts) - 1])


@dataclass(frozen=True, eq=False)
class Pattern:
    """The kept entries of a mask.

    Values of kept weights are a vector in C order under the mask: ``weight[mask]``.

    Attributes
    ----------
    shape : (out, in)
    positions : Tensor of int64, (kept,)
        Of the kept weights in the flattened weight.
    units, inputs : Tensor of int64, (kept,)
        Row and column of each.
    rows : Rows
        The kept inputs of every unit.
    transposed : Rows
        The units that keep each input.
    transposed_order : Tensor of int64, (kept,)
        The values of `transposed` are ``values[transposed_order]``.
    """

    shape: tuple[int, int]
    positions: Tensor
    units: Tensor
    inputs: Tensor
    rows: Rows
    transposed: Rows
    transposed_order: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> "Pattern":
        """Return the pattern of a mask: bool, (out, in)."""
        units, inputs = mask.nonzero(as_tuple=True)
        order = torch.argsort(inputs, stable=True)
        return cls(
            shape=(mask.shape[0], mask.shape[1]),
            positions=units * mask.shape[1] + inputs,
            units=units,
            inputs=inputs,
            rows=Rows(_starts(units, mask.shape[0]), inputs.to(torch.int32)),
            transposed=Rows(_starts(inputs[order], mask.shape[1]), units[order].to(torch.int32)),
            transposed_order=order,
        )


def _starts(sorted_rows: Tensor, num_rows: int) -> Tensor:
    counts = torch.bincount(sorted_rows, minlength=num_rows)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)
