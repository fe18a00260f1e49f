"""Ranks within units, and their correlations."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float


def rank_correlations(
    deltas: Sequence[Float[np.ndarray, "out in"]],
    others: Sequence[Float[np.ndarray, "out in"]],
    chosen: Bool[np.ndarray, "out in"],
) -> Float[np.ndarray, "delta other"]:
    """Return Spearman's correlation of each Δ with each other map, within units, averaged over units.

    Parameters
    ----------
    deltas, others : sequences of numpy.ndarray, (out, in)
        Maps to correlate. An entry that is NaN in any of them is left out of all.
    chosen : numpy.ndarray of bool, (out, in)
        Which weights to use.

    Returns
    -------
    numpy.ndarray of float64, (delta, other)
        Average over units with at least 3 weights in which both maps vary, weighted by their number of
        weights minus 1 (one over the variance of Spearman's ρ of independent values). NaN if there are no
        such units.
    """
    defined = chosen.copy()
    for values in (*deltas, *others):
        defined &= ~np.isnan(values)
    rows, columns = np.nonzero(defined)
    count = np.bincount(rows, minlength=len(chosen))
    middle = (count[rows] + 1) / 2

    def centred_ranks(maps: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [ranks_within(values[rows, columns], rows) - middle for values in maps]

    def over_units(products: np.ndarray) -> np.ndarray:
        return np.bincount(rows, weights=products, minlength=len(chosen))

    a, b = centred_ranks(deltas), centred_ranks(others)
    variances_a, variances_b = ([over_units(ranks * ranks) for ranks in maps] for maps in (a, b))
    found = np.full((len(deltas), len(others)), np.nan)
    for i, j in np.ndindex(found.shape):
        varies = (count >= 3) & (variances_a[i] > 0) & (variances_b[j] > 0)
        if varies.any():
            rho = over_units(a[i] * b[j])[varies] / np.sqrt(variances_a[i] * variances_b[j])[varies]
            found[i, j] = np.average(rho, weights=count[varies] - 1)
    return found


def ranks_within(values: np.ndarray, group: np.ndarray) -> Float[np.ndarray, " member"]:
    """Return the rank of each value within its group, from 1; ties get their mean rank."""
    # All groups at once, by value and then, stably, by group: a loop over the units of a layer, each with a
    # sort of its own, would spend its time on calls.
    order = np.argsort(values)
    if len(group) and group.max() < 1 << 16:
        group = group.astype(np.uint16)  # numpy sorts 16-bit integers stably in linear time
    order = order[np.argsort(group[order], kind="stable")]
    ordered, groups = values[order], group[order]
    starts_group = np.ones(len(order), bool)
    np.not_equal(groups[1:], groups[:-1], out=starts_group[1:])
    # `starts` are the places at which a run of equal values of one group begins.
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
