"""Kept against pruned: whether the weights that stay raise non-Gaussianity more than those that go."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._rank_correlations import ranks_within

NUM_STRATA = 11
"""Strata of |w| within a unit: fewer match sizes worse, more leave fewer pairs. With this number the usual
pruning rates (a tenth, a fifth, 30 %, a half) put the threshold inside a stratum and not between two."""


@dataclass(frozen=True, kw_only=True)
class CavityContrast:
    """Mean Δ of kept and of removed weights, NaN for an empty group, and their difference, kept − pruned.

    `auc` is the probability that Δ of a kept weight exceeds that of a removed one, with ties counted half; ½
    is no tendency. It is Mann–Whitney's U over the product of the group sizes.
    """

    kept: float
    pruned: float
    difference: float
    auc: float


@dataclass(frozen=True, kw_only=True)
class MatchedContrast(CavityContrast):
    """A contrast averaged over strata of weights of similar size.

    `num_matched` is the number of comparisons behind the average: the sum over strata of the size of the
    smaller group. `magnitude_ratio` is the mean |w| of the kept weights over that of the pruned ones,
    averaged over strata in the same way. It is 1 if sizes match; the excess over 1 is what the strata failed
    to match.
    """

    num_matched: int
    magnitude_ratio: float


@checked(bounded=("delta",))
def contrast(
    delta: Float[np.ndarray, "out in"], kept: Bool[np.ndarray, "out in"], pruned: Bool[np.ndarray, "out in"]
) -> CavityContrast:
    """Compare Δ between the weights kept and those removed, leaving out undefined (NaN) entries.

    Parameters
    ----------
    delta : numpy.ndarray, (out, in)
        Any of the maps of `sparsight.measure.Cavity`.
    kept, pruned : numpy.ndarray of bool, (out, in)
        Weights of the level that pruning keeps, and those that it removes. Disjoint.

    Raises
    ------
    InputError
        If the groups overlap.
    """
    rows, columns = defined_members(delta, kept, pruned)
    is_kept = kept[rows, columns]
    one_stratum = np.zeros(len(rows), np.uint16)
    means, auc = _by_stratum(delta[rows, columns], is_kept, one_stratum, 1)
    (on_kept,), (on_pruned,) = means
    return CavityContrast(
        kept=float(on_kept), pruned=float(on_pruned), difference=float(on_kept - on_pruned), auc=float(auc[0])
    )


@checked(finite=("magnitude",), bounded=("delta",))
def matched_contrast(
    delta: Float[np.ndarray, "out in"],
    magnitude: Float[np.ndarray, "out in"],
    kept: Bool[np.ndarray, "out in"],
    pruned: Bool[np.ndarray, "out in"],
    num_strata: int = NUM_STRATA,
) -> MatchedContrast:
    """Compare Δ at matched |w|: within strata of |w| inside each unit, then averaged.

    Large weights have large effects of either sign, and magnitude pruning keeps the large ones, so only
    weights of similar size in the same unit can be compared. The weights of each unit, kept and pruned
    together, are cut into `num_strata` parts by the rank of |w| (equal sizes stay together). If a stratum
    has members of both groups, its means and AUC enter the average, weighted by the size of its smaller
    group.

    Parameters
    ----------
    delta, kept, pruned
        As in `contrast`.
    magnitude : numpy.ndarray, (out, in)
        The sizes |w|.
    num_strata : int
        Number of strata in each unit, at least 1.

    Returns
    -------
    MatchedContrast
        All NaN, with ``num_matched`` 0, if no stratum has members of both groups.

    Raises
    ------
    InputError
        If the groups overlap, or `num_strata` is below 1.

    Notes
    -----
    Magnitude pruning of a whole layer leaves no overlap: every kept weight is larger than every pruned one.
    The comparison then rests on the one stratum of each unit that contains the threshold, that is on weights
    just above it against weights just below it. Even there sizes differ; ``magnitude_ratio`` says by how
    much. Units entirely above or below the threshold do not enter.
    """
    rows, columns, stratum, smaller = _strata(delta, magnitude, kept, pruned, num_strata)
    is_kept, size, num_groups = kept[rows, columns], magnitude[rows, columns], len(smaller)
    overlaps = smaller > 0
    if not overlaps.any():
        undefined = dict.fromkeys(("kept", "pruned", "difference", "auc", "magnitude_ratio"), np.nan)
        return MatchedContrast(**undefined, num_matched=0)
    inside = overlaps[stratum]
    is_kept, stratum = is_kept[inside], stratum[inside]
    (on_kept, on_pruned), auc = _by_stratum(delta[rows, columns][inside], is_kept, stratum, num_groups)
    (size_kept, size_pruned), _ = _means(size[inside], is_kept, stratum, num_groups)
    weights = smaller[overlaps]

    def average(values: np.ndarray) -> float:
        return float(np.average(values[overlaps], weights=weights))

    ratio = average(size_kept) / average(size_pruned) if average(size_pruned) > 0 else np.nan
    return MatchedContrast(
        kept=average(on_kept),
        pruned=average(on_pruned),
        difference=average(on_kept - on_pruned),
        auc=average(auc),
        num_matched=int(weights.sum()),
        magnitude_ratio=float(ratio),
    )


@checked(finite=("magnitude",), bounded=("delta",))
def matched_shares(
    delta: Float[np.ndarray, "out in"],
    magnitude: Float[np.ndarray, "out in"],
    kept: Bool[np.ndarray, "out in"],
    pruned: Bool[np.ndarray, "out in"],
    num_strata: int = NUM_STRATA,
) -> Float[np.ndarray, "out in"]:
    """Return the weight of each entry in the means of `matched_contrast`, for distributions at matched |w|.

    Arguments and errors are those of `matched_contrast`.

    Returns
    -------
    numpy.ndarray of float64, (out, in)
        For each weight, the size of the smaller group of its stratum over the size of its own group there;
        0 for weights that are not compared. Averaging `delta` over the kept weights with these shares gives
        ``matched_contrast(…).kept``, and likewise for those pruned.
    """
    rows, columns, stratum, smaller = _strata(delta, magnitude, kept, pruned, num_strata)
    is_kept = kept[rows, columns]
    shares = np.zeros(delta.shape)
    for group in (is_kept, ~is_kept):
        size = np.bincount(stratum[group], minlength=len(smaller))
        shares[rows[group], columns[group]] = (smaller / np.maximum(size, 1))[stratum[group]]
    return shares


def defined_members(
    delta: np.ndarray, kept: np.ndarray, pruned: np.ndarray
) -> tuple[Int[np.ndarray, " member"], Int[np.ndarray, " member"]]:
    """Return row and column of each weight of a group whose Δ is defined; overlapping groups raise."""
    if (kept & pruned).any():
        raise InputError("kept and pruned overlap; a weight is in one group at most")
    rows, columns = np.nonzero((kept | pruned) & ~np.isnan(delta))
    return rows, columns


def _strata(
    delta: np.ndarray, magnitude: np.ndarray, kept: np.ndarray, pruned: np.ndarray, num_strata: int
) -> tuple[np.ndarray, np.ndarray, Int[np.ndarray, " member"], Int[np.ndarray, " stratum"]]:
    """Return row, column and stratum of each defined weight, and the size of each stratum's smaller group."""
    if num_strata < 1:
        raise InputError(f"num_strata is {num_strata}; at least 1 is needed")
    rows, columns = defined_members(delta, kept, pruned)
    is_kept = kept[rows, columns]
    fan_in = np.bincount(rows, minlength=len(delta))
    rank = ranks_within(magnitude[rows, columns], rows)
    # Ranks run from 1 to the fan-in; less ½ they stay below it, so no weight falls beyond the last stratum.
    stratum = rows * num_strata + ((rank - 0.5) * num_strata / fan_in[rows]).astype(np.int64)
    num_groups = len(delta) * num_strata
    smaller = np.minimum(
        np.bincount(stratum[is_kept], minlength=num_groups),
        np.bincount(stratum[~is_kept], minlength=num_groups),
    )
    return rows, columns, stratum, smaller


