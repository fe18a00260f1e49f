"""Curves over training: one quantity at the steps within every level."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from sparsight.errors import InputError
from sparsight.figures._axes import add_legend, check_columns, follow_replicates, new_axes, null_line
from sparsight.figures._words import words_of
from sparsight.measure import student_interval

_NEEDED = ("condition", "replicate", "level", "step", "layer", "quantity", "value")
_MOST_TICKS = 8


def plot_over_training(
    data: pd.DataFrame,
    ax: Axes | None = None,
    *,
    quantity: str,
    condition: str | None = None,
    layer: str | None = None,
    legend: bool = True,
) -> Axes:
    """Draw one quantity over the steps within a level, one line per level, from dark to light with pruning.

    Parameters
    ----------
    data : pandas.DataFrame
        As from ``run.frame_over_training()``.
    quantity : str
        Name from the column ``quantity``. Axis label and null value are those of the catalogue of quantities.
    condition, layer : str, optional
        Default: the first condition, and the first layer in which it has the quantity.

    Returns
    -------
    matplotlib.axes.Axes
        x: steps since the level's training began, on a scale that is linear up to the first step after 0 and
        logarithmic from there. Marks are means over replicates, bands Student's 95 % intervals, dots single
        replicates; y follows means and dots, so that a wide band is cut at the edge.

    Raises
    ------
    InputError
        If a column is missing, or there is no such quantity.
    """
    check_columns(data, _NEEDED)
    chosen = data[data["quantity"] == quantity]
    for column, name in (("condition", condition), ("layer", layer)):
        known = list(dict.fromkeys(chosen[column]))
        if not known or (name is not None and name not in known):
            there = ", ".join(known or sorted(set(data["quantity"]))[:40])
            raise InputError(
                f"{quantity!r} was not measured during training{f' in {name}' if name else ''}; there are "
                f"{there or 'no numbers: set measure.at_steps'}"
            )
        chosen = chosen[chosen[column] == (name or known[0])]
    table = _intervals(chosen)
    words, ax = words_of(quantity), new_axes(ax)
    if words.null is not None:
        null_line(ax, words.null, f"{words.null_label} = {words.null:g}")
    levels = sorted(set(table["level"]))
    for place, level in enumerate(levels):
        shade = colormaps["viridis"](0.1 + 0.75 * place / max(len(levels) - 1, 1))
        labelled = place in (0, len(levels) // 2, len(levels) - 1)
        _line(ax, table[table["level"] == level], shade, f"level {level}" if labelled else None)
    _step_axis(ax, sorted(set(table["step"])))
    follow_replicates(ax.set_ylim, table, words.null)
    ax.set_ylabel(words.label)
    if legend:
        add_legend(ax)
    return ax


def _intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean, interval and single values over replicates, a row for each level and step."""
    found = []
    for (level, step), group in rows.groupby(["level", "step"]):
        values = group["value"].to_numpy(np.float64)
        interval = student_interval(values)
        found.append(
            {"level": level, "step": step, "mean": interval.mean, "low": interval.low, "high": interval.high}
            | {"by_replicate": tuple(values.tolist())}
        )
    return pd.DataFrame(found)


def _line(ax: Axes, rows: pd.DataFrame, shade: tuple[float, ...], label: str | None) -> None:
    x, mean, low, high = (rows[name].to_numpy(np.float64) for name in ("step", "mean", "low", "high"))
    if np.isfinite(low).any():
        ax.fill_between(x, low, high, color=shade, alpha=0.12, lw=0)
    dots = [(at, value) for at, values in zip(x, rows["by_replicate"], strict=True) for value in values]
    if len(dots) > len(rows):  # with a single replicate, the mean is the dot
        ax.plot(*zip(*dots, strict=True), color=shade, marker=".", ms=3.5, ls="none", alpha=0.6)
    ax.plot(x, mean, color=shade, marker="o", ms=3.2, lw=1.4, label=label)


def _step_axis(ax: Axes, steps: list[int]) -> None:
    positive = [step for step in steps if step > 0]
    if len(positive) > 1:
        ax.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
    shown = steps[:: 1 + (len(steps) - 1) // _MOST_TICKS]
    ax.xaxis.set_major_locator(FixedLocator([float(step) for step in shown]))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("steps since the level began")
