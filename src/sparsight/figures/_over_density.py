"""Curves over density: one axes-level function a panel, in matplotlib's object interface.

Every ``plot_*`` takes plain data and ``ax=None`` and returns the Axes it drew on; without an Axes it makes a
Figure of its own. Nothing here touches pyplot or any other global state, and nothing is shown or saved.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from sparsight.errors import InputError
from sparsight.figures._palette import INK, MUTED, RULE, looks
from sparsight.figures._quantities import curve_of
from sparsight.store import intervals_by_level

BELOW_AXIS = 0.46
"""Inches that tick labels and x label take."""
_TICKS = np.array([m * 10.0**e for e in range(-6, 1) for m in (1, 3)])
_NEEDED = ("condition", "level", "density", "mean", "low", "high")
_LINES = {
    "kept": ("#0072b2", "o", "-"),
    "pruned": ("#d55e00", "s", "--"),
    "own": (INK, "o", "-"),
    "twin": ("#0072b2", "s", "--"),
    "shuffled": ("#d55e00", "^", "-."),
    "random mask": ("#009e73", "D", ":"),
    "within classes": ("#cc79a7", "v", "-"),
}


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
    """Draw one quantity over density, a line a condition, pruning from left to right.

    Parameters
    ----------
    data : pandas.DataFrame
        Either ``run.frame()``, and `quantity` says what to draw: its mean and 95 % interval over
        replicates. Or columns ``condition``, ``level``, ``density``, ``mean``, ``low``, ``high``. A NaN mean
        breaks the line; a NaN end of the interval draws none. Conditions get their colours in the order in
        which they occur.
    ax : matplotlib.axes.Axes, optional
    quantity : str, optional
        As in the column ``quantity`` of a frame: ``"test_accuracy"``, ``"locality.near"``, …; its label and
        its value without the effect are known.
    layer : str, optional
        Default: the first that the quantity was measured in.
    ylabel : str, optional
        The quantity with its unit or definition.
    null : float, optional
        Value without the effect, drawn as a grey line.
    null_label : str
    legend : bool

    Returns
    -------
    matplotlib.axes.Axes
        x: density in percent, log scale, falling; a mark at each level, and the levels of the first
        condition numbered on top.

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
        table, known = _of_quantity(data, quantity, layer), curve_of(quantity)
        ylabel = known.ylabel if ylabel is None else ylabel
        null, null_label = (known.null, known.null_label) if null is None else (null, null_label)
    _check_columns(table)
    conditions = list(dict.fromkeys(table["condition"]))
    ax = new_axes(ax)
    _null_line(ax, null, null_label)
    for condition, look in looks(conditions).items():
        _line(ax, table[table["condition"] == condition], (look.colour, look.marker, look.dashes), condition)
    density_axis(ax, table)
    ax.set_ylabel(ylabel or "")
    if legend:
        add_legend(ax)
    return ax


def plot_controls(
    tables: Mapping[str, pd.DataFrame],
    ax: Axes | None = None,
    *,
    ylabel: str = "κ = E[(λ−μ)⁴]/σ⁴ − 3",
    null: float | None = 0.0,
    null_label: str = "Gaussian",
    legend: bool = True,
) -> Axes:
    """Draw a quantity of one condition over density, beside its controls.

    Parameters
    ----------
    tables : mapping
        Name of the line (``own``, ``twin``, ``shuffled``, ``random mask``, ``kept``, ``pruned``, …) → table
        as for `plot_over_density`, of one condition each.
    ax, ylabel, null, null_label, legend
        As in `plot_over_density`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there is no table, or a column is missing.
    """
    if not tables:
        raise InputError("tables is empty; give at least one line to draw")
    for table in tables.values():
        _check_columns(table)
    ax = new_axes(ax)
    _null_line(ax, null, null_label)
    for name, look in looks(list(tables)).items():
        _line(ax, tables[name], _LINES.get(name, (look.colour, look.marker, look.dashes)), name)
    density_axis(ax, pd.concat(list(tables.values())))
    ax.set_ylabel(ylabel)
    if legend:
        add_legend(ax)
    return ax


