"""Degree-preserving randomisation of a mask: curveball trades between pairs of units."""

import numpy as np
from jaxtyping import Bool

from sparsight.arguments import checked
from sparsight.errors import InputError

_RANDOM_BITS = 40  # two of a pool's numbers coincide once in 10⁶ rounds or less


@checked()
def trade(
    mask: Bool[np.ndarray, "out in"], num_rounds: int, stream: np.random.Generator
) -> Bool[np.ndarray, "out in"]:
    """Randomise a mask by curveball trades: each unit's and each input's count stay.

    In a round the units are paired at random (one is left over if their number is odd); the two of a pair
    pool the inputs that only one of them keeps, and share them out again at random, each getting as many as
    it gave. The chain is symmetric and connects all masks of the same counts, so it ends uniform over them.
    All pairs of a round trade at once, by two sorts of the list of kept weights; a mask with more than half
    of them kept is traded by its complement, which is the same chain.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (out, in)
    num_rounds : int
        A round costs O(n log n) with n the smaller of the numbers of kept and pruned weights.
    stream : numpy.random.Generator

    Notes
    -----
    Strona, Nappo, Boccacci, Fattorini, San-Miguel-Ayanz, Nat. Commun. 5:4114 (2014); trading all pairs of a
    round at once is the global curveball of Carstens, Hamann, Meyer, Penschuck, Tran, Wagner (ESA 2018).
    """
    if num_rounds < 0:
        raise InputError(f"num_rounds is {num_rounds}; 0 or more is allowed")
    num_units, num_inputs = mask.shape
    flipped = mask.mean() > 0.5 if mask.size else False
    units, inputs = np.divmod(np.flatnonzero(mask != flipped), max(num_inputs, 1))
    input_bits = max(num_inputs - 1, 1).bit_length()
    for _ in range(num_rounds if num_units > 1 else 0):
        seats = stream.permutation(num_units)  # seats 2p and 2p + 1 are the two sides of pair p
        seat_of = np.empty_like(seats)
        seat_of[seats] = np.arange(num_units)
        seat = seat_of[units]
        # Sorted by pair, input, side: an input that both keep stands twice in a row, and stays.
        key = ((seat >> 1) << (input_bits + 1)) | (inputs << 1) | (seat & 1)
        key.sort()
        place, side = key >> 1, key & 1
        pair = place >> input_bits
        twice = place[1:] == place[:-1]
        alone = np.ones(len(key), dtype=bool)
        alone[1:] &= ~twice
        alone[:-1] &= ~twice
        pool = np.flatnonzero(alone)
        # The sides of a pool in random order, dealt to its inputs: each side gets as many as it gave.
        dealt = pair[pool] << (_RANDOM_BITS + 1)
        dealt |= stream.integers(0, 1 << _RANDOM_BITS, len(pool)) << 1
        dealt |= side[pool]
        dealt.sort()
        side[pool] = dealt & 1
        units = seats[2 * pair + side]  # a unit left over pools with nobody, so its side stays 0
        inputs = place & ((1 << input_bits) - 1)
    traded = np.full(mask.shape, flipped)
    traded[units, inputs] = not flipped
    return traded
