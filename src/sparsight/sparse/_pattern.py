"""Which weights of a layer are kept, in the orders that products want."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sparsight.sparse._pieces import Pieces


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


@dataclass(frozen=True, eq=False)
class Pattern:
    """The kept entries of a mask.

    Values of kept weights are a vector in C order under the mask: ``weight[mask]``.

    Attributes
    ----------
    mask : Tensor of bool, (out, in)
    units, inputs : Tensor of int64, (kept,)
        Row and column of each kept weight.
    """

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
        """Where the kept weights are in the flattened weight: int64, (kept,)."""
        return self.units * self.mask.shape[1] + self.inputs

    @cached_property
    def pieces(self) -> Pieces:
        """The kept inputs of every unit, for the compiled products."""
        return Pieces.of(self.mask.numpy(), self._numbers)

    @cached_property
    def transposed_pieces(self) -> Pieces:
        """The units that keep each input, for the compiled products."""
        return Pieces.of(np.ascontiguousarray(self.mask.numpy().T), np.ascontiguousarray(self._numbers.T))

    @property
    def _numbers(self) -> np.ndarray:
        mask = self.mask.numpy()
        return (np.cumsum(mask, dtype=np.int32) - 1).reshape(mask.shape)

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
        """The values of `transposed` are ``values[transposed_order]``: int64, (kept,)."""
        return torch.argsort(self.inputs, stable=True)


def _starts(sorted_rows: Tensor, num_rows: int) -> Tensor:
    counts = torch.bincount(sorted_rows, minlength=num_rows)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(torch.int32)
