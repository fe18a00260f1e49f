"""Differences between conditions or runs, each with its interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sparsight.errors import InputError
from sparsight.figures._axes import BY_REPLICATE, check_columns, follow_replicates, new_axes, null_line
from sparsight.figures._palette import PALETTE, looks

_NEEDED = ("condition", "reference", "mean", "low", "high")


def plot_differences(
    table: pd.DataFrame, ax: Axes | None = None, *, xlabel: str = "", conditions: Sequence[str] | None = None
) -> Axes:
    """Draw differences between conditions as marks with their intervals, one below the other.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``condition``, ``reference``, ``mean``, ``low``, ``high``: condition minus reference. A NaN
        end leaves the interval out. ``by_replicate``, if there, holds the differences of single pairs of
        replicates, which are drawn as dots.
    xlabel : str
        The quantity with its unit or definition.
    conditions : sequence of str, optional
        All conditions, in the order that gives them their colours. Default: those of the table.

    Returns
    -------
    matplotlib.axes.Axes
        Dashed: no difference. With dots, x follows them and the means: an interval that reaches far beyond
        is cut at the edge.

    Raises
    ------
    InputError
        If a column is missing, or there is no row.
    """
    check_columns(table, _NEEDED)
    if not len(table):
        raise InputError("table has no row; give at least one difference")
    known = looks(list(conditions or dict.fromkeys(table["condition"])))
    ax = new_axes(ax, (4.4, 0.75 + 0.42 * len(table)))
    null_line(ax, 0, vertical=True)
    for place, row in enumerate(table.to_dict("records")):
        look = known[row["condition"]]
        if np.isfinite(row["low"]):
            ax.plot([row["low"], row["high"]], [place, place], color=look.colour, lw=2, alpha=0.6)
        dots = row.get(BY_REPLICATE, ())
        if len(dots) > 1:
            ax.plot(dots, [place] * len(dots), color=look.colour, marker=".", ms=5, ls="none", alpha=0.8)
        if np.isfinite(row["mean"]):
            ax.plot(row["mean"], place, color=look.colour, marker=look.marker, ms=5, ls="none")
        # Above its bar rather than beside the axis: with several runs, names are long.
        ax.text(
            0,
            place - 0.22,
            f"{row['condition']} − {row['reference']}",
            transform=ax.get_yaxis_transform(),
            fontsize=7.5,
            color=PALETTE.ink,
            va="bottom",
        )
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_ylim(len(table) - 0.5, -0.75)
    follow_replicates(ax.set_xlim, table, 0.0)
    ax.xaxis.set_major_locator(MaxNLocator(4))  # labels of six digits stay apart
    ax.set_xlabel(xlabel)
    return ax
