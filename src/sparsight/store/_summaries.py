"""Summaries of a run over its replicates: mean and interval by condition and level, and what tables show."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from sparsight.measure import mean_interval
from sparsight.store._results import NETWORK

FEW_REPLICATES = 10
"""Below this number bootstrap intervals are too short (coverage: docstring of `mean_interval`)."""


@dataclass(frozen=True)
class Column:
    """A column of the summary table: which quantity it shows, and how.

    Attributes
    ----------
    quantity : str
        As in the column ``quantity`` of `Run.frame`.
    heading : str
    decimals : int
    scope : {"network", "layer"}
        Whether it belongs to the whole network or to the first pruned layer.
    """

    quantity: str
    heading: str
    decimals: int
    scope: Literal["network", "layer"] = "layer"


COLUMNS = (
    Column("test_accuracy", "accuracy", 3, NETWORK),
    Column("locality.near", "near", 2),
    Column("locality.far", "far", 2),
    Column("gaussianity.excess_kurtosis", "κ", 2),
    Column("gaussianity.excess_kurtosis_within_class", "κ in class", 2),
    Column("cavity.delta_kurtosis_kept", "Δκ kept", 4),
    Column("cavity.delta_kurtosis_pruned", "Δκ pruned", 4),
    Column("connected_units", "connected", 0, NETWORK),
)
"""The summary table on the terminal and in the report."""


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
        rows.append(
            {
                "condition": condition,
                "level": level,
                "density": group["density"].mean(),
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "num_replicates": interval.num_replicates,
            }
        )
    return pd.DataFrame(
        rows, columns=["condition", "level", "density", "mean", "low", "high", "num_replicates"]
    )
