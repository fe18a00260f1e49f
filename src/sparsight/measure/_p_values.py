"""One-sided p-values over replicates: each belongs to an interval, whose lower end it decides.

The lower end of the 95 % interval is above a threshold exactly if the p-value is below 0.025. To test for
"below" instead of "above", negate the threshold and the values (of a ratio: its numerator).
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from sparsight.measure._fieller import complete_pairs
from sparsight.measure._intervals import replicate_values


def mean_p(values: npt.ArrayLike, threshold: float = 0.0) -> float:
    """Return the p-value of Student's test that the mean over replicates is above a threshold.

    It belongs to `student_interval`. NaN = no value; with fewer than two values it is NaN. Equal values have
    p = 0 if they are above the threshold, and 1 otherwise.

    Examples
    --------
    >>> round(mean_p([1.0, 2.0, 3.0]), 3)
    0.037
    """
    replicates = replicate_values("values", values)
    present = replicates[~np.isnan(replicates)]
    return _student_p(present - threshold)


def median_p(values: npt.ArrayLike, threshold: float = 0.0) -> float:
    """Return the p-value of the sign test that the median over replicates is above a threshold.

    It belongs to `median_interval`: P(Bin(n, 1/2) ≤ number of values that are not above the threshold). NaN =
    no value; without values it is NaN.

    Examples
    --------
    >>> median_p([1.0, 2.0, 3.0, -0.5])
    0.3125
    """
    replicates = replicate_values("values", values)
    present = replicates[~np.isnan(replicates)]
    if not len(present):
        return math.nan
    return float(stats.binom.cdf((present <= threshold).sum(), len(present), 0.5))


def ratio_p(numerator: npt.ArrayLike, denominator: npt.ArrayLike, threshold: float = 0.0) -> float:
    """Return the p-value of the test that a ratio of means over paired replicates is above a threshold.

    It belongs to `fieller_interval`. With the signs turned so that the mean of the denominator b is positive,
    it is the larger p-value of Student's tests that mean(a − threshold·b) is above 0 and that mean(b) is:
    a ratio whose denominator may be 0 is above nothing. With fewer than two pairs it is NaN.

    Examples
    --------
    >>> round(ratio_p([1.0, 2.0, 3.0, 2.2], [4.0, 5.0, 6.0, 4.5], 0.3), 3)
    0.072
    """
    a, b, _ = complete_pairs(numerator, denominator)
    sign = -1.0 if len(b) and b.mean() < 0 else 1.0
    return float(np.maximum(_student_p(sign * (a - threshold * b)), _student_p(sign * b)))


def _student_p(values: np.ndarray) -> float:
    n = len(values)
    if n < 2:
        return math.nan
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(n)
    if error == 0:
        return 0.0 if mean > 0 else 1.0
    return float(stats.t.sf(mean / error, n - 1))
