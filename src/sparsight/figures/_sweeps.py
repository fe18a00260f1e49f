"""A sweep as a picture: one quantity over any two of the varied fields."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsight.errors import InputError
from sparsight.store import NETWORK
from sparsight.sweep import Sweep

_INCHES_A_CELL = 0.9


def plot_two_fields(
    frame: pd.DataFrame,
    x: str,
    y: str,
    quantity: str,
    condition: str,
    ax: Axes | None = None,
    *,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw a quantity at the last level over two varied fields, the mean over replicates in every cell.

    Parameters
    ----------
    frame : pandas.DataFrame
        As from `Sweep.frame`.
    x, y : str
        Columns of varied fields. Where further fields are varied too, cases in one cell are averaged.
    quantity : str
        As in the column ``quantity``; of the network, or of the first layer that has it.
    condition : str
    ax : matplotlib.axes.Axes, optional
    limits : tuple of float, optional
        Of the colours. Default: the smallest and largest value drawn.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there is no such field, quantity or condition.
    """
    table = table_over(frame, x, y, quantity, condition)
    if ax is None:
        ax = Figure(layout="constrained").subplots()
    low, high = limits or _range([table])
    image = ax.imshow(table.to_numpy(), cmap="cividis", aspect="auto", vmin=low, vmax=high)
    ax.set_xticks(range(len(table.columns)), [str(value) for value in table.columns])
    ax.set_yticks(range(len(table.index)), [str(value) for value in table.index])
    ax.set(xlabel=x, ylabel=y, title=condition)
    for row, values in enumerate(table.to_numpy()):
        for column, value in enumerate(values):
            if value == value:
                colour = "black" if value > (low + high) / 2 else "white"
                ax.text(column, row, f"{value:.3g}", ha="center", va="center", color=colour)
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax, label=quantity)
    return ax


def table_over(frame: pd.DataFrame, x: str, y: str, quantity: str, condition: str) -> pd.DataFrame:
    """Return what `plot_two_fields` draws: values of `y` down, of `x` across."""
    fields = list(frame.columns[1 : list(frame.columns).index("condition")])
    for name, known in ((x, fields), (y, fields), (quantity, sorted(set(frame["quantity"])))):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise InputError(f"{name!r} is no varied field, or no quantity that was measured; {meant}")
    chosen = frame[(frame["quantity"] == quantity) & (frame["condition"] == condition)]
    layers = list(dict.fromkeys(chosen["layer"]))
    if not layers:
        raise InputError(f"condition {condition!r} holds no {quantity} yet")
    chosen = chosen[chosen["layer"] == (NETWORK if NETWORK in layers else layers[0])]
    last = chosen.sort_values("level").groupby(["case", "replicate"], sort=False).tail(1)
    cases = last.groupby(["case", x, y], sort=False)["value"].mean().reset_index()
    table = cases.pivot_table(index=y, columns=x, values="value", sort=False)
    return table.reindex(index=chosen[y].drop_duplicates(), columns=chosen[x].drop_duplicates())


def write_sweep_figure(sweep: Sweep, x: str, y: str, quantity: str, path: Path) -> Path:
    """Write a picture of a sweep: a panel a condition, all with the same colours.

    Parameters
    ----------
    sweep : Sweep
    x, y, quantity : str
        As `plot_two_fields`.
    path : Path
        ``.png``, ``.svg`` or ``.pdf``.
    """
    frame = sweep.frame()
    conditions = list(dict.fromkeys(frame["condition"]))
    if not conditions:
        raise InputError(f"{sweep.path} holds no level yet; run the sweep first")
    tables = [table_over(frame, x, y, quantity, condition) for condition in conditions]
    width = sum(2.5 + _INCHES_A_CELL * len(table.columns) for table in tables)
    height = 1.5 + 0.7 * max(len(table.index) for table in tables)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(1, len(conditions), squeeze=False)[0]
    for condition, ax in zip(conditions, panels, strict=True):
        plot_two_fields(frame, x, y, quantity, condition, ax, limits=_range(tables))
    figure.suptitle(f"{quantity} at the last level, mean over replicates")
    figure.savefig(path)
    return path


def _range(tables: Sequence[pd.DataFrame]) -> tuple[float, float]:
    values = np.concatenate([table.to_numpy(float).ravel() for table in tables])
    return float(np.nanmin(values)), float(np.nanmax(values))
