"""Conditions compared at equal accuracy instead of equal density."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from sparsight.errors import InputError
from sparsight.instruments import NETWORK
from sparsight.measure import student_interval

_ACCURACY = "test_accuracy"


def at_equal_accuracy(
    frame: pd.DataFrame, quantity: str, condition: str, reference: str, *, layer: str = NETWORK
) -> pd.DataFrame:
    """Return how far a condition is from another one that is as accurate, by level, with 95 % intervals.

    Much of what changes with pruning follows from accuracy: confidences, scores of unknown inputs, losses.
    In each replicate, the value of the reference at the test accuracy of a level is interpolated linearly
    between the reference's levels of the same replicate, in the order of their accuracy.

    Parameters
    ----------
    frame : pandas.DataFrame
        As from `Run.frame`.
    quantity, layer : str
        Names as in those columns of the frame.
    condition, reference : str
        Names of conditions.

    Returns
    -------
    pandas.DataFrame
        Columns ``level``, ``density`` (of the condition, mean over replicates), ``mean``, ``low``, ``high``
        (of value minus interpolated value, Student's interval over replicates), ``num_replicates``,
        ``by_replicate``. NaN where no level of the reference is less, or none more, accurate.

    Raises
    ------
    InputError
        If a condition is not in the frame.
    """
    for argument, name in (("condition", condition), ("reference", reference)):
        there = frame["condition"].unique()
        if name not in there:
            raise InputError(f"{argument} is {name!r}; the frame has {', '.join(map(str, there))}")
    own, other = (_beside_accuracy(frame, quantity, layer, each) for each in (condition, reference))
    gaps: list[dict[Hashable, float]] = []
    for replicate, levels in own.groupby("replicate", sort=False):
        known = other[other["replicate"] == replicate].groupby("accuracy")["value"].mean().dropna()
        x, y = known.index.to_numpy(), known.to_numpy()
        expected = np.full(len(levels), np.nan)
        if len(known):
            expected = np.interp(levels["accuracy"], x, y, left=np.nan, right=np.nan)
        gaps += levels.assign(gap=levels["value"] - expected).to_dict("records")
    rows = []
    for level, group in pd.DataFrame(gaps, columns=[*own.columns, "gap"]).groupby("level"):
        interval = student_interval(group["gap"].to_numpy(np.float64))
        rows.append(
            {"level": level, "density": group["density"].mean()}
            | {"mean": interval.mean, "low": interval.low, "high": interval.high}
            | {"num_replicates": interval.num_replicates, "by_replicate": tuple(group["gap"].tolist())}
        )
    columns = ["level", "density", "mean", "low", "high", "num_replicates", "by_replicate"]
    return pd.DataFrame(rows, columns=columns)


def _beside_accuracy(frame: pd.DataFrame, quantity: str, layer: str, condition: str) -> pd.DataFrame:
    """Return replicate, level, density, value and accuracy of a condition."""
    of_condition = frame[frame["condition"] == condition]
    place = ["replicate", "level"]
    is_value = (of_condition["quantity"] == quantity) & (of_condition["layer"] == layer)
    is_accuracy = (of_condition["quantity"] == _ACCURACY) & (of_condition["layer"] == NETWORK)
    values = of_condition.loc[is_value, [*place, "density", "value"]]
    accuracies = of_condition.loc[is_accuracy, [*place, "value"]].rename(columns={"value": "accuracy"})
    return values.merge(accuracies, on=place)
