"""Pairs of a unit and an input, all of them or a list: the index set of joint moments."""

import warnings
from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

_VALUES_AT_ONCE = 1 << 15
"""Float64 values, 256 KiB: several arrays of this size fit the second-level cache."""


class AllPairs:
    """Every unit with every input: values have shape (out, in), and products are matrix products."""

    def __init__(self, num_units: int, num_inputs: int) -> None:
        self.num_units, self.num_inputs = num_units, num_inputs
        self.shape: tuple[int, ...] = (num_units, num_inputs)

    def same_as(self, other: "Pairs") -> bool:
        """Return whether values of both belong to the same pairs."""
        return isinstance(other, AllPairs) and self.shape == other.shape

    def arranged(self, samples: Tensor) -> Tensor:
        """Return the samples, (n, units or inputs), in the memory layout that suits `products`."""
        return samples

    def products(self, units: Tensor, inputs: Tensor) -> Tensor:
        """Return Σ over samples of unit value, (n, out), times input value, (n, in), for every pair."""
        products: Tensor = units.T @ inputs  # (out, in)
        return products

    def preactivations(self, samples: Tensor, weight: Tensor) -> Tensor:
        """Return W h, (n, out), arranged as the samples h, (n, in); weight has the shape of the pairs."""
        return samples @ weight.T

    def parts(self) -> Iterator[slice]:
        """Yield slices of the first axis, small enough for the cache."""
        step = max(1, _VALUES_AT_ONCE // max(1, self.num_inputs))
        for start in range(0, self.num_units, step):
            yield slice(start, min(start + step, self.num_units))

    def of_units(self, values: Tensor, part: slice) -> Tensor:
        """Return values, (..., out), of each pair's unit; broadcasts against the part."""
        of_part: Tensor = values[..., part, None]
        return of_part

    def of_inputs(self, values: Tensor, part: slice) -> Tensor:  # noqa: ARG002
        """Return values, (..., in), of each pair's input; broadcasts against the part."""
        for_every_unit: Tensor = values[..., None, :]
        return for_every_unit

    def units_among(self, flags: Tensor, part: slice) -> Tensor:
        """Return the indices of units with a flagged pair in the part."""
        units: Tensor = part.start + flags.any(dim=1).nonzero().flatten()
        return units

    def values_of(self, dense: Tensor) -> Tensor:
        """Return an array, (out, in), as values of the pairs."""
        return dense


class ListedPairs:
    """The pairs that a mask keeps, in row-major order: values have shape (num_kept,).

    The cost of products is proportional to the number of pairs. Per pair it is about ten times that of a
    matrix product, so listing pays below about a tenth of all pairs.
    """

    def __init__(self, mask: Tensor) -> None:
        self.num_units, self.num_inputs = mask.shape
        self.rows, self.columns = mask.nonzero(as_tuple=True)
        self.shape: tuple[int, ...] = (len(self.rows),)

    def same_as(self, other: "Pairs") -> bool:
        """Return whether values of both belong to the same pairs."""
        return self is other or (
            isinstance(other, ListedPairs)
            and (self.num_units, self.num_inputs) == (other.num_units, other.num_inputs)
            and torch.equal(self.rows, other.rows)
            and torch.equal(self.columns, other.columns)
        )

    def arranged(self, samples: Tensor) -> Tensor:
        """Return the samples, (n, units or inputs), in the memory layout that suits `products`."""
        # A product reads the samples of one unit and of one input: each are put side by side.
        return samples.T.contiguous().T

    def products(self, units: Tensor, inputs: Tensor) -> Tensor:
        """Return Σ over samples of unit value, (n, out), times input value, (n, in), for every pair."""
        # beta = 0 drops the pattern's own values: only its places matter
        pattern = self._sparse(torch.zeros(self.shape, dtype=units.dtype, device=units.device))
        products: Tensor = torch.sparse.sampled_addmm(pattern, units.T, inputs, beta=0.0).values()
        return products

    def preactivations(self, samples: Tensor, weight: Tensor) -> Tensor:
        """Return W h, (n, out), arranged as the samples h, (n, in); weight has the shape of the pairs."""
        return (self._sparse(weight) @ samples.T).T

    def parts(self) -> Iterator[slice]:
        """Yield slices of the pairs, small enough for the cache."""
        for start in range(0, len(self.rows), _VALUES_AT_ONCE):
            yield slice(start, min(start + _VALUES_AT_ONCE, len(self.rows)))

    def of_units(self, values: Tensor, part: slice) -> Tensor:
        """Return values, (..., out), of each pair's unit."""
        return values[..., self.rows[part]]

    def of_inputs(self, values: Tensor, part: slice) -> Tensor:
        """Return values, (..., in), of each pair's input."""
        return values[..., self.columns[part]]

    def units_among(self, flags: Tensor, part: slice) -> Tensor:
        """Return the indices of units with a flagged pair in the part."""
        return self.rows[part][flags]

    def values_of(self, dense: Tensor) -> Tensor:
        """Return an array, (out, in), as values of the pairs."""
        return dense[self.rows, self.columns]

    @cached_property
    def _row_starts(self) -> Tensor:
        counts = torch.bincount(self.rows, minlength=self.num_units)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def _sparse(self, values: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
            return torch.sparse_csr_tensor(
                self._row_starts,
                self.columns,
                values,
                (self.num_units, self.num_inputs),
                check_invariants=False,  # correct by construction; without the argument torch warns
            )


Pairs = AllPairs | ListedPairs
