"""A mask beside the planted one: which of its weights are where they should be."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import stats
from scipy.optimize import linear_sum_assignment

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._nulls import sample_masks
from sparsight.measure._out_of_distribution import auroc
from sparsight.streams import generator

_CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class SupportRecovery:
    """Precision and recall of a mask for planted supports, beside chance.

    Attributes
    ----------
    input_precision : float
        Share of the kept weights that are on an input which some planted unit reads. NaN without kept
        weights.
    input_precision_expected : float
        Share of such inputs among all: the expectation for weights kept at random.
    input_precision_low, input_precision_high : float
        95 % of masks with as many weights anywhere in the layer lie between these (hypergeometric).
    precision : float
        Each planted unit is matched with one unit of the mask; share of the matched units' kept weights that
        are in their planted unit's support. NaN if the matched units keep nothing.
    recall : float
        Share of the planted supports that the matched units keep.
    precision_expected, recall_expected : float
        Means of the same over random masks with the fan-in of every unit, matched likewise. Any mask fits
        better once the best of its units are chosen.
    input_auroc : float
        Probability that an input which some planted unit reads keeps more weights than one that none reads,
        ties counted half. ½ for weights kept at random; NaN if all inputs are read.
    input_auroc_permuted : float
        Mean of the same for supports whose inputs are permuted at random: ½ up to the draws.
    """

    input_precision: float
    input_precision_expected: float
    input_precision_low: float
    input_precision_high: float
    precision: float
    recall: float
    precision_expected: float
    recall_expected: float
    input_auroc: float
    input_auroc_permuted: float


@checked()
def support_recovery(
    mask: Bool[np.ndarray, "out in"],
    support: Bool[np.ndarray, "planted in"],
    *,
    num_draws: int = 20,
    seed: int = 0,
) -> SupportRecovery:
    r"""Compare a mask with the supports of planted units.

    Planted unit k is matched with unit σ(k), each unit at most once, so that the sum of
    :math:`|M_{\sigma(k)} \cap S_k|^2 / (|M_{\sigma(k)}| |S_k|)` is largest (Hungarian method): precision
    times recall, so that a unit that keeps everything is no match for all. Then

    .. math:: \text{precision} = \frac{\sum_k |M_{\sigma(k)} \cap S_k|}{\sum_k |M_{\sigma(k)}|}, \qquad
              \text{recall} = \frac{\sum_k |M_{\sigma(k)} \cap S_k|}{\sum_k |S_k|}.

    Planted units beyond the number of the mask's units have no match and count as not recovered.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (out, in)
        True = kept.
    support : numpy.ndarray of bool, (planted, in)
        True = the planted unit reads this input; at least one in each row.
    num_draws : int
        Random masks, and permuted supports, for the expectations; at least 1.
    seed : int
        Seeds them.

    Raises
    ------
    InputError
        If shapes do not fit, a planted unit reads nothing, or `num_draws` is below 1.
    """
    if not support.any(axis=1).all():
        raise InputError("support has a row without an input; every planted unit reads at least one")
    if num_draws < 1:
        raise InputError(f"num_draws is {num_draws}; at least 1 is needed")
    is_read: np.ndarray = np.logical_or.reduce(support, axis=0)
    num_kept, num_on_read = int(mask.sum()), int(mask[:, is_read].sum())
    chance = stats.hypergeom(mask.size, mask.shape[0] * int(is_read.sum()), num_kept)
    low, high = chance.interval(_CONFIDENCE) if num_kept else (np.nan, np.nan)
    precision, recall = _matched(mask, support)
    by_chance = [_matched(each, support) for each in sample_masks(mask, "fan_in", num_draws, seed)]
    expected = np.mean(by_chance, axis=0)
    rng = generator(seed, "permuted support")
    permuted = [_auroc_of_read(mask, rng.permutation(is_read)) for _ in range(num_draws)]
    return SupportRecovery(
        input_precision=num_on_read / num_kept if num_kept else np.nan,
        input_precision_expected=float(is_read.mean()),
        input_precision_low=low / max(num_kept, 1),
        input_precision_high=high / max(num_kept, 1),
        precision=precision,
        recall=recall,
        precision_expected=float(expected[0]),
        recall_expected=float(expected[1]),
        input_auroc=_auroc_of_read(mask, is_read),
        input_auroc_permuted=float(np.mean(permuted)),
    )


@checked()
def input_auroc(
    mask: Bool[np.ndarray, "out in"], wanted: Bool[np.ndarray, " in"], others: Bool[np.ndarray, " in"]
) -> float:
    """Return the probability that a wanted input keeps more weights than one of the others, ties half.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (out, in)
        True = kept.
    wanted, others : numpy.ndarray of bool, (in,)
        True = the input is one of them.

    Returns
    -------
    float
        The area under the ROC curve of the number of kept weights: ½ for weights kept at random, and for a
        mask that keeps everything. NaN if there is no wanted input, or no other.
    """
    num_kept = mask.sum(axis=0).astype(np.float64)
    return auroc(num_kept[wanted], num_kept[others])


def _auroc_of_read(mask: np.ndarray, is_read: np.ndarray) -> float:
    return float(input_auroc(mask, is_read, np.logical_not(is_read)))


def _matched(mask: np.ndarray, support: np.ndarray) -> tuple[float, float]:
    """Return precision and recall after matching."""
    shared = support.astype(np.float64) @ mask.T.astype(np.float64)
    fan_in = np.maximum(mask.sum(axis=1), 1)
    fit = shared**2 / (fan_in * support.sum(axis=1)[:, None])
    planted, units = linear_sum_assignment(fit, maximize=True)
    found, kept = shared[planted, units].sum(), mask[units].sum()
    return float(found / kept) if kept else np.nan, float(found / support.sum())
