"""Kept against pruned: do the weights that stay raise non-Gaussianity more than those that go."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure._receptive_field import envelope

NUM_STRATA = 11
"""Of |w| within a unit: fewer match sizes worse, more leave fewer pairs. A number at which the usual rates of
pruning (a tenth, a fifth, 30 %, a half) put the threshold inside a stratum, and not between two."""


@dataclass(frozen=True)
class CavityContrast:
    """An effect on kept weights beside the same on removed ones.

    Attributes
    ----------
    kept, pruned : float
        Mean of Δ over the weights of each group; NaN for an empty group.
    difference : float
        ``kept − pruned``.
    auc : float
        Probability that Δ of a kept weight exceeds that of a removed one, ties counted half: ½ = no
        tendency. Mann–Whitney's U over the product of the group sizes.
    """

    kept: float
    pruned: float
    difference: float
    auc: float


@dataclass(frozen=True)
class MatchedContrast(CavityContrast):
    """The same, averaged over strata of weights of similar size.

    Attributes
    ----------
    num_matched : int
        What the average rests on: Σ over strata of the size of the smaller group.
    magnitude_ratio : float
        Mean |w| of the kept weights over that of the pruned ones, averaged over strata alike: 1 = sizes
        match. What is above 1 is how much the strata failed to match.
    """

    num_matched: int
    magnitude_ratio: float


@checked(bounded=("delta",))
def contrast(
    delta: Float[np.ndarray, "out in"], kept: Bool[np.ndarray, "out in"], pruned: Bool[np.ndarray, "out in"]
) -> CavityContrast:
    """Compare Δ between the weights kept and those removed; undefined (NaN) entries are left out.

    Parameters
    ----------
    delta : numpy.ndarray, (out, in)
        Any of the maps of `sparsight.measure.Cavity`.
    kept, pruned : numpy.ndarray of bool, (out, in)
        What pruning keeps of the level, and what it removes. Disjoint.

    Raises
    ------
    InputError
        If the groups overlap.
    """
    rows, columns = _defined_members(delta, kept, pruned)
    is_kept = kept[rows, columns]
    one_stratum = np.zeros(len(rows), np.uint16)
    means, auc = _by_stratum(delta[rows, columns], is_kept, one_stratum, 1)
    return CavityContrast(
        float(means[0, 0]), float(means[1, 0]), float(means[0, 0] - means[1, 0]), float(auc[0])
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

    Large weights have large effects of either sign, and magnitude pruning keeps the large ones: only
    weights of similar size in the same unit can be compared. The weights of each unit, kept and pruned
    together, are cut into `num_strata` parts by rank of |w| (equal sizes stay together). Where a stratum
    holds both groups, its means and AUC enter the average, with the size of its smaller group as weight.

    Parameters
    ----------
    delta, kept, pruned
        As in `contrast`.
    magnitude : numpy.ndarray, (out, in)
        |w|.
    num_strata : int
        At least 1.

    Returns
    -------
    MatchedContrast
        All NaN, and ``num_matched`` 0, where no stratum holds both groups.

    Raises
    ------
    InputError
        If the groups overlap, or `num_strata` is below 1.

    Notes
    -----
    Magnitude pruning of a whole layer leaves no overlap at all: every kept weight is larger than every
    pruned one. The comparison then rests on the one stratum of each unit through which the threshold runs,
    that is on weights just above against just below it, and even there sizes differ; ``magnitude_ratio``
    says by how much. Units wholly above or below the threshold do not enter.
    """
    rows, columns, stratum, smaller = _strata(delta, magnitude, kept, pruned, num_strata)
    is_kept, size, num_groups = kept[rows, columns], magnitude[rows, columns], len(smaller)
    overlaps = smaller > 0
    if not overlaps.any():
        return MatchedContrast(np.nan, np.nan, np.nan, np.nan, 0, np.nan)
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
    """Return what each weight counts in the means of `matched_contrast`, for distributions at matched |w|.

    Parameters
    ----------
    delta, magnitude, kept, pruned, num_strata
        As in `matched_contrast`.

    Returns
    -------
    numpy.ndarray of float64, (out, in)
        The size of the smaller group of the weight's stratum over that of its own group: the mean of
        `delta` over the kept weights with these as weights is ``matched_contrast(…).kept``, and likewise
        for those pruned. 0 for weights that are not compared.

    Raises
    ------
    InputError
        As `matched_contrast`.
    """
    rows, columns, stratum, smaller = _strata(delta, magnitude, kept, pruned, num_strata)
    is_kept = kept[rows, columns]
    shares = np.zeros(delta.shape)
    for group in (is_kept, ~is_kept):
        size = np.bincount(stratum[group], minlength=len(smaller))
        shares[rows[group], columns[group]] = (smaller / np.maximum(size, 1))[stratum[group]]
    return shares


