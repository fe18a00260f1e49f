"""One line per level, from dark to light with pruning, over anything that has places within a level."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes

from sparsight.figures._axes import BY_REPLICATE
from sparsight.measure import student_interval


def intervals_over(rows: pd.DataFrame, x: str) -> pd.DataFrame:
    """Return mean, interval and single values over replicates, a row for each level and place.

    Parameters
    ----------
    rows : pandas.DataFrame
        With the columns ``level``, ``value`` and `x`.
    x : str
        Column of the place within a level.
    """
    found = []
    for (level, place), group in rows.groupby(["level", x]):
        values = group["value"].to_numpy(np.float64)
        interval = student_interval(values)
        found.append(
            {"level": level, x: place, "mean": interval.mean, "low": interval.low, "high": interval.high}
            | {BY_REPLICATE: tuple(values.tolist())}
        )
    return pd.DataFrame(found)


def draw_level_lines(
    ax: Axes, table: pd.DataFrame, x: str, *, dense: str | None = None, has_dots: bool = True
) -> None:
    """Draw the table of `intervals_over`; `dense` is the label of level 0 as a control, drawn dashed."""
    levels = sorted(set(table["level"]))
    pruned = [level for level in levels if level > 0 or dense is None]
    labelled = {pruned[0], pruned[len(pruned) // 2], pruned[-1]} if pruned else set()
    for level in levels:
        rows = table[table["level"] == level]
        if level not in pruned:
            _line(ax, rows, x, (0.12, 0.14, 0.16, 1.0), dense, has_dots=has_dots, dashes="--")
            continue
        shade = colormaps["viridis"](0.1 + 0.75 * pruned.index(level) / max(len(pruned) - 1, 1))
        label = f"level {level}" if level in labelled else None
        _line(ax, rows, x, shade, label, has_dots=has_dots)


def _line(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    shade: tuple[float, ...],
    label: str | None,
    *,
    has_dots: bool,
    dashes: str = "-",
) -> None:
    at, mean, low, high = (rows[name].to_numpy(np.float64) for name in (x, "mean", "low", "high"))
    if np.isfinite(low).any():
        ax.fill_between(at, low, high, color=shade, alpha=0.12, lw=0)
    dots = [(place, value) for place, values in zip(at, rows[BY_REPLICATE], strict=True) for value in values]
    if has_dots and len(dots) > len(rows):  # with a single replicate, the mean is the dot
        ax.plot(*zip(*dots, strict=True), color=shade, marker=".", ms=3.5, ls="none", alpha=0.6)
    ax.plot(at, mean, color=shade, marker="o", ms=3.2, lw=1.4, ls=dashes, label=label)
