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
