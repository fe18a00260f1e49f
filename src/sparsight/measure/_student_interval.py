"""Student's interval over replicates, and the smallest effect that so many would have found."""

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from sparsight.errors import InputError
from sparsight.measure._intervals import Interval


def student_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    r"""Return the mean over replicates with Student's interval, mean ± t · sd/√n.

    It holds the true mean with the stated probability for Gaussian replicates, however few; the bootstrap
    of `mean_interval` does so for many only (10 replicates: 0.90 instead of 0.95). So verdicts use this.

    Parameters
    ----------
    values : array-like of float, (replicate,)
        One number a replicate (of a paired effect: one difference a seed). NaN = no value.
    confidence : float
        Strictly between 0 and 1.

    Returns
    -------
    Interval
        With fewer than two values the ends are NaN; equal values give width 0.

    Raises
    ------
    InputError
        If the values are not a vector, are infinite, or the confidence is out of range.

    Examples
    --------
    >>> interval = student_interval([1.0, 2.0, 3.0])
    >>> round(interval.low, 2), round(interval.high, 2)
    (-0.48, 4.48)
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise InputError(f"values have shape {array.shape}; give one number a replicate")
    if np.isinf(array).any():
        raise InputError("values hold infinite entries; use NaN for a replicate without a value")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; a number strictly between 0 and 1 is needed")
    present = array[~np.isnan(array)]
    n = len(present)
    mean = float(present.mean()) if n else math.nan
    half = math.nan
    if n > 1:
        half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * present.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, confidence, n, len(array) - n)


def smallest_detectable_effect(
    sd: float, num_replicates: int, *, power: float = 0.8, confidence: float = 0.95
) -> float:
    """Return the true mean at which Student's interval over n replicates lies above 0 with this probability.

    Parameters
    ----------
    sd : float
        Standard deviation between replicates; not negative.
    num_replicates : int
        At least 2.
    power, confidence : float
        Strictly between 0 and 1.

    Returns
    -------
    float
        δ · sd/√n, where the noncentral t with n − 1 degrees of freedom and noncentrality δ exceeds the
        quantile (1 + confidence)/2 of Student's t with probability `power`. In units of `sd` it is 1.0 for
        10 replicates.

    Raises
    ------
    InputError
        If an argument is out of range.

    Examples
    --------
    >>> round(smallest_detectable_effect(1.0, 10), 2)
    1.0
    """
    if num_replicates < 2 or not sd >= 0:
        raise InputError(f"sd is {sd} and num_replicates {num_replicates}; sd ≥ 0 and at least 2 are needed")
    if not (0 < power < 1 and 0 < confidence < 1):
        raise InputError(f"power is {power} and confidence {confidence}; both lie strictly between 0 and 1")
    freedom = num_replicates - 1
    threshold = stats.t.ppf((1 + confidence) / 2, freedom)

    def shortfall(noncentrality: float) -> float:
        return float(stats.nct.sf(threshold, freedom, noncentrality)) - power

    upper = 1.0
    while shortfall(upper) < 0:
        upper *= 2
    return float(optimize.brentq(shortfall, 0.0, upper)) * sd / math.sqrt(num_replicates)
