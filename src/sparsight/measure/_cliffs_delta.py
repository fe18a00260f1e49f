"""Cliff's delta: how often replicates of one condition exceed those of another."""

import math

import numpy as np
import numpy.typing as npt

from sparsight.measure._intervals import replicate_values


def cliffs_delta(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return Cliff's delta, P(a > b) − P(a < b) over all pairs of replicates.

    It is 1 if every a is above every b, −1 if every a is below every b, and 0 if neither tends to be larger.
    Ties count 0.

    Parameters
    ----------
    a, b : array-like of float, (replicate,)
        One number per replicate of each condition; NaN = no value, left out.

    Returns
    -------
    float
        NaN if either is empty.

    Raises
    ------
    InputError
        If `a` or `b` is not a vector or is infinite.

    Notes
    -----
    Source: Cliff, Psychol. Bull. 114 (1993) 494.

    Examples
    --------
    >>> cliffs_delta([2, 3], [1, 2])  # 2 > 1, 2 = 2, 3 > 1, 3 > 2
    0.75
    """
    x, y = (replicate_values(name, array) for name, array in (("a", a), ("b", b)))
    x, y = x[~np.isnan(x)], np.sort(y[~np.isnan(y)])
    if not len(x) or not len(y):
        return math.nan
    num_below = int(np.searchsorted(y, x, "left").sum())
    num_above = int((len(y) - np.searchsorted(y, x, "right")).sum())
    return (num_below - num_above) / (len(x) * len(y))
