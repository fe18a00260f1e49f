"""The printed summary: per condition and level, mean and interval over replicates."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.table import Table

from sparsight.measure import Interval, mean_interval
from sparsight.store._level_record import read_record
from sparsight.store._results import NETWORK, Run
from sparsight.store._run_directory import RunDirectory

FEW_REPLICATES = 10
"""Below, bootstrap intervals are too short (coverage: docstring of `mean_interval`)."""


@dataclass(frozen=True)
class Column:
    """A column of the summary: which quantity, and how it is headed and written.

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
    scope: str = "layer"


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

CAPTION = (
    "near, far: how often two kept inputs of a unit lie close together or far apart, 1 = chance. κ: excess "
    "kurtosis of the pre-activations, 0 = Gaussian, over all inputs and within classes. Δκ: what a weight "
    "adds to its unit's κ, for the weights kept and pruned after the level."
)
WIDE = 140
"""Characters that the table needs with intervals; narrower terminals get means alone."""


def intervals_by_level(frame: pd.DataFrame, quantity: str, layer: str) -> pd.DataFrame:
    """Return mean and interval over replicates of one quantity, by condition and level.

    Parameters
    ----------
    frame : pandas.DataFrame
        As from `Run.frame`.
    quantity, layer : str

    Returns
    -------
    pandas.DataFrame
        Columns ``condition``, ``level``, ``density`` (mean over replicates), ``mean``, ``low``, ``high``,
        ``num_replicates``; conditions in the order of the frame.
    """
    chosen = frame[(frame["quantity"] == quantity) & (frame["layer"] == layer)]
    rows = []
    for (condition, level), group in chosen.groupby(["condition", "level"], sort=False):
        interval: Interval = mean_interval(group["value"].to_numpy())
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


def summary_table(run: Run, width: int = WIDE) -> Table:
    """Return the summary of a run as a table for a terminal of so many characters."""
    is_wide = width >= WIDE
    shown = "mean ± half the 95 % interval over replicates" if is_wide else "means over replicates"
    if 1 < run.recipe.replicates < FEW_REPLICATES:
        shown += f" (with {run.recipe.replicates}, such an interval holds the truth far less often)"
    frame = run.frame()
    layers = run.layers()
    title = f"{run.recipe.name}: {run.recipe.replicates} replicate{'s' * (run.recipe.replicates > 1)}"
    table = Table(title=title, caption=f"{shown}. {CAPTION}", padding=(0, 1) if is_wide else 0)
    for heading in ("condition", "level", "density %", *(column.heading for column in COLUMNS)):
        table.add_column(heading, justify="left" if heading == "condition" else "right", no_wrap=True)
    cells: dict[Column, dict[Any, Any]] = {
        column: {
            (row.condition, row.level): row
            for row in intervals_by_level(frame, column.quantity, _layer(column, layers)).itertuples()
        }
        for column in COLUMNS
    }
    for condition in run.recipe.condition_names():
        levels = frame[frame["condition"] == condition].groupby("level")["density"].mean()
        for level, density in zip(levels.index.to_numpy(), levels.to_numpy(), strict=True):
            row = [
                _cell(cells[column].get((condition, int(level))), column.decimals, is_wide)
                for column in COLUMNS
            ]
            table.add_row(condition if level == 0 else "", str(level), f"{100 * density:.2f}", *row)
        table.add_section()
    return table


def announce_level(directory: RunDirectory, condition: str, replicate: int, index: int) -> str:
    """Return the one line that a finished level is announced with."""
    page = read_record(directory.level(condition, replicate, index))
    return (
        f"{condition}, replicate {replicate}, level {index}: density {100 * page['density']:.2f} %, "
        f"test accuracy {page['curve']['test_accuracy'][-1]:.3f}, "
        f"{page['train_seconds'] + page['measure_seconds']:.1f} s"
    )


def _layer(column: Column, layers: list[str]) -> str:
    if column.scope == NETWORK or not layers:
        return NETWORK
    return layers[0]


def _cell(row: Any, decimals: int, is_wide: bool) -> str:
    if row is None or math.isnan(row.mean):
        return "–"
    text = f"{row.mean:.{decimals}f}"
    if not is_wide:
        return text
    half = (row.high - row.low) / 2
    return text if math.isnan(half) else f"{text} ±{half:.{decimals}f}"
