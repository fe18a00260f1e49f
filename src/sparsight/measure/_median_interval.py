"""Interval of the median over replicates, by order statistics."""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from sparsight.measure._intervals import Interval, check_confidence, replicate_values


def median_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    r"""Return the median over replicates, with an interval that no assumption on their distribution enters.

    Its ends are the k-th smallest and the k-th largest value, with the largest k for which

    .. math:: P(\mathrm{Bin}(n, 1/2) < k) \le (1 - \mathrm{confidence})/2

    It contains the true median with at least the stated probability, of any distribution; one outlier does
    not move it.

    Parameters
    ----------
    values : array-like of float, (replicate,)
        One number per replicate. NaN = no value.
    confidence : float
        Strictly between 0 and 1.

    Returns
    -------
    Interval
        Its ``mean`` is the median. Without such a k the ends are NaN: at 95 % with fewer than six values.

    Raises
    ------
    InputError
        If the values are not a vector, are infinite, or the confidence is out of range.

    Examples
    --------
    >>> interval = median_interval([3.0, 1.0, 2.0, 5.0, 4.0, 60.0])
    >>> interval.mean, interval.low, interval.high
    (3.5, 1.0, 60.0)
    """
    check_confidence(confidence)
    replicates = replicate_values("values", values)
    present = np.sort(replicates[~np.isnan(replicates)])
    n = len(present)
    tail = (1 - confidence) / 2
    k = int((stats.binom.cdf(np.arange(n // 2), n, 0.5) <= tail).sum()) if n else 0
    return Interval(
        mean=float(np.median(present)) if n else math.nan,
        low=float(present[k - 1]) if k else math.nan,
        high=float(present[n - k]) if k else math.nan,
        confidence=confidence,
        num_replicates=n,
        num_missing=len(replicates) - n,
    )
