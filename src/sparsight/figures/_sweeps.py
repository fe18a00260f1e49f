"""Picture of a sweep: one quantity over two of the fields that it varies."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsight.errors import InputError
from sparsight.registry import suggest
from sparsight.store import NETWORK
from sparsight.sweep import Sweep

_INCHES_PER_CELL = 0.9


def plot_two_fields(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    x: str,
    y: str,
    quantity: str,
    condition: str,
    limits: tuple[float, float] | None = None,
) -> Axes:
    """Draw a quantity at the last level over two varied fields: each cell is a mean over replicates.

    Values of `y` run down, values of `x` across. If the sweep varies further fields, cases in one cell are
    averaged. The quantity is that of the network, or of the first layer that has it. `limits` are the ends
    of the colour scale, by default the smallest and largest value drawn.
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
                # cividis runs from dark to light
                colour = "black" if value > (low + high) / 2 else "white"
                ax.text(column, row, f"{value:.3g}", ha="center", va="center", color=colour)
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax, label=quantity)
    return ax


def table_over(frame: pd.DataFrame, x: str, y: str, quantity: str, condition: str) -> pd.DataFrame:
    """Return the table that `plot_two_fields` draws: one row per value of `y`, one column per `x`."""
    fields = list(frame.columns[1 : list(frame.columns).index("condition")])
    for name, known in ((x, fields), (y, fields), (quantity, sorted(set(frame["quantity"])))):
        if name not in known:
            meant = suggest(name, known) or f"; there are {', '.join(known)}"
            raise InputError(f"{name!r} is not a varied field, or not a quantity that was measured{meant}")
    chosen = frame[(frame["quantity"] == quantity) & (frame["condition"] == condition)]
    layers = list(dict.fromkeys(chosen["layer"]))
    if not layers:
        raise InputError(f"condition {condition!r} has no {quantity} yet; run the sweep first")
    chosen = chosen[chosen["layer"] == (NETWORK if NETWORK in layers else layers[0])]
    last = chosen.sort_values("level").groupby(["case", "replicate"], sort=False).tail(1)
    cases = last.groupby(["case", x, y], sort=False)["value"].mean().reset_index()
    table = cases.pivot_table(index=y, columns=x, values="value", sort=False)
    return table.reindex(index=chosen[y].drop_duplicates(), columns=chosen[x].drop_duplicates())


def write_sweep_figure(sweep: Sweep, x: str, y: str, quantity: str, path: str | Path) -> Path:
    """Write a picture of a sweep, with one panel per condition and one colour scale for all of them.

    Parameters
    ----------
    sweep : Sweep
        Sweep with at least one stored level.
    x, y : str
        Varied fields, drawn across and down. If there are more, cases in one cell are averaged.
    quantity : str
        Name from the column ``quantity``; its value for the network, or for the first layer that has one.
    path : str or Path
        File to write; the suffix, ``.png``, ``.svg`` or ``.pdf``, chooses the format.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If the sweep holds no level, or there is no such field or quantity.
    """
    path = Path(path)
    frame = sweep.frame()
    conditions = list(dict.fromkeys(frame["condition"]))
    if not conditions:
        raise InputError(f"{sweep.path} holds no level yet; run the sweep first")
    tables = [table_over(frame, x, y, quantity, condition) for condition in conditions]
    width = sum(2.5 + _INCHES_PER_CELL * len(table.columns) for table in tables)
    height = 1.5 + 0.7 * max(len(table.index) for table in tables)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(1, len(conditions), squeeze=False)[0]
    for condition, ax in zip(conditions, panels, strict=True):
        plot_two_fields(frame, ax, x=x, y=y, quantity=quantity, condition=condition, limits=_range(tables))
    figure.suptitle(f"{quantity} at the last level, mean over replicates")
    figure.savefig(path)
    return path


def _range(tables: Sequence[pd.DataFrame]) -> tuple[float, float]:
    values = np.concatenate([table.to_numpy(float).ravel() for table in tables])
    return float(np.nanmin(values)), float(np.nanmax(values))
