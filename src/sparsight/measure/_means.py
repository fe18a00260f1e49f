"""Means over the values that are defined."""

from typing import overload

import numpy as np


@overload
def mean_of_defined(values: np.ndarray, axis: None = None) -> float: ...
@overload
def mean_of_defined(values: np.ndarray, axis: int) -> np.ndarray: ...
def mean_of_defined(values: np.ndarray, axis: int | None = None) -> float | np.ndarray:
    """Return the mean of the entries that are not NaN; NaN, without a warning, if there are none.

    Parameters
    ----------
    values : numpy.ndarray of float
        Any shape.
    axis : int, optional
        Axis to average over; by default all entries are averaged, which gives a float.
    """
    is_defined = ~np.isnan(values)
    if axis is None:
        defined = values[is_defined]
        return float(defined.mean()) if len(defined) else float("nan")
    count = is_defined.sum(axis=axis)
    total = np.where(is_defined, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def weighted_mean_of_defined(values: np.ndarray, weights: np.ndarray | None) -> float:
    """Return the weighted mean of the entries whose value and weight are not NaN; NaN if their weights are 0.

    Parameters
    ----------
    values : numpy.ndarray of float, (n,)
        NaN where undefined.
    weights : numpy.ndarray of float, (n,), or None
        How much each value counts, not negative; None: all alike.
    """
    if weights is None:
        return mean_of_defined(values)
    defined = ~np.isnan(values) & ~np.isnan(weights)
    total = weights[defined].sum()
    return float((values[defined] * weights[defined]).sum() / total) if total > 0 else float("nan")
