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
    """

    rank_correlation: float
    foretold_share: float
    foretold_share_chance: float
    same_sign_share: float


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
    )


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(stats.spearmanr(a, b).statistic)
