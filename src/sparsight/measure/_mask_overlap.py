"""Overlap of two masks beside that of independent masks, with units as they stand or matched."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import stats
from scipy.optimize import linear_sum_assignment

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._nulls import Null, sample_masks

_CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class MaskOverlap:
    """Overlap of two masks of a layer, and that of independent masks.

    Attributes
    ----------
    iou : float
        Intersection over union |A ∩ B| / |A ∪ B|, from 0 to 1. NaN if both masks are empty.
    expected : float
        Mean of the same over random masks in the place of B.
    excess : float
        iou − expected: 0 for independent masks.
    low, high : float
        95 % interval of the excess. A pair of independent masks has 0 in it with probability 0.95, if the
        overlap of random masks is close to Gaussian. NaN with fewer than two random masks.
    """

    iou: float
    expected: float
    excess: float
    low: float
    high: float


@checked()
def intersection_over_union(a: Bool[np.ndarray, "out in"], b: Bool[np.ndarray, "out in"]) -> float:
    """Return |A ∩ B| / |A ∪ B| of the weights that two masks keep; NaN if neither keeps any."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else np.nan


@checked()
def matched_units(a: Bool[np.ndarray, "out in"], b: Bool[np.ndarray, "out in"]) -> np.ndarray:
    """Return the order of B's units, int (out,), in which its receptive fields fit those of A best.

    ``b[order]`` has the largest overlap with ``a`` among all orders of the units. The number of inputs that
    the receptive fields of two units share is their similarity, and the Hungarian method finds the pairing
    with the largest sum (Kuhn, Naval Research Logistics Quarterly 2:83, 1955).
    """
    shared = a.astype(np.float32) @ b.astype(np.float32).T
    order: np.ndarray = linear_sum_assignment(shared, maximize=True)[1]
    return order


@checked()
def mask_overlap(
    a: Bool[np.ndarray, "out in"],
    b: Bool[np.ndarray, "out in"],
    null: Null = "configuration",
    *,
    match: bool = False,
    num_draws: int = 20,
    seed: int = 0,
) -> MaskOverlap:
    """Compare two masks of layers of the same shape, beside independent masks.

    Parameters
    ----------
    a, b : numpy.ndarray of bool, (out, in)
        Masks.
    null : {"uniform", "fan_in", "configuration"}
        What random masks share with B: the number of weights; also that of each unit; also that of each
        input. See `sparsight.measure.sample_masks`.
    match : bool
        Whether units are matched first, see `matched_units`. Units of two networks have no common order, so
        without matching only what ties them to the same place (a shared initialisation, say) can show. The
        random masks are matched in the same way: any two masks overlap more once they are matched.
    num_draws : int
        Random masks, 0 or more.
    seed : int
        Seeds them.

    Raises
    ------
    InputError
        If shapes differ, the null is unknown, or `num_draws` is negative.

    Notes
    -----
    For independent masks of k_a and k_b among N weights, |A ∩ B| is hypergeometric with mean k_a k_b / N.
    """
    return overlap_beside(a, b, list(sample_masks(b, null, num_draws, seed)), match=match)


def overlap_beside(
    a: np.ndarray, b: np.ndarray, random_masks: Sequence[np.ndarray], *, match: bool
) -> MaskOverlap:
    """Return the overlap of A and B beside that of A and each random mask; `match` as in `mask_overlap`."""
    if a.shape != b.shape:
        raise InputError(f"b has shape {b.shape}, a has shape {a.shape}; masks of the same shape overlap")

    def iou(other: np.ndarray) -> float:
        return intersection_over_union(a, other[matched_units(a, other)] if match else other)

    own, by_chance = iou(b), np.array([iou(each) for each in random_masks])
    expected = float(by_chance.mean()) if len(by_chance) else np.nan
    reach = np.nan
    if len(by_chance) > 1:
        # The interval in which one more draw would fall: it is as uncertain as the mean of the others.
        reach = stats.t.ppf((1 + _CONFIDENCE) / 2, len(by_chance) - 1) * by_chance.std(ddof=1)
        reach *= np.sqrt(1 + 1 / len(by_chance))
    excess = own - expected
    return MaskOverlap(
        iou=own,
        expected=expected,
        excess=excess,
        low=float(excess - reach),
        high=float(excess + reach),
    )
