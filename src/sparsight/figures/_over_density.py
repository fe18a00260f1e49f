"""Curves over density: one quantity of several conditions, or one condition beside its controls."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sparsight.errors import InputError
from sparsight.figures._axes import (
    BY_REPLICATE,
    add_legend,
    check_columns,
    density_axis,
    follow_replicates,
    new_axes,
    null_line,
)
from sparsight.figures._palette import LINE_LOOKS, Look, looks
from sparsight.figures._words import words_of
from sparsight.store import intervals_by_level

_NEEDED = ("condition", "level", "density", "mean", "low", "high")


def plot_over_density(
    data: pd.DataFrame,
    ax: Axes | None = None,
    *,
    quantity: str | None = None,
    layer: str | None = None,
    ylabel: str | None = None,
    null: float | None = None,
    null_label: str = "chance",
    legend: bool = True,
) -> Axes:
    """Draw one quantity over density, one line per condition; pruning runs from left to right.

    Parameters
    ----------
    data : pandas.DataFrame
        Either ``run.frame()`` together with `quantity`: the mean and its 95 % interval over replicates are
        drawn. Or columns ``condition``, ``level``, ``density``, ``mean``, ``low``, ``high``, and
        ``by_replicate`` if the values of single replicates are to be drawn as dots. A NaN mean breaks the
        line; a NaN end of the interval leaves the band out. Colours follow the order in which the conditions
        occur.
    quantity : str, optional
        Name from the column ``quantity`` of the frame: ``"test_accuracy"``, ``"locality.near"``, … Its axis
        label and null value come from the catalogue of quantities.
    layer : str, optional
        Default: the first layer in which the quantity was measured.
    ylabel : str, optional
        The quantity with its unit or definition.
    null : float, optional
        Value without the effect, drawn as a dashed grey line.
    null_label : str
        Name of that value in the legend.

    Returns
    -------
    matplotlib.axes.Axes
        x: density in percent, falling, on a log scale. Each mark is a level; the levels of the first
        condition are numbered on top. With dots, y follows them and the means: a band that reaches far
        beyond is cut at the edge, as over two replicates.

    Raises
    ------
    InputError
        If a column is missing, or the quantity was not measured.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {"condition": "imp", "replicate": 0, "level": [0, 1, 2], "density": [1, 0.7, 0.49],
    ...      "layer": "linear_0", "quantity": "locality.near", "value": [1.0, 1.1, 1.4]}
    ... )
    >>> plot_over_density(frame, quantity="locality.near").get_ylabel()
    'pairs at |d| ≤ 1.5 pixels / chance'
    """
    table = data
    if quantity is not None:
        table, known = _of_quantity(data, quantity, layer), words_of(quantity)
        ylabel = known.label if ylabel is None else ylabel
        null, null_label = (known.null, known.null_label) if null is None else (null, null_label)
    check_columns(table, _NEEDED)
    ax = new_axes(ax)
    if null is not None:
        null_line(ax, null, f"{null_label} = {null:g}")
    for condition, look in looks(list(dict.fromkeys(table["condition"]))).items():
        _line(ax, table[table["condition"] == condition], look, condition)
    density_axis(ax, table)
    follow_replicates(ax.set_ylim, table, null)
    ax.set_ylabel(ylabel or "")
    if legend:
        add_legend(ax)
    return ax


def plot_controls(
    tables: Mapping[str, pd.DataFrame],
    ax: Axes | None = None,
    *,
    ylabel: str = words_of("gaussianity.excess_kurtosis").label,
    null: float | None = 0.0,
    null_label: str = "Gaussian",
    legend: bool = True,
) -> Axes:
    """Draw a quantity of one condition over density, beside its controls.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Name of the line → its table, with the columns that `plot_over_density` needs. Lines named ``own``,
        ``twin``, ``shuffled``, ``random mask``, ``within classes``, ``kept`` or ``pruned`` look the same in
        every figure.
    ylabel, null, null_label
        As in `plot_over_density`.

    Raises
    ------
    InputError
        If there is no table, or a column is missing.
    """
    if not tables:
        raise InputError("tables is empty; give at least one line to draw")
    for table in tables.values():
        check_columns(table, _NEEDED)
    ax = new_axes(ax)
    if null is not None:
        null_line(ax, null, f"{null_label} = {null:g}")
    for name, look in looks(list(tables)).items():
        _line(ax, tables[name], LINE_LOOKS.get(name, look), name)
    joined = pd.concat(list(tables.values()))
    density_axis(ax, joined)
    follow_replicates(ax.set_ylim, joined, null)
    ax.set_ylabel(ylabel)
    if legend:
        add_legend(ax)
    return ax


def _line(ax: Axes, table: pd.DataFrame, look: Look, label: str) -> None:
    rows = table.sort_values("level")
    x, mean, low, high = (rows[name].to_numpy(np.float64) for name in ("density", "mean", "low", "high"))
    if not np.isfinite(mean).any():
        return
    if np.isfinite(low).any():
        # Beside dots, bands are often wide and lie on top of each other.
        alpha = 0.12 if BY_REPLICATE in rows else 0.2
        ax.fill_between(x, low, high, color=look.colour, alpha=alpha, lw=0)
    if BY_REPLICATE in rows:
        dots = [(at, value) for at, values in zip(x, rows[BY_REPLICATE], strict=True) for value in values]
        if len(dots) > len(rows):  # with a single replicate, the mean is the dot
            ax.plot(*zip(*dots, strict=True), color=look.colour, marker=".", ms=4.5, ls="none", alpha=0.7)
    ax.plot(x, mean, color=look.colour, marker=look.marker, ms=3.6, lw=1.5, ls=look.dashes, label=label)


def _of_quantity(frame: pd.DataFrame, quantity: str, layer: str | None) -> pd.DataFrame:
    if not {"quantity", "layer", "value"} <= set(frame.columns):
        raise InputError("data lacks the columns quantity, layer, value: give run.frame(), or omit quantity")
    found = frame[frame["quantity"] == quantity]
    layers = list(dict.fromkeys(found["layer"]))
    if not layers or (layer is not None and layer not in layers):
        raise InputError(
            f"quantity {quantity!r} was not measured{f' in {layer}' if layer and layers else ''}; "
            f"there are {', '.join(layers or sorted(set(frame['quantity']))[:40])}"
        )
    return intervals_by_level(frame, quantity, layer or layers[0])