def _means(
    values: np.ndarray, is_kept: np.ndarray, stratum: np.ndarray, num_strata: int
) -> tuple[Float[np.ndarray, "2 stratum"], Int[np.ndarray, "2 stratum"]]:
    """Return means (NaN for an empty group) and sizes of the kept and the pruned group of every stratum."""
    counts = np.stack([np.bincount(stratum[group], minlength=num_strata) for group in (is_kept, ~is_kept)])
    sums = np.stack(
        [
            np.bincount(stratum[group], weights=values[group], minlength=num_strata)
            for group in (is_kept, ~is_kept)
        ]
    )
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0), counts


def _by_stratum(
    values: np.ndarray, is_kept: np.ndarray, stratum: np.ndarray, num_strata: int
) -> tuple[Float[np.ndarray, "2 stratum"], Float[np.ndarray, " stratum"]]:
    """Return means of kept and pruned values, and the AUC, of every stratum; NaN where a group is empty."""
    means, counts = _means(values, is_kept, stratum, num_strata)
    ranks = ranks_within(values, stratum)
    rank_sums = np.bincount(stratum[is_kept], weights=ranks[is_kept], minlength=num_strata)
    pairs = counts[0] * counts[1]
    # Mann–Whitney: the rank sum of one group less its smallest possible value counts the pairs that it wins
    excess = rank_sums - counts[0] * (counts[0] + 1) / 2
    return means, np.divide(excess, pairs, out=np.full(num_strata, np.nan), where=pairs > 0)
