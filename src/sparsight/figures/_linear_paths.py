"""Loss or accuracy on the straight line between two copies of a network, level by level."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sparsight.arguments import described
from sparsight.errors import InputError
from sparsight.figures._axes import add_legend, follow_replicates, new_axes
from sparsight.figures._level_lines import draw_level_lines, intervals_over


def plot_linear_paths(
    paths: Mapping[int, np.ndarray],
    ax: Axes | None = None,
    *,
    ylabel: str,
    is_log: bool = False,
    legend: bool = True,
) -> Axes:
    """Draw what is found on the line between two copies, one line per level, from dark to light with pruning.

    Level 0, the dense network, is the control and drawn dashed in black.

    Parameters
    ----------
    paths : mapping of int to numpy.ndarray, (replicates, points)
        By level: values at evenly spaced points from one copy to the other, as ``stability.loss`` and
        ``stability.accuracy`` of the instrument ``stability``, or those of `sparsight.connect`. NaN leaves a
        replicate out.
    ylabel : str
        What the values are.
    is_log : bool
        Whether y is logarithmic, for losses of very different size. All values must be above 0.

    Returns
    -------
    matplotlib.axes.Axes
        x: position between the copies, 0 to 1. Marks are means over replicates, bands Student's 95 %
        intervals; y follows means and single replicates, so that a wide band is cut at the edge.

    Raises
    ------
    InputError
        If there is no path, one is no matrix with at least two points, or one has a value of 0 or less with
        `is_log`.
    """
    if not paths:
        raise InputError("paths is empty; give the values of at least one level")
    rows = []
    for level, values in paths.items():
        if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] < 2:
            raise InputError(
                f"paths of level {level} are {described(values)}; (replicates, points) with at least 2 "
                "points is needed"
            )
        if is_log and (values <= 0).any():
            raise InputError(f"paths of level {level} have values of 0 or less; leave is_log out")
        position = np.linspace(0, 1, values.shape[1])
        rows += [
            {"level": level, "position": place, "value": value}
            for replicate in values
            for place, value in zip(position, replicate, strict=True)
        ]
    table = intervals_over(pd.DataFrame(rows), "position")
    ax = new_axes(ax)
    draw_level_lines(ax, table, "position", dense="dense", has_dots=False)
    if is_log:
        ax.set_yscale("log")
        _follow_on_log_axis(ax, list(paths.values()))
    else:
        follow_replicates(ax.set_ylim, table)
    ax.set_xlabel("position between the two copies")
    ax.set_ylabel(ylabel)
    if legend:
        add_legend(ax, columns=4)
    return ax


def _follow_on_log_axis(ax: Axes, paths: Sequence[np.ndarray]) -> None:
    """Set limits that show all single replicates, with a margin."""
    shown = np.concatenate([values[np.isfinite(values)] for values in paths])
    if len(shown):
        margin = (shown.max() / shown.min()) ** 0.05
        ax.set_ylim(shown.min() / margin, shown.max() * margin)
