"""Summaries of a run over its replicates: mean and interval by condition and level."""

import pandas as pd

from sparsight.measure import mean_interval

FEW_REPLICATES = 10
"""Below this number bootstrap intervals are too short (coverage: docstring of `mean_interval`)."""


def intervals_by_level(frame: pd.DataFrame, quantity: str, layer: str) -> pd.DataFrame:
    """Return mean and interval over replicates of one quantity, by condition and level.

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
        ``num_replicates``; conditions in the order of the frame.
    """
    chosen = frame[(frame["quantity"] == quantity) & (frame["layer"] == layer)]
    rows = []
    for (condition, level), group in chosen.groupby(["condition", "level"], sort=False):
        interval = mean_interval(group["value"].to_numpy())
        density = group["density"].mean()
        rows.append(
            (condition, level, density, interval.mean, interval.low, interval.high, interval.num_replicates)
        )
    columns = ["condition", "level", "density", "mean", "low", "high", "num_replicates"]
    return pd.DataFrame(rows, columns=columns)
