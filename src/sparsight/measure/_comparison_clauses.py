"""Clauses that compare symbols of a tuple: a small space of hypotheses, listed in full."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int

from sparsight.arguments import checked
from sparsight.errors import InputError

Comparison = Literal["=", "≠", "<", ">"]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)

_FUNCTIONS: Mapping[Comparison, Callable[[np.ndarray, np.ndarray], np.ndarray]] = MappingProxyType(
    {"=": np.equal, "≠": np.not_equal, "<": np.less, ">": np.greater}
)


@dataclass(frozen=True)
class ComparisonClause:
    """A clause that holds for a tuple of symbols x₁, x₂, … if a comparison does.

    Attributes
    ----------
    comparison : {"=", "≠", "<", ">"}
        Of the earlier symbol with the later one.
    positions : tuple of two int, or None
        The two positions, counted from 0, the earlier one first; None for *some* two positions.
    """

    comparison: Comparison
    positions: tuple[int, int] | None = None

    def __str__(self) -> str:
        if self.positions is None:
            return f"some xᵢ {self.comparison} xⱼ, i < j"
        first, second = self.positions
        return f"x{first + 1} {self.comparison} x{second + 1}"

    @property
    def length(self) -> int:
        """Literals of the clause, without those that read symbols: head, comparison, and i < j if any."""
        return 3 if self.positions is None else 2

    def holds(self, symbols: np.ndarray) -> np.ndarray:
        """Return whether the clause holds for tuples (example, position): bool, (example,)."""
        compare = _FUNCTIONS[self.comparison]
        if self.positions is not None:
            first, second = self.positions
            return compare(symbols[:, first], symbols[:, second])
        first_of, second_of = np.triu_indices(symbols.shape[1], 1)
        return np.asarray(compare(symbols[:, first_of], symbols[:, second_of]).any(axis=1))


def comparison_clauses(tuple_size: int) -> list[ComparisonClause]:
    """Return every clause on tuples of this size: each comparison of each two positions, and of some two.

    Of pairs, *some two* are the only two, and are left out. There are 4 clauses of pairs, 28 of tuples of 4.

    Raises
    ------
    InputError
        If `tuple_size` is below 2.
    """
    if tuple_size < 2:
        raise InputError(f"tuple_size is {tuple_size}; at least 2 symbols are needed for a comparison")
    pairs = list(itertools.combinations(range(tuple_size), 2))
    return [
        ComparisonClause(comparison, positions)
        for positions in (*pairs, *([None] if len(pairs) > 1 else []))
        for comparison in COMPARISONS
    ]


@checked()
def clauses_hold(
    clauses: Sequence[ComparisonClause], symbols: Int[np.ndarray, "example position"]
) -> np.ndarray:
    """Return whether each clause holds for each tuple of symbols: bool, (example, clause).

    Raises
    ------
    InputError
        If a clause compares a position that tuples do not have.
    """
    for clause in clauses:
        if clause.positions is not None and max(clause.positions) >= symbols.shape[1]:
            raise InputError(f"symbols have {symbols.shape[1]} positions; the clause {clause} needs more")
    columns = [clause.holds(symbols) for clause in clauses]
    return np.stack(columns, axis=1) if columns else np.zeros((len(symbols), 0), dtype=bool)
