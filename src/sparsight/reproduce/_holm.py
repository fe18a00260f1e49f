"""Holm's correction for the number of predictions of a claim."""

from collections.abc import Sequence

import numpy as np

ALPHA = 0.025
"""Per side, so that one prediction alone is decided by its two-sided 95 % interval."""


def holm(p_values: Sequence[float]) -> list[float]:
    r"""Return Holm's adjusted p-values, in the order given.

    With the p-values sorted, p₁ ≤ … ≤ p_K, they are

    .. math:: \tilde p_i = \min(1, \max_{j \le i} (K - j + 1) \, p_j)

    To call true what has an adjusted p-value of at most α is wrong anywhere among the K with a probability of
    at most α, however the tests depend on each other. NaN (no test) counts as 1.

    Source: Holm, Scand. J. Stat. 6 (1979) 65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    p = np.nan_to_num(np.asarray(p_values, np.float64), nan=1.0)
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return [float(value) for value in adjusted]
