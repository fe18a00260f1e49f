"""Parts that the plots share: new Axes, legends, the density axis, and maps over pixels.

Every ``plot_*`` takes plain data and ``ax=None`` and returns the Axes it drew on; without an Axes it makes a
Figure of its own. Nothing here touches pyplot or any other global state, and nothing is shown or saved.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from sparsight.errors import InputError
from sparsight.figures._palette import BLUE, PALETTE

BELOW_AXIS = 0.46
"""Inches that the tick labels and the x label take."""
BY_REPLICATE = "by_replicate"
"""Column of a table with the values of single replicates, which are drawn as dots."""
_BEYOND = 0.25  # of the spread of means and dots: so much of an interval beyond them is shown
_TICKS = np.array([m * 10.0**e for e in range(-6, 1) for m in (1, 3)])


def check_columns(table: pd.DataFrame, needed: Sequence[str]) -> None:
    """Raise an `InputError` that names the columns a table lacks."""
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(f"table lacks the column(s) {', '.join(missing)}; it needs {', '.join(needed)}")


def new_axes(ax: Axes | None, size: tuple[float, float] = (4.4, 3.0)) -> Axes:
    """Return `ax`, or the only Axes of a new Figure of `size` inches, in the look that all plots share."""
    if ax is None:
        ax = Figure(figsize=size, layout="constrained").add_subplot()
    ax.grid(color=PALETTE.rule, lw=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        ax.spines[side].set_color(PALETTE.muted)
    ax.tick_params(labelsize=8, color=PALETTE.muted, labelcolor=PALETTE.ink)
    for label in (ax.xaxis.label, ax.yaxis.label, ax.title):
        label.set_fontsize(9)
        label.set_color(PALETTE.ink)
    return ax


def add_legend(ax: Axes, columns: int = 3) -> None:
    """Add a legend below the x label, where it covers no line, unless no artist has a label."""
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
        # A distance in inches: in units of the Axes, small panels would set the legend into the x label.
        bbox_transform=ax.transAxes + ScaledTranslation(0, -BELOW_AXIS, figure.dpi_scale_trans),
        borderaxespad=0,
    )
    for text in legend.get_texts():
        text.set_color(PALETTE.ink)


def null_line(ax: Axes, value: float, label: str | None = None, *, vertical: bool = False) -> None:
    """Draw the dashed grey line that marks the value without an effect."""
    draw = ax.axvline if vertical else ax.axhline
    draw(value, color=PALETTE.muted, lw=1, dashes=(6, 3), zorder=1, label=label)


def follow_replicates(
    set_limits: Callable[[float, float], object], table: pd.DataFrame, null: float | None = None
) -> None:
    """Set limits that show the means, the dots of single replicates and the null, and part of the intervals.

    Student's interval over two replicates is 18 standard deviations wide: in full, it would press all lines
    together. A table without single replicates leaves the axis as it is.
    """
    if BY_REPLICATE not in table:
        return
    dots = [value for values in table[BY_REPLICATE] for value in values]
    shown = np.array([*table["mean"], *dots, *([] if null is None else [null])], np.float64)
    shown = shown[np.isfinite(shown)]
    if not len(shown):
        return
    low, high = float(shown.min()), float(shown.max())
    beyond = _BEYOND * (high - low) or max(abs(high), 1.0) * 0.05
    ends = table[["low", "high"]].to_numpy(np.float64)
    if np.isfinite(ends).any():
        low = min(low, max(float(np.nanmin(ends)), low - beyond))
        high = max(high, min(float(np.nanmax(ends)), high + beyond))
    margin = 0.05 * (high - low) or beyond
    set_limits(low - margin, high + margin)


def density_axis(ax: Axes, table: pd.DataFrame) -> None:
    """Make x a falling log axis of density in percent, with the first condition's levels on top.

    Rows of density 0 have no place on a log axis.
    """
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
    _levels_on_top(ax, positive)


def _levels_on_top(ax: Axes, table: pd.DataFrame) -> None:
    condition = table["condition"].iloc[0]
    first = table[table["condition"] == condition].drop_duplicates("level")
    shown = first.sort_values("level").iloc[:: 1 + len(first) // 8]
    top = ax.secondary_xaxis("top")
    top.set_xticks(shown["density"].to_list(), [str(level) for level in shown["level"]])
    top.xaxis.set_minor_locator(NullLocator())
    # Where conditions prune at different rates, a level is another density in each of them.
    by_level = table.groupby("level")["density"]
    same_rate = bool((by_level.max() < 1.01 * by_level.min()).all())
    top.set_xlabel("level" if same_rate else f"level of {condition}", fontsize=7.5, color=PALETTE.muted)
    top.tick_params(labelsize=7, color=PALETTE.muted, labelcolor=PALETTE.muted, length=2)
    top.spines["top"].set_visible(False)


def colour_bar(ax: Axes, image: ScalarMappable, label: str) -> None:
    """Add a small colour bar beside an Axes, inside the Axes' own bounds so that it moves with it."""
    figure = ax.get_figure()
    assert figure is not None
    bar = figure.colorbar(image, cax=ax.inset_axes((1.04, 0.1, 0.05, 0.8)))
    bar.set_label(label, fontsize=8, color=PALETTE.ink)
    bar.ax.tick_params(labelsize=7, color=PALETTE.muted, labelcolor=PALETTE.ink)


def draw_over_pixels(
    ax: Axes, pixels: np.ndarray, label: str, cmap: str | Colormap, limit: float | None = None
) -> None:
    """Draw one number per pixel: a curve in one dimension, a picture with a colour bar in two.

    Colours run from −`limit` to `limit`, or by default from the smallest value to the largest.
    """
    if pixels.ndim == 1:
        ax.plot(np.arange(len(pixels)), pixels, color=BLUE, lw=1.2, drawstyle="steps-mid")
        ax.set_xlabel("pixel")
        ax.set_ylabel(label)
        return
    low = None if limit is None else -limit
    image = ax.imshow(pixels, cmap=cmap, vmin=low, vmax=limit, interpolation="nearest")
    ax.grid(False)
    ax.tick_params(length=2, labelsize=7)
    ax.set_xlabel("pixel column")
    ax.set_ylabel("pixel row")
    colour_bar(ax, image, label)
