"""Degree-preserving randomisation of a mask: curveball trades between pairs of units."""

import numpy as np
from jaxtyping import Bool

from sparsight.arguments import checked
from sparsight.errors import InputError

# Bits of the random numbers by which a pool is ordered: two of 1000 numbers coincide with probability 5e-7.
# Pair, random number and side share one int64, which leaves 22 bits for the pair.
_RANDOM_BITS = 40


@checked()
def trade(
    mask: Bool[np.ndarray, "out in"], num_rounds: int, stream: np.random.Generator
) -> Bool[np.ndarray, "out in"]:
    """Randomise a mask by curveball trades, which keep the counts of each unit and of each input.

    In a round the units are paired at random (one is left over if their number is odd). The two units of a
    pair pool the inputs that only one of them keeps and deal them out again at random, each unit getting as
    many as it gave. The chain is symmetric and connects all masks with the same counts, so it converges to
    the uniform distribution over them. All pairs of a round trade at once, by two sorts of the list of kept
    weights. If more than half of the weights are kept, the complement is traded instead: it is the same
    chain, on a shorter list. A round costs O(n log n), with n the smaller of the numbers of kept and pruned
    weights.

    Strona, Nappo, Boccacci, Fattorini, San-Miguel-Ayanz, Nat. Commun. 5:4114 (2014); trading all pairs of a
    round at once is the global curveball of Carstens, Hamann, Meyer, Penschuck, Tran, Wagner (ESA 2018).
    """
    if num_rounds < 0:
        raise InputError(f"num_rounds is {num_rounds}; 0 or more is allowed")
    num_units, num_inputs = mask.shape
    flipped = mask.mean() > 0.5 if mask.size else False
    # Each weight in the list is one (unit, input); a round only changes which unit holds it.
    units, inputs = np.divmod(np.flatnonzero(mask != flipped), max(num_inputs, 1))
    input_bits = max(num_inputs - 1, 1).bit_length()
    for _ in range(num_rounds if num_units > 1 else 0):
        seats = stream.permutation(num_units)  # seats 2p and 2p + 1 are the two sides of pair p
        seat_of = np.empty_like(seats)
        seat_of[seats] = np.arange(num_units)
        seat = seat_of[units]
        # Pair, input and side are packed into one integer, which sorts fast. In this order an input that both
        # units keep comes twice in a row; it is not traded.
        key = ((seat >> 1) << (input_bits + 1)) | (inputs << 1) | (seat & 1)
        key.sort()
        place, side = key >> 1, key & 1
        pair = place >> input_bits
        twice = place[1:] == place[:-1]
        alone = np.ones(len(key), dtype=bool)
        alone[1:] &= ~twice
        alone[:-1] &= ~twice
        pool = np.flatnonzero(alone)
        # Order the sides of each pool at random and deal them to its inputs in this order: every side occurs
        # as often as before, so each unit gets as many inputs as it gave. Pairs come first in both sorts, so
        # no input leaves its pair.
        dealt = pair[pool] << (_RANDOM_BITS + 1)
        dealt |= stream.integers(0, 1 << _RANDOM_BITS, len(pool)) << 1
        dealt |= side[pool]
        dealt.sort()
        side[pool] = dealt & 1
        units = seats[2 * pair + side]  # a unit left over pools with no other, so its side stays 0
        inputs = place & ((1 << input_bits) - 1)
    traded = np.full(mask.shape, flipped)
    traded[units, inputs] = not flipped
    return traded
