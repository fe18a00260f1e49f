"""Summaries of a run over its replicates: mean and interval by condition and level."""

import pandas as pd

from sparsight.measure import student_interval

_COLUMNS = ["condition", "level", "density", "mean", "low", "high", "num_replicates", "by_replicate"]


def intervals_by_level(frame: pd.DataFrame, quantity: str, layer: str) -> pd.DataFrame:
    """Return mean and Student's 95 % interval over replicates of one quantity, by condition and level.

    Parameters
    ----------
    frame : pandas.DataFrame
        As from `Run.frame`.
    quantity, layer : str
        Names as in those columns of the frame.

    Returns
    -------
    pandas.DataFrame
        Columns ``condition``, ``level``, ``density`` (mean over replicates), ``mean``, ``low``, ``high``,
        ``num_replicates``, ``by_replicate`` (the values behind the mean, a tuple of floats in the order of
        the frame, NaN where undefined); conditions in the order of the frame.
    """
    chosen = frame[(frame["quantity"] == quantity) & (frame["layer"] == layer)]
    rows = []
    for (condition, level), group in chosen.groupby(["condition", "level"], sort=False):
        interval = student_interval(group["value"].to_numpy())
        rows.append(
            {"condition": condition, "level": level, "density": group["density"].mean()}
            | {"mean": interval.mean, "low": interval.low, "high": interval.high}
            | {"num_replicates": interval.num_replicates, "by_replicate": tuple(group["value"].tolist())}
        )
    return pd.DataFrame(rows, columns=_COLUMNS)
