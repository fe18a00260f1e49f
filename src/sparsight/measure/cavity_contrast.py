"""Kept against pruned: do the weights that stay raise non-Gaussianity more than those that go."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from sparsight.errors import InputError

NUM_STRATA = 5


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


def contrast(
    delta: Float[np.ndarray, "out in"], kept: Bool[np.ndarray, "out in"], pruned: Bool[np.ndarray, "out in"]
) -> CavityContrast:
    """Compare Δ between the weights kept and those removed; undefined (NaN) entries are left out.

    Parameters
    ----------
    delta : numpy.ndarray, (out, in)
        Any of the maps of `sparsight.measure.cavity.Cavity`.
    kept, pruned : numpy.ndarray of bool, (out, in)
        What pruning keeps of the level, and what it removes. Disjoint.

    Raises
    ------
    InputError
        If the groups overlap.
    """
    _check_groups(kept, pruned)
    defined = ~np.isnan(delta)
    return _contrast(delta[kept & defined], delta[pruned & defined])


def matched_contrast(
    delta: Float[np.ndarray, "out in"],
    magnitude: Float[np.ndarray, "out in"],
    kept: Bool[np.ndarray, "out in"],
    pruned: Bool[np.ndarray, "out in"],
    num_strata: int = NUM_STRATA,
) -> tuple[CavityContrast, int]:
    """Compare Δ at matched |w|: within strata of |w| inside each unit, then averaged.

    Large weights have large effects of either sign, and magnitude pruning keeps the large ones: only
    weights of similar size in the same unit can be compared. Each unit's weights are cut into
    `num_strata` equal parts by rank of |w|; in the strata that hold both groups, means and AUC are taken
    and averaged with the size of the smaller group as weight.

    Parameters
    ----------
    delta, kept, pruned
        As in `contrast`.
    magnitude : numpy.ndarray, (out, in)
        |w|.
    num_strata : int

    Returns
    -------
    CavityContrast
        NaN where no stratum holds both groups (magnitude pruning within units leaves none but the one
        that the threshold cuts).
    num_matched : int
        How many pairs of weights the average rests on: Σ size of the smaller group.
    """
    _check_groups(kept, pruned)
    defined = ~np.isnan(delta)
    results, sizes = [], []
    for unit in range(len(delta)):
        entries = np.flatnonzero((kept | pruned)[unit] & defined[unit])
        if not pruned[unit, entries].any() or not kept[unit, entries].any():
            continue
        stratum = (rankdata(magnitude[unit, entries]) - 1) * num_strata // len(entries)
        for index in np.unique(stratum):
            inside = entries[stratum == index]
            a, b = delta[unit, inside[kept[unit, inside]]], delta[unit, inside[pruned[unit, inside]]]
            if len(a) and len(b):
                results.append(_contrast(a, b))
                sizes.append(min(len(a), len(b)))
    if not results:
        return CavityContrast(np.nan, np.nan, np.nan, np.nan), 0
    means = [
        float(np.average([getattr(result, name) for result in results], weights=sizes))
        for name in ("kept", "pruned", "difference", "auc")
    ]
    return CavityContrast(*means), sum(sizes)


def mean_over(delta: Float[np.ndarray, "out in"], chosen: Bool[np.ndarray, "out in"]) -> float:
    """Return the mean of the defined entries among those chosen; NaN if there are none."""
    values = delta[chosen]
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _contrast(kept: np.ndarray, pruned: np.ndarray) -> CavityContrast:
    mean_kept = float(kept.mean()) if len(kept) else np.nan
    mean_pruned = float(pruned.mean()) if len(pruned) else np.nan
    if not len(kept) or not len(pruned):
        return CavityContrast(mean_kept, mean_pruned, np.nan, np.nan)
    ranks = rankdata(np.concatenate([kept, pruned]))
    u = ranks[: len(kept)].sum() - len(kept) * (len(kept) + 1) / 2
    return CavityContrast(
        mean_kept, mean_pruned, mean_kept - mean_pruned, float(u / (len(kept) * len(pruned)))
    )


def _check_groups(kept: np.ndarray, pruned: np.ndarray) -> None:
    if (kept & pruned).any():
        raise InputError("kept and pruned overlap; a weight is in one group at most")