def rank_correlations(
    deltas: Sequence[Float[np.ndarray, "out in"]],
    others: Sequence[Float[np.ndarray, "out in"]],
    chosen: Bool[np.ndarray, "out in"],
) -> Float[np.ndarray, "delta other"]:
    """Return Spearman's correlation of each Δ with each other map, within units, averaged over units.

    Parameters
    ----------
    deltas, others : sequences of numpy.ndarray, (out, in)
        An entry that is NaN in any of them is left out of all.
    chosen : numpy.ndarray of bool, (out, in)
        Which weights to look at.

    Returns
    -------
    numpy.ndarray of float64, (delta, other)
        Average over units of at least 3 weights in which both vary, each with its number of weights minus 1
        as weight (one over the variance of Spearman's ρ of independent values). NaN if there are none.
    """
    defined = chosen.copy()
    for values in (*deltas, *others):
        defined &= ~np.isnan(values)
    rows, columns = np.nonzero(defined)
    count = np.bincount(rows, minlength=len(chosen))
    middle = (count[rows] + 1) / 2
    a, b = ([_ranks(values[rows, columns], rows) - middle for values in maps] for maps in (deltas, others))

    def over_units(products: np.ndarray) -> np.ndarray:
        return np.bincount(rows, weights=products, minlength=len(chosen))

    variances_a, variances_b = ([over_units(ranks * ranks) for ranks in maps] for maps in (a, b))
    found = np.full((len(deltas), len(others)), np.nan)
    for i, j in np.ndindex(found.shape):
        varies = (count >= 3) & (variances_a[i] > 0) & (variances_b[j] > 0)
        if varies.any():
            rho = over_units(a[i] * b[j])[varies] / np.sqrt(variances_a[i] * variances_b[j])[varies]
            found[i, j] = np.average(rho, weights=count[varies] - 1)
    return found


@checked(finite=("weights",))
def distance_from_centre(
    weights: Shaped[np.ndarray, "out in"], geometry: Geometry
) -> Float[np.ndarray, "out in"]:
    """Return how far each input lies from the centre of its unit's receptive field, in pixels.

    Parameters
    ----------
    weights : numpy.ndarray of non-negative numbers or bool, (out, in)
        A mask, or squared weights: the mass whose mean position is the centre.
    geometry : Geometry
        On a torus the centre is the circular mean and distances are to the nearest image.

    Returns
    -------
    numpy.ndarray of float64, (out, in)
        The same for all channels of a pixel; NaN for a unit without mass.

    Raises
    ------
    InputError
        If the geometry has another number of inputs.
    """
    if weights.shape[1] != geometry.num_inputs:
        raise InputError(
            f"weights have {weights.shape[1]} inputs and the geometry {geometry.num_inputs}; "
            "give the geometry of the layer's inputs"
        )
    centre = envelope(weights, geometry).centre  # (out, axes)
    squares = np.zeros((len(weights), geometry.num_pixels))
    for axis, (extent, position) in enumerate(zip(geometry.size, geometry.positions().T, strict=True)):
        offset = np.abs(position - centre[:, axis, None])  # (out, pixel)
        squares += (np.minimum(offset, extent - offset) if geometry.wraps else offset) ** 2
    return np.tile(np.sqrt(squares), geometry.channels)


@checked(bounded=("delta",))
def mean_over(delta: Float[np.ndarray, "out in"], chosen: Bool[np.ndarray, "out in"]) -> float:
    """Return the mean of the defined entries among those chosen; NaN if there are none."""
    values = delta[chosen]
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _defined_members(
    delta: np.ndarray, kept: np.ndarray, pruned: np.ndarray
) -> tuple[Int[np.ndarray, " member"], Int[np.ndarray, " member"]]:
    if (kept & pruned).any():
        raise InputError("kept and pruned overlap; a weight is in one group at most")
    rows, columns = np.nonzero((kept | pruned) & ~np.isnan(delta))
    return rows, columns


def _strata(
    delta: np.ndarray, magnitude: np.ndarray, kept: np.ndarray, pruned: np.ndarray, num_strata: int
) -> tuple[np.ndarray, np.ndarray, Int[np.ndarray, " member"], Int[np.ndarray, " stratum"]]:
    """Return row, column and stratum of every weight that has a value, and each stratum's smaller group."""
    if num_strata < 1:
        raise InputError(f"num_strata is {num_strata}; at least 1 is needed")
    rows, columns = _defined_members(delta, kept, pruned)
    is_kept = kept[rows, columns]
    fan_in = np.bincount(rows, minlength=len(delta))
    rank = _ranks(magnitude[rows, columns], rows)
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
    """Return means of kept and of pruned values in every stratum, NaN of none, and their numbers."""
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
    ranks = _ranks(values, stratum)
    rank_sums = np.bincount(stratum[is_kept], weights=ranks[is_kept], minlength=num_strata)
    pairs = counts[0] * counts[1]
    excess = rank_sums - counts[0] * (counts[0] + 1) / 2
    return means, np.divide(excess, pairs, out=np.full(num_strata, np.nan), where=pairs > 0)


def _ranks(values: np.ndarray, group: np.ndarray) -> Float[np.ndarray, " member"]:
    """Return the rank of each value among those of its group, from 1, ties at their mean rank."""
    order = np.argsort(values)
    if len(group) and group.max() < 1 << 16:
        group = group.astype(np.uint16)  # whose stable sort takes linear time
    order = order[np.argsort(group[order], kind="stable")]
    ordered, groups = values[order], group[order]
    starts_group = np.ones(len(order), bool)
    np.not_equal(groups[1:], groups[:-1], out=starts_group[1:])
    differs = starts_group.copy()
    differs[1:] |= ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(differs)
    sizes = np.diff(starts, append=len(order))
    first = np.flatnonzero(starts_group)
    before = np.repeat(first, np.diff(first, append=len(order)))[starts]  # members of earlier groups
    mean_rank = starts - before + (sizes + 1) / 2
    ranks = np.empty(len(order))
    ranks[order] = mean_rank if len(starts) == len(order) else np.repeat(mean_rank, sizes)
    return ranks
