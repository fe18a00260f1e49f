"""Trained weights beside those that training began with: how much of a mask the initialisation decides."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from sparsight.arguments import checked


@dataclass(frozen=True, kw_only=True)
class InitialisationTrace:
    """How far the weights of a layer, and what pruning removes, follow the weights that training began with.

    Attributes
    ----------
    rank_correlation : float
        Spearman's correlation of |w| before and after training, over the weights that were trained. 1:
        training changed no rank; 0: the sizes have left the initialisation. NaN with fewer than 3 weights,
        or where sizes do not vary.
    foretold_share : float
        Share of the pruned weights that would also be removed by pruning as many of the weights that were
        smallest before training. NaN if nothing is pruned.
    foretold_share_chance : float
        Its expectation if the pruned weights were drawn at random: the number pruned over the number trained.
    same_sign_share : float
        Share of the weights kept after the level that have the sign they began with. ½ by chance; NaN if none
        is kept.
    distance_travelled : float
        ‖w − w₀‖ / ‖w₀‖ over the weights that were trained, w after training and w₀ before. NaN if w₀ is 0.
    distance_travelled_shuffled : float
        The same if each unit's trained weights were permuted among its own places: the root of the mean
        square over all permutations, in closed form. As far as this, training has left no memory of which
        weight began where; without training it is the distance between a unit's weights and their
        permutation, √2 for weights of mean 0.
    """

    rank_correlation: float
    foretold_share: float
    foretold_share_chance: float
    same_sign_share: float
    distance_travelled: float
    distance_travelled_shuffled: float


@checked(finite=("before", "after"))
def initialisation_trace(
    before: Float[np.ndarray, "out in"],
    after: Float[np.ndarray, "out in"],
    mask: Bool[np.ndarray, "out in"],
    next_mask: Bool[np.ndarray, "out in"],
) -> InitialisationTrace:
    """Compare a layer's weights before and after training, and what pruning removes of them.

    Parameters
    ----------
    before, after : numpy.ndarray, (out, in)
        Weights before and after the level's training. Entries outside `mask` are ignored.
    mask, next_mask : numpy.ndarray of bool, (out, in)
        The weights that were trained, and the part of them that pruning keeps.

    Raises
    ------
    InputError
        If shapes differ or a weight is NaN or infinite.

    Notes
    -----
    Ties in |w before| at the threshold are resolved by place, so for constant weights ``foretold_share``
    is arbitrary; an initialisation drawn from a density has none.
    """
    began, ended = np.abs(before[mask]), np.abs(after[mask])
    pruned = ~next_mask[mask]
    num_trained, num_pruned = len(began), int(pruned.sum())
    smallest_before = np.zeros(num_trained, bool)
    smallest_before[np.argsort(began, kind="stable")[:num_pruned]] = True
    same_sign = np.sign(before[next_mask]) == np.sign(after[next_mask])
    return InitialisationTrace(
        rank_correlation=_spearman(began, ended),
        foretold_share=float(smallest_before[pruned].mean()) if num_pruned else np.nan,
        foretold_share_chance=num_pruned / num_trained if num_pruned else np.nan,
        same_sign_share=float(same_sign.mean()) if len(same_sign) else np.nan,
        **_distances(before, after, mask),
    )


def _distances(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    began, ended = (np.where(mask, each, 0).astype(np.float64) for each in (before, after))
    length, fan_in = float((began**2).sum()), mask.sum(axis=1)
    if length == 0:
        return {"distance_travelled": np.nan, "distance_travelled_shuffled": np.nan}
    # E‖Pw − w₀‖² = ‖w‖² + ‖w₀‖² − 2 E[(Pw)·w₀], and under a random permutation E[Pw] is the mean of w.
    overlap = (began.sum(axis=1) * ended.sum(axis=1) / np.maximum(fan_in, 1)).sum()
    shuffled = max(float((ended**2).sum()) + length - 2 * float(overlap), 0.0)
    return {
        "distance_travelled": float(np.sqrt(((ended - began) ** 2).sum() / length)),
        "distance_travelled_shuffled": float(np.sqrt(shuffled / length)),
    }


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(stats.spearmanr(a, b).statistic)
