"""Curves over training: one quantity at the steps within every level."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from sparsight.errors import InputError
from sparsight.figures._axes import add_legend, check_columns, follow_replicates, new_axes, null_line
from sparsight.figures._level_lines import draw_level_lines, intervals_over
from sparsight.figures._words import words_of

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
    table = intervals_over(chosen, "step")
    words, ax = words_of(quantity), new_axes(ax)
    if words.null is not None:
        null_line(ax, words.null, f"{words.null_label} = {words.null:g}")
    draw_level_lines(ax, table, "step")
    _step_axis(ax, sorted(set(table["step"])))
    follow_replicates(ax.set_ylim, table, words.null)
    ax.set_ylabel(words.label)
    if legend:
        add_legend(ax)
    return ax


def _step_axis(ax: Axes, steps: list[int]) -> None:
    positive = [step for step in steps if step > 0]
    if len(positive) > 1:
        ax.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
    shown = steps[:: 1 + (len(steps) - 1) // _MOST_TICKS]
    ax.xaxis.set_major_locator(FixedLocator([float(step) for step in shown]))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("steps since the level began")
