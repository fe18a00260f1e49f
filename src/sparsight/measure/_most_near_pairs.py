"""The largest number of near pairs that k inputs can have: the ceiling that attained share is relative to.

Near pixels touch by side or corner, so near pairs are the edges of a path or a ring in one dimension, and of
king's moves on a chessboard in two. k inputs have fewest neighbours outside, hence most pairs among them, as
a compact octagon.
"""

import functools

import numpy as np
from jaxtyping import Float, Int

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry

_MOST_TABLED = 4096
"""Pixels up to which channels share k inputs in the best way; the table of all k is made once."""


@checked()
def most_near_pairs(fan_in: Int[np.ndarray, " out"], geometry: Geometry) -> Float[np.ndarray, " out"]:
    r"""Return the largest possible number of ordered same-channel pairs at |d| ≤ 1.5 of k inputs.

    With n pixels in one channel,

    * on a line 2 (k − 1); on a ring of three or more pixels also 2 (k − 1), but 2 n for k = n;
    * on an open plane :math:`2 (4k - \min (3a + 3b - 2 - s))` over boxes of a × b ≥ k pixels that fit into
      the image, where s is the largest sum of the cuts of the four corners (a cut c removes c (c + 1)/2
      pixels) that leaves k pixels. Far from the borders it is :math:`2 \lfloor 4k - \sqrt{28k - 12} \rfloor`;
    * on a torus the better of such an octagon, of its complement, and of a band around the torus.

    All are exact: tests compare them with every possible mask of small images, and with a dynamic programme
    over the numbers of inputs in each row for larger ones.

    With several channels k inputs have most pairs in one channel. If they do not fit into one, the shares of
    the channels are optimised, exactly, for images of up to 4096 pixels. In larger images channels are filled
    one after the other: a construction, which for nearly full masks may be below the true maximum by a
    fraction of the border.

    Parameters
    ----------
    fan_in : numpy.ndarray of int, (out,)
        k of each unit, 0 … ``geometry.num_inputs``.
    geometry : Geometry
        Geometry of the inputs.

    Returns
    -------
    numpy.ndarray of float64, (out,)
        Whole numbers; 0 for k < 2.

    Raises
    ------
    InputError
        If a fan-in is out of range.

    References
    ----------
    Brass, Erdős distance problems in normed spaces, Comput. Geom. 6 (1996) 195 (the plane without borders).
    """
    if len(fan_in) and not 0 <= fan_in.min() <= fan_in.max() <= geometry.num_inputs:
        raise InputError(
            f"fan_in runs from {fan_in.min()} to {fan_in.max()}; 0 to {geometry.num_inputs} is possible"
        )
    kept, place = np.unique(fan_in, return_inverse=True)
    pixels = geometry.num_pixels
    if geometry.channels == 1 or (len(kept) and kept[-1] <= pixels):
        most = _most_edges(kept, geometry.size, geometry.wraps)
    elif pixels <= _MOST_TABLED:
        most = _edges_over_channels(geometry)[kept]
    else:
        full, rest = np.divmod(kept, pixels)
        of_full, of_rest = (_most_edges(k, geometry.size, geometry.wraps) for k in (np.array([pixels]), rest))
        most = full * of_full[0] + of_rest
    return (2.0 * most)[place]


@functools.lru_cache(maxsize=8)
def _edges_over_channels(geometry: Geometry) -> np.ndarray:
    """Return the largest number of edges of 0 … ``num_inputs`` inputs, shared between channels at best."""
    alone = _most_edges(np.arange(geometry.num_pixels + 1), geometry.size, geometry.wraps)
    best = alone
    for _ in range(geometry.channels - 1):
        more = np.zeros(len(best) + geometry.num_pixels, dtype=np.int64)
        for in_this, edges in enumerate(alone):
            part = more[in_this : in_this + len(best)]
            np.maximum(part, best + edges, out=part)
        best = more
    return best


def _most_edges(kept: np.ndarray, size: tuple[int, ...], wraps: bool) -> np.ndarray:
    """Return the largest number of unordered near pairs of k pixels of one channel, int64, for each k."""
    height, width = sorted((*size, 1)[:2])
    # An axis of two pixels that wraps is one that does not: they touch once.
    if height == 1:
        return _along_a_line(kept, width, wraps and width > 2)
    if wraps and height > 2:
        cost = _cost_on_torus(kept, height, width)
    elif wraps and width > 2:
        return _along_a_ladder(kept, width)
    else:
        cost = _cost_of_octagon(kept, height, width)
    return np.where(kept > 0, 4 * kept - cost, 0)


def _along_a_line(kept: np.ndarray, length: int, is_ring: bool) -> np.ndarray:
    edges = np.maximum(kept - 1, 0)
    return np.where(kept == length, length, edges) if is_ring else edges


def _along_a_ladder(kept: np.ndarray, length: int) -> np.ndarray:
    """Return the edges on a ring of pairs of pixels: one within a pair, four to the next."""
    pairs, single = kept // 2, kept % 2
    edges = np.maximum(5 * pairs - 4, 0) + 2 * single * (pairs > 0)
    missing = 2 * length - kept
    return np.where(missing == 0, 5 * length, np.where(missing == 1, 5 * length - 5, edges))


def _cost_of_octagon(kept: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return min 4k − edges on an open plane: half the neighbours that k pixels lack, at least."""
    # A set without holes or dents lacks two neighbours for each row, column and diagonal that it occupies.
    # Its box has a + b rows and columns, 2 (a + b − 1) diagonals, and loses one for each step of a cut.
    best = np.full(len(kept), np.iinfo(np.int64).max)
    columns = np.arange(1, width + 1)
    for rows in range(1, height + 1):
        spare = rows * columns - kept[:, None]  # (k, columns)
        even = ((np.sqrt(1 + 2.0 * np.maximum(spare, 0)) - 1) // 2).astype(np.int64)  # equal cuts of all four
        further = (spare - 2 * even * (even + 1)) // (even + 1)  # corners that can be cut one step deeper
        cuts = np.minimum(4 * even + np.clip(further, 0, 3), 2 * (np.minimum(rows, columns) - 1))
        cost = np.where(spare >= 0, 3 * (rows + columns) - 2 - cuts, np.iinfo(np.int64).max)
        np.minimum(best, cost.min(axis=1), out=best)
    return np.where(kept > 0, best, 0)


def _cost_on_torus(kept: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return min 4k − edges on a torus of three or more rows and columns."""
    missing = height * width - kept
    # Every pixel has eight neighbours, so a set and its complement lack equally many.
    cost = np.minimum(*(_cost_of_octagon(k, height - 1, width - 1) for k in (kept, missing)))
    for across, around in ((height, width), (width, height)):
        full, rest = np.divmod(kept, around)
        band = 3 * around + (rest > 0)
        fits = (full >= 1) & (full + (rest > 0) < across)
        cost = np.where(fits, np.minimum(cost, band), cost)
    return np.where((kept > 0) & (missing > 0), cost, 0)
