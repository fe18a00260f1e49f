"""Fieller's interval of a ratio of two means over paired replicates."""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure._intervals import Interval, check_confidence, replicate_values


def fieller_interval(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, confidence: float = 0.95
) -> Interval:
    r"""Return the ratio of two means over paired replicates, with Fieller's interval.

    The interval holds every ratio r for which Student's t test does not reject E[a − r b] = 0:

    .. math:: n (\bar a - r \bar b)^2 \le t^2 \, s^2_{a - r b}

    A mean of ratios within replicates has another expectation, and none at all if the denominator can be
    near 0. The ratio of means does not need denominators of one sign.

    Parameters
    ----------
    numerator, denominator : array-like of float, (replicate,)
        a and b of the same replicates, in the same order. NaN in either: the replicate is left out.
    confidence : float
        Strictly between 0 and 1.

    Returns
    -------
    Interval
        Its ``mean`` is mean(a)/mean(b). If the mean of b does not differ from 0 at this confidence, the set
        of ratios is unbounded (the whole line, or two rays), and the ends are −∞ and ∞. With fewer than two
        replicates, or all b equal to 0, the ends are NaN.

    Raises
    ------
    InputError
        If the values are not vectors of one length, are infinite, or the confidence is out of range.

    Notes
    -----
    Source: Fieller, J. R. Stat. Soc. B 16 (1954) 175.

    Examples
    --------
    >>> interval = fieller_interval([1.0, 2.0, 3.0, 2.2], [4.0, 5.0, 6.0, 4.5])
    >>> round(interval.mean, 2), round(interval.low, 2), round(interval.high, 2)
    (0.42, 0.2, 0.56)
    """
    check_confidence(confidence)
    a, b, num_missing = complete_pairs(numerator, denominator)
    n = len(a)
    ratio = low = high = math.nan
    if n and b.mean() != 0:
        ratio = float(a.mean() / b.mean())
    if n > 1 and not math.isnan(ratio):
        low, high = _ends(a, b, float(stats.t.ppf((1 + confidence) / 2, n - 1)))
    return Interval(
        mean=ratio, low=low, high=high, confidence=confidence, num_replicates=n, num_missing=num_missing
    )


def complete_pairs(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the replicates in which both values are defined, and the number of the others."""
    values = [replicate_values("numerator", a), replicate_values("denominator", b)]
    if len(values[0]) != len(values[1]):
        raise InputError(
            f"numerator has {len(values[0])} replicates and denominator {len(values[1])}; they must be the "
            "same replicates"
        )
    defined = ~np.isnan(values[0]) & ~np.isnan(values[1])
    return values[0][defined], values[1][defined], int((~defined).sum())


def _ends(a: np.ndarray, b: np.ndarray, quantile: float) -> tuple[float, float]:
    # In units of the largest value, so that squares neither overflow nor vanish.
    unit_a, unit_b = float(np.abs(a).max()) or 1.0, float(np.abs(b).max())
    a, b = a / unit_a, b / unit_b
    ratio = a.mean() / b.mean()
    # With d = a − ratio·b, whose mean is 0, and δ = r − ratio, the set is  leading·δ² + 2c·s_db·δ ≤ c·s_dd.
    # That has no difference of large numbers.
    d = a - ratio * b
    (s_dd, s_db), (_, s_bb) = np.cov(d, b)
    c = quantile**2 / len(a)
    leading = b.mean() ** 2 - c * s_bb
    if not leading > 0:
        return -math.inf, math.inf
    root = math.sqrt(c**2 * s_db**2 + leading * c * s_dd)
    scale = unit_a / unit_b
    return (
        float(scale * (ratio + (-c * s_db - root) / leading)),
        float(scale * (ratio + (-c * s_db + root) / leading)),
    )
