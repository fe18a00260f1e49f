"""Random masks that keep as much of a mask as one likes, and what they expect of pair counts."""

from typing import Literal

import numpy as np
from jaxtyping import Bool

from sparsight.streams import generator

Null = Literal["uniform", "fan_in", "configuration"]

ROUNDS_TO_MIX = 10
"""Rounds of trades before the first draw; in a round every unit trades once.

Judged by the overlap with the start, which falls to what independent masks of the same counts share: on
256 × 3072 masks of density 0.5, 0.1 and 0.02 it has done so, within its own fluctuation, after 8 to 10
rounds. (Strona et al., Nat. Commun. 5:4114, 2014, find about 5 trades a row enough on ecological data.)
"""
ROUNDS_BETWEEN = 4
"""Rounds between draws: the overlap of successive draws is then within 5 % of its lowest."""


def pair_share(mask: Bool[np.ndarray, "out in"], null: Literal["uniform", "fan_in"]) -> float:
    """Return the expected number of units that keep both of two given inputs.

    With k_u kept of N inputs in unit u, K = Σ k_u and U units,

        fan_in:  Σ_u k_u (k_u − 1) / (N (N − 1)),      uniform:  U · K (K − 1) / (U N (U N − 1)).

    Times the number of pairs at a displacement, it is the expected pair count there.
    """
    num_units, num_inputs = mask.shape
    if null == "fan_in":
        fan_in = mask.sum(axis=1, dtype=np.float64)
        return float((fan_in * (fan_in - 1)).sum() / max(num_inputs * (num_inputs - 1), 1))
    kept, size = float(mask.sum()), float(mask.size)
    return float(num_units * kept * (kept - 1) / max(size * (size - 1), 1.0))


def sample_masks(
    mask: Bool[np.ndarray, "out in"], null: Null, num_samples: int, seed: int
) -> list[np.ndarray]:
    """Draw random masks of the same shape and number of kept weights.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (out, in)
    null : {"uniform", "fan_in", "configuration"}
        What else is kept: nothing; the count of each unit; that of each unit and of each input.
    num_samples : int
    seed : int

    Returns
    -------
    list of numpy.ndarray of bool, (out, in)
        For ``configuration`` from one chain of trades: the first after `ROUNDS_TO_MIX` rounds, the
        others `ROUNDS_BETWEEN` apart.
    """
    stream = generator(seed, "null masks", null)
    if null == "configuration":
        samples = []
        for index in range(num_samples):
            mask = trade(mask, ROUNDS_BETWEEN if index else ROUNDS_TO_MIX, stream)
            samples.append(mask)
        return samples
    if null == "fan_in":
        return [_shuffle_rows(mask, stream) for _ in range(num_samples)]
    return [stream.permutation(mask.reshape(-1)).reshape(mask.shape) for _ in range(num_samples)]


def trade(
    mask: Bool[np.ndarray, "out in"], num_rounds: int, stream: np.random.Generator
) -> Bool[np.ndarray, "out in"]:
    """Randomise a mask by curveball trades: each unit's and each input's count stay.

    In a round the units are paired at random; the two of a pair pool the inputs that only one of them
    keeps, and share them out again at random, each getting as many as it gave (Strona et al. 2014). All
    pairs of a round trade at once, on packed rows of equal length.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (out, in)
    num_rounds : int
    stream : numpy.random.Generator
    """
    mask = mask.copy()
    num_pairs = len(mask) // 2
    for _ in range(num_rounds if num_pairs else 0):
        order = stream.permutation(len(mask))
        first, second = order[:num_pairs], order[num_pairs : 2 * num_pairs]
        a, b = mask[first], mask[second]  # (pair, in)
        pair, column = np.nonzero(a ^ b)
        num_given = (a & ~b).sum(axis=1)
        # Random ranks within each pair's pool: the lowest num_given go to the first.
        ranked = np.argsort(pair + stream.random(len(pair)))
        pool_sizes = np.bincount(pair, minlength=num_pairs)
        rank = np.arange(len(pair)) - np.repeat(np.cumsum(pool_sizes) - pool_sizes, pool_sizes)
        to_first = rank < num_given[pair]  # `pair` is sorted, so ranks and pairs are aligned
        mask[first[pair], column] = False
        mask[second[pair], column] = False
        chosen = column[ranked]
        mask[np.where(to_first, first[pair], second[pair]), chosen] = True
    return mask


def _shuffle_rows(mask: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    shuffled: np.ndarray = stream.permuted(mask, axis=1)
    return shuffled
