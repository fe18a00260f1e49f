"""Pictures of a sweep: one quantity over one field that it varies, or over two."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.figures._axes import BY_REPLICATE, add_legend, follow_replicates, new_axes, null_line
from sparsight.figures._palette import looks
from sparsight.figures._words import words_of
from sparsight.instruments import NETWORK
from sparsight.measure import student_interval
from sparsight.registry import suggest
from sparsight.sweep import Sweep

_INCHES_PER_CELL = 0.9
_CURVE_INCHES = (5.6, 3.8)


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


def plot_one_field(
    frame: pd.DataFrame, ax: Axes | None = None, *, x: str, quantity: str, legend: bool = True
) -> Axes:
    """Draw a quantity at the last level over one varied field: a curve for each condition.

    A mark is the mean over replicates, with Student's 95 % interval as a bar and the replicates as dots. If
    the sweep varies further fields, values of a replicate are averaged over them first. Numbers are drawn to
    scale in rising order; other values at equal distances, in the order of the sweep. The null value is that
    of the catalogue of quantities.

    Raises
    ------
    InputError
        If there is no such field or quantity, or nothing was measured.
    """
    conditions = list(dict.fromkeys(frame["condition"]))
    curves = {name: curve_over(frame, x, quantity, name) for name in conditions}
    values = list(dict.fromkeys(value for curve in curves.values() for value in curve[x]))
    are_numbers = all(isinstance(value, int | float | np.number) for value in values)
    at = {value: float(value) if are_numbers else float(place) for place, value in enumerate(values)}
    words = words_of(quantity)
    ax = new_axes(ax)
    if words.null is not None:
        null_line(ax, words.null, f"{words.null_label} = {words.null:g}")
    for name, look in looks(conditions).items():
        curve = curves[name].assign(at=[at[value] for value in curves[name][x]]).sort_values("at")
        means = curve["mean"].to_numpy(float)
        reach = np.abs(curve[["low", "high"]].to_numpy(float).T - means)
        ax.errorbar(
            curve["at"],
            means,
            yerr=None if np.isnan(reach).all() else reach,
            color=look.colour,
            marker=look.marker,
            ls=look.dashes,
            ms=4,
            lw=1.5,
            capsize=3,
            label=name,
        )
        dots = [
            (place, value)
            for place, each in zip(curve["at"], curve[BY_REPLICATE], strict=True)
            for value in each
        ]
        if len(dots) > len(curve):  # with a single replicate, the mean is the dot
            ax.plot(*zip(*dots, strict=True), color=look.colour, marker=".", ms=4.5, ls="none", alpha=0.7)
    if are_numbers:
        ax.set_xticks(sorted(at.values()), [f"{value:g}" for value in sorted(at.values())])
    else:
        ax.set_xticks(list(at.values()), [str(value) for value in at])
    follow_replicates(ax.set_ylim, pd.concat(list(curves.values())), words.null)
    ax.set(xlabel=x, ylabel=words.label)
    if legend:
        add_legend(ax)
    return ax


def curve_over(frame: pd.DataFrame, x: str, quantity: str, condition: str) -> pd.DataFrame:
    """Return the curve of `plot_one_field` for one condition.

    Columns ``x``, ``mean``, ``low``, ``high``, ``num_replicates`` and ``by_replicate``, one row a value of
    the field, in the order of the sweep.
    """
    last = _last_levels(frame, (x,), quantity, condition)
    rows = []
    for value, of_value in last.groupby(x, sort=False, dropna=False):
        by_replicate = of_value.groupby("replicate")["value"].mean()
        found = student_interval(by_replicate.to_numpy(np.float64))
        rows.append(
            {x: value, "mean": found.mean, "low": found.low, "high": found.high}
            | {"num_replicates": found.num_replicates, BY_REPLICATE: tuple(by_replicate)}
        )
    return pd.DataFrame(rows)


def table_over(frame: pd.DataFrame, x: str, y: str, quantity: str, condition: str) -> pd.DataFrame:
    """Return the table that `plot_two_fields` draws: one row per value of `y`, one column per `x`."""
    last = _last_levels(frame, (x, y), quantity, condition)
    cases = last.groupby(["case", x, y], sort=False)["value"].mean().reset_index()
    table = cases.pivot_table(index=y, columns=x, values="value", sort=False)
    return table.reindex(index=last[y].drop_duplicates(), columns=last[x].drop_duplicates())


def _last_levels(frame: pd.DataFrame, over: Sequence[str], quantity: str, condition: str) -> pd.DataFrame:
    """Return the rows of a quantity at the last level of every case and replicate, in the order of cases."""
    fields = list(frame.columns[1 : list(frame.columns).index("condition")])
    quantities = sorted(set(frame["quantity"]))
    for name, known in (*((field, fields) for field in over), (quantity, quantities)):
        if name not in known:
            meant = suggest(name, known) or f"; there are {', '.join(known)}"
            raise InputError(f"{name!r} is not a varied field, or not a quantity that was measured{meant}")
    chosen = frame[(frame["quantity"] == quantity) & (frame["condition"] == condition)]
    layers = list(dict.fromkeys(chosen["layer"]))
    if not layers:
        raise InputError(f"condition {condition!r} has no {quantity} yet; run the sweep first")
    chosen = chosen[chosen["layer"] == (NETWORK if NETWORK in layers else layers[0])]
    last = chosen.loc[chosen.groupby(["case", "replicate"], sort=False)["level"].idxmax()]
    return last.sort_index()


def write_sweep_figure(sweep: Sweep, x: str, y: str | None, quantity: str, path: str | Path) -> Path:
    """Write a picture of a sweep: curves over one field, or over two a panel for each condition.

    Curves have intervals. Panels share one colour scale.

    Parameters
    ----------
    sweep : Sweep
        Sweep with at least one stored level.
    x : str
        Varied field, drawn across.
    y : str or None
        Varied field, drawn down; None for curves over `x` alone. If the sweep varies further fields, cases
        that agree in these are averaged.
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
        If the sweep holds no level, there is no such field or quantity, or `path` ends otherwise.
    """
    path = Path(path)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"{path} ends in {path.suffix!r}; .png, .svg or .pdf is needed")
    frame = sweep.frame()
    conditions = list(dict.fromkeys(frame["condition"]))
    if not conditions:
        raise InputError(f"{sweep.path} holds no level yet; run the sweep first")
    if y is None:
        figure = Figure(figsize=_CURVE_INCHES, layout="constrained")
        plot_one_field(frame, figure.subplots(), x=x, quantity=quantity)
        figure.suptitle("Last level: mean over replicates and Student's 95 % interval", fontsize=9)
        figure.savefig(path, dpi=150)
        return path
    tables = [table_over(frame, x, y, quantity, condition) for condition in conditions]
    width = sum(2.5 + _INCHES_PER_CELL * len(table.columns) for table in tables)
    height = 1.5 + 0.7 * max(len(table.index) for table in tables)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(1, len(conditions), squeeze=False)[0]
    for condition, ax in zip(conditions, panels, strict=True):
        plot_two_fields(frame, ax, x=x, y=y, quantity=quantity, condition=condition, limits=_range(tables))
    figure.suptitle(f"{quantity} at the last level, mean over replicates")
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix.removeprefix("."))
    write_atomically(path, drawn.getvalue(), inside=sweep.path)
    return path


def _range(tables: Sequence[pd.DataFrame]) -> tuple[float, float]:
    values = np.concatenate([table.to_numpy(float).ravel() for table in tables])
    return float(np.nanmin(values)), float(np.nanmax(values))
