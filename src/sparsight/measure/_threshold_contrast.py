"""Kept against pruned at the threshold of |w|: local linear regression on both sides."""

from dataclasses import dataclass
from math import log

import numpy as np
from jaxtyping import Bool, Float

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._cavity_contrast import defined_members

BANDWIDTH = log(1.25)
"""In log|w|: sizes up to 1.25 times above or below the threshold enter. A factor of 1.5 would find a jump of
up to a fifth of Δ in Δ = w⁴, which has none."""
LEAST_PAIRS = 50
"""Below this number of pairs one weight with a large effect would decide on the jump."""


@dataclass(frozen=True, kw_only=True)
class ThresholdContrast:
    """Kept minus pruned weights at the threshold of |w|.

    Attributes
    ----------
    jump : float
        Expected Δ of a kept weight minus that of a pruned one in the same unit, both of the size of the
        threshold. NaN if there are too few pairs.
    num_pairs : int
        Sum over units of the size of the smaller group within the bandwidth. Averages over levels have to
        weight jumps by it.
    threshold : float
        |w| at the threshold; NaN if one group is empty.
    """

    jump: float
    num_pairs: int
    threshold: float


@checked(finite=("magnitude",), bounded=("delta",))
def threshold_contrast(
    delta: Float[np.ndarray, "out in"],
    magnitude: Float[np.ndarray, "out in"],
    kept: Bool[np.ndarray, "out in"],
    pruned: Bool[np.ndarray, "out in"],
    *,
    bandwidth: float = BANDWIDTH,
    min_pairs: int = LEAST_PAIRS,
) -> ThresholdContrast:
    r"""Compare Δ of kept and pruned weights at equal |w|, by regression discontinuity.

    Where pruning is by size, no kept weight has the size of a pruned one, and Δ changes with size. Strata of
    |w| compare weights just above the threshold with weights just below it, and a difference between them may
    be due to the remaining difference in size. Here both sides are extrapolated to the threshold: with
    :math:`x = \log|w| - \log\tau` and k = 1 for kept and 0 for pruned weights, the regression

    .. math:: \Delta = \alpha_\mathrm{unit} + \mathrm{jump} \cdot k + \beta x + \gamma k x

    has an intercept for each unit and a slope on each side. It is fitted by least squares to the weights with
    :math:`|x| < h`, weighted by the triangular kernel :math:`1 - |x|/h`.

    Parameters
    ----------
    delta, kept, pruned
        As in `contrast`. NaN entries of `delta`, and weights of size 0, are left out.
    magnitude : numpy.ndarray, (out, in)
        The sizes |w|.
    bandwidth : float
        h, above 0, in log|w|.
    min_pairs : int
        Smallest number of pairs with which a jump is returned.

    Returns
    -------
    ThresholdContrast
        The jump is NaN below `min_pairs`, and if the sizes on one side are all equal.

    Raises
    ------
    InputError
        If the groups overlap, `bandwidth` is not above 0, or `min_pairs` is below 1.

    Notes
    -----
    The threshold τ is the geometric mean of the two sizes between which as many weights are larger as are
    kept: under magnitude pruning of the layer, the smallest kept and the largest pruned size. Other pruning
    leaves kept and pruned weights on both sides of it; the jump is then their difference at |w| = τ.

    Only units with both groups within the bandwidth enter. A unit's influence grows with its number of pairs,
    as in every regression with unit intercepts.

    A smooth Δ leaves a jump of order h³, since the curvatures of the two sides cancel; where one side is
    narrower than h, of order h². With Gaussian weights, of which a fifth is pruned once or again, it is below
    1 % of Δ at the threshold for Δ = w², and below 5 % for Δ = w⁴. `matched_contrast` leaves 4 to 50 % and 8
    to 120 %.

    Source: Hahn, Todd & van der Klaauw, Econometrica 69 (2001) 201; Imbens & Lemieux, J. Econometrics 142
    (2008) 615 (local linear regression at a threshold, its kernel and its bias).
    """
    if not 0 < bandwidth < np.inf:
        raise InputError(f"bandwidth is {bandwidth}; a number above 0 is needed")
    if min_pairs < 1:
        raise InputError(f"min_pairs is {min_pairs}; 1 or more is allowed")
    rows, columns = defined_members(delta, kept & (magnitude > 0), pruned & (magnitude > 0))
    is_kept = kept[rows, columns]
    num_kept = int(is_kept.sum())
    if num_kept in (0, len(rows)):
        return ThresholdContrast(jump=np.nan, num_pairs=0, threshold=np.nan)
    size = np.log(magnitude[rows, columns].astype(np.float64))
    smallest = len(size) - num_kept  # place of the smallest kept size, if kept weights are the largest
    threshold = float(np.partition(size, (smallest - 1, smallest))[smallest - 1 : smallest + 1].mean())
    position = size - threshold
    near = np.abs(position) < bandwidth
    counts = np.stack([np.bincount(rows[near & side], minlength=len(delta)) for side in (is_kept, ~is_kept)])
    has_both = counts.min(axis=0) > 0
    near &= has_both[rows]
    num_pairs = int(counts.min(axis=0).sum())
    enough = num_pairs >= min_pairs
    values = delta[rows, columns][near].astype(np.float64)
    jump = _jump(values, position[near], is_kept[near], rows[near], bandwidth) if enough else np.nan
    return ThresholdContrast(jump=jump, num_pairs=num_pairs, threshold=float(np.exp(threshold)))


def _jump(
    values: np.ndarray, position: np.ndarray, is_kept: np.ndarray, unit: np.ndarray, bandwidth: float
) -> float:
    """Return the coefficient of `is_kept`; NaN if the regression does not determine it."""
    kernel = 1 - np.abs(position) / bandwidth
    columns = np.stack([is_kept, position, is_kept * position, values], axis=1).astype(np.float64)
    # Frisch & Waugh: regressing what is left of the unit means is the regression with an intercept per unit.
    of_unit = np.bincount(unit, weights=kernel)
    for column in columns.T:
        mean = np.bincount(unit, weights=kernel * column) / np.maximum(of_unit, np.finfo(float).tiny)
        column -= mean[unit]
    columns *= np.sqrt(kernel)[:, None]
    scale = np.abs(columns[:, :3]).max(axis=0)
    if not scale.all():
        return float("nan")
    solution, _, rank, _ = np.linalg.lstsq(columns[:, :3] / scale, columns[:, 3], rcond=1e-10)
    return float(solution[0] / scale[0]) if rank == 3 else float("nan")
