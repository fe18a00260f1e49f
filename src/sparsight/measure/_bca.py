"""The bias-corrected and accelerated (BCa) bootstrap interval."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from sparsight.streams import generator

_NUM_RESAMPLES = 9999  # scipy's default; another seed then moves the ends by about 1 % of the width
_BATCH = 1 << 20  # resampled values in memory at a time


def bca(
    groups: tuple[np.ndarray, ...], statistic: Callable[..., np.ndarray], confidence: float, seed: int
) -> tuple[float, float]:
    """Return the ends of the bias-corrected and accelerated bootstrap interval of a statistic.

    Groups are independent samples, each of at least two values. The statistic is a function of the groups and
    an axis that shifts and scales with them, such as a mean.
    """
    # The values are brought to the unit interval first: scipy's acceleration takes third powers, which
    # vanish for replicates that differ only in their last digits.
    origins = [float(group.min()) for group in groups]
    scale = max(float(np.ptp(group)) for group in groups)
    offset = float(statistic(*(np.array([origin]) for origin in origins)))
    if scale == 0:
        return offset, offset
    ends = stats.bootstrap(
        tuple((group - origin) / scale for group, origin in zip(groups, origins, strict=True)),
        statistic,
        n_resamples=_NUM_RESAMPLES,
        batch=max(1, _BATCH // max(map(len, groups))),
        confidence_level=confidence,
        method="BCa",
        vectorized=True,
        rng=generator(seed, "bootstrap"),
    ).confidence_interval
    return offset + scale * float(ends.low), offset + scale * float(ends.high)
