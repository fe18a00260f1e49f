"""Sums of powers over samples: adding to them, and moving them to another origin."""

from math import comb

import torch
from torch import Tensor

_VALUES_AT_ONCE = 1 << 16
"""Values in a piece: few enough for the second-level cache."""


def add_in_pieces(total: Tensor, product: Tensor) -> None:
    """Add float32 to float64, in pieces that fit the cache: a third of the time of ``+=``."""
    # `+=` converts all of `product` first, and reads this copy back from memory.
    into, added, step = total.view(-1), product.reshape(-1), 2 * _VALUES_AT_ONCE
    for start in range(0, len(into), step):
        into[start : start + step] += added[start : start + step].double()


def add_power_sums(sums: Tensor, values: Tensor) -> None:
    """Add Σ x^p over samples, p = 0, 1, …, of values (n, ·), in float64 and in pieces that fit the cache."""
    # A piece is one stretch of memory: some columns with all their samples where a column is contiguous (as
    # listed pairs arrange them), otherwise some samples of all columns.
    samples_adjacent = values.stride(0) == 1
    step = max(1, _VALUES_AT_ONCE // values.shape[0 if samples_adjacent else 1])
    columns = slice(None)
    for start in range(0, values.shape[1 if samples_adjacent else 0], step):
        piece = slice(start, start + step)
        if samples_adjacent:
            columns = piece
        power = base = (values[:, piece] if samples_adjacent else values[piece]).double()
        for order in range(1, len(sums)):
            power = power * base if order > 1 else base
            sums[order, columns] += power.sum(dim=0)
    sums[0] += len(values)


def shifted_sum(sums: list[Tensor], shift: Tensor) -> Tensor:
    """Return Σ_j C(b, j) shift^(b−j) S_j: the sum of (x + shift)^b, from the sums S_j of x^j, j ≤ b.

    Only small shifts are cheap in digits: for a shift of many standard deviations the terms cancel. Pivots
    near the mean keep it small.
    """
    order = len(sums) - 1
    if order == 0:
        return sums[0]
    power = shift
    total = torch.addcmul(sums[order], power, sums[order - 1], value=order)
    for j in range(order - 2, -1, -1):
        power = power * shift
        total.addcmul_(power, sums[j], value=comb(order, j))
    return total


def shifted(power_sums: Tensor, shift: Tensor) -> Tensor:
    """Return the sums of (x + shift)^p, p = 0, 1, …, from those of x^p, (order + 1, ·)."""
    rows = list(power_sums)
    return torch.stack([shifted_sum(rows[: order + 1], shift) for order in range(len(rows))])