def new_axes(ax: Axes | None, size: tuple[float, float] = (4.4, 3.0)) -> Axes:
    """Return `ax`, or the only Axes of a new Figure, with the look that all panels share."""
    if ax is None:
        ax = Figure(figsize=size, layout="constrained").add_subplot()
    ax.grid(color=RULE, lw=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        ax.spines[side].set_color(MUTED)
    ax.tick_params(labelsize=8, color=MUTED, labelcolor=INK)
    for label in (ax.xaxis.label, ax.yaxis.label, ax.title):
        label.set_fontsize(9)
        label.set_color(INK)
    return ax


def add_legend(ax: Axes, columns: int = 3) -> None:
    """Add a legend below the x label, where it covers no line, if there is something to say in it."""
    figure = ax.get_figure()
    if figure is None or not ax.get_legend_handles_labels()[0]:
        return
    legend = ax.legend(
        fontsize=7.5,
        frameon=False,
        handlelength=2.2,
        ncols=columns,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=ax.transAxes + ScaledTranslation(0, -BELOW_AXIS, figure.dpi_scale_trans),
        borderaxespad=0,
    )
    for text in legend.get_texts():
        text.set_color(INK)


def density_axis(ax: Axes, table: pd.DataFrame) -> None:
    """Make x a falling log axis of density in percent, with the first condition's levels on top."""
    positive = table[table["density"] > 0]
    if not len(positive):
        return
    highest, lowest = positive["density"].max() * 1.12, positive["density"].min() / 1.12
    ax.set_xscale("log")
    ax.set_xlim(highest, lowest)
    ticks = _TICKS[(lowest <= _TICKS) & (highest >= _TICKS)]
    ax.xaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))
    ax.set_xlabel("density of kept weights (%)")
    first = positive[positive["condition"] == positive["condition"].iloc[0]].drop_duplicates("level")
    shown = first.sort_values("level").iloc[:: 1 + len(first) // 8]
    top = ax.secondary_xaxis("top")
    top.set_xticks(shown["density"].to_list(), [str(level) for level in shown["level"]])
    top.xaxis.set_minor_locator(NullLocator())
    by_level = positive.groupby("level")["density"]
    same_rate = bool((by_level.max() < 1.01 * by_level.min()).all())
    whose = "" if same_rate else f" of {positive['condition'].iloc[0]}"
    top.set_xlabel(f"level{whose}", fontsize=7.5, color=MUTED)
    top.tick_params(labelsize=7, color=MUTED, labelcolor=MUTED, length=2)
    top.spines["top"].set_visible(False)


def _null_line(ax: Axes, null: float | None, label: str) -> None:
    if null is not None:
        ax.axhline(null, color=MUTED, lw=1, dashes=(6, 3), zorder=1, label=f"{label} = {null:g}")


def _line(ax: Axes, table: pd.DataFrame, style: tuple[str, str, str], label: str) -> None:
    colour, marker, dashes = style
    rows = table.sort_values("level")
    x, mean, low, high = (rows[name].to_numpy(np.float64) for name in ("density", "mean", "low", "high"))
    if not np.isfinite(mean).any():
        return
    if np.isfinite(low).any():
        ax.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
    ax.plot(x, mean, color=colour, marker=marker, ms=3.6, lw=1.5, ls=dashes, label=label)


def _of_quantity(frame: pd.DataFrame, quantity: str, layer: str | None) -> pd.DataFrame:
    if not {"quantity", "layer", "value"} <= set(frame.columns):
        raise InputError(
            "data has no columns quantity, layer, value: give run.frame(), or leave quantity out"
        )
    found = frame[frame["quantity"] == quantity]
    layers = list(dict.fromkeys(found["layer"]))
    if not layers or (layer is not None and layer not in layers):
        raise InputError(
            f"quantity {quantity!r} was not measured{f' in {layer}' if layer and layers else ''}; "
            f"there are {', '.join(layers or sorted(set(frame['quantity']))[:40])}"
        )
    return intervals_by_level(frame, quantity, layer or layers[0])


def _check_columns(table: pd.DataFrame) -> None:
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise InputError(
            f"table lacks the column(s) {', '.join(missing)}; give what intervals_by_level returns "
            f"({', '.join(_NEEDED)})"
        )
