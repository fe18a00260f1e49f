"""Overlap of masks beyond that of random masks, over density."""

import pandas as pd
from matplotlib.axes import Axes

from sparsight.errors import InputError
from sparsight.figures._axes import check_columns
from sparsight.figures._over_density import plot_over_density

_NEEDED = ("between", "condition", "other_condition", "layer", "null", "matched", "level", "density", "mean")
_MOST_LINES = 12


def plot_mask_overlaps(
    data: pd.DataFrame,
    ax: Axes | None = None,
    *,
    between: str = "seeds",
    matched: bool = False,
    null: str = "configuration",
    layer: str | None = None,
    legend: bool = True,
) -> Axes:
    """Draw how far masks overlap beyond random masks of the same degrees, a line for each comparison.

    Parameters
    ----------
    data : pandas.DataFrame
        As from `sparsight.store.overlap_intervals`.
    between : {"seeds", "conditions", "levels", "runs"}
        Kind of pairs. Between conditions, the others are drawn beside the first one.
    matched : bool
        Whether units are matched, those of the random masks as well.
    null : {"fan_in", "configuration"}
        What the random masks share with the second mask of a pair.
    layer : str, optional
        Default: the first.

    Returns
    -------
    matplotlib.axes.Axes
        As `plot_over_density` draws it. Dashed: as random masks. At most 12 lines.

    Raises
    ------
    InputError
        If a column is missing, or there is no such comparison.
    """
    check_columns(data, _NEEDED)
    layer = layer or next(iter(data["layer"]), None)
    chosen = data[
        (data["between"] == between)
        & (data["matched"] == matched)
        & (data["null"] == null)
        & (data["layer"] == layer)
    ]
    if between == "conditions" and len(chosen):
        chosen = chosen[chosen["condition"] == chosen["condition"].iloc[0]]
    if not len(chosen):
        raise InputError(
            f"there is no overlap between {between} of {layer} with null = {null!r} and matched = {matched}; "
            f"there are overlaps between {', '.join(dict.fromkeys(data['between'])) or 'nothing'}"
        )
    names = chosen["other_condition"]
    if between == "conditions":
        names = chosen["condition"] + " and " + names
    shown = list(dict.fromkeys(names))[:_MOST_LINES]
    table = chosen.assign(condition=names)
    return plot_over_density(
        table[table["condition"].isin(shown)],
        ax,
        ylabel="overlap (IoU) − that of random masks",
        null=0.0,
        null_label="random masks",
        legend=legend,
    )
