"""Matrix of transfer: masks found on one kind of data, trained on another."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sparsight.errors import InputError
from sparsight.figures._axes import check_columns, colour_bar
from sparsight.figures._palette import PALETTE, SIGNED

_CELL_INCHES = (1.25, 0.62)
_WITHOUT_REFERENCE = "#e4e7eb"
_ON_LIGHT = "#111111"
"""Text and frames on light cells: not the ink, which a dark page turns light."""
_NEEDED = ("source", "target", "is_own", "mean", "low", "high")
_DIFFERENCE = ("difference", "difference_low", "difference_high")


def plot_transfer(data: pd.DataFrame, ax: Axes | None = None, *, label: str = "", decimals: int = 3) -> Axes:
    """Draw a quantity over where masks come from and what is trained with them, a cell for each pair.

    Parameters
    ----------
    data : pandas.DataFrame
        One row for each pair: ``source`` and ``target`` (names of the row and of the column), ``is_own``
        (whether the masks were found by this very training), ``mean``, ``low``, ``high`` (the quantity and
        its interval), ``difference``, ``difference_low``, ``difference_high`` (to the pair of the same column
        with `is_own`; NaN if there is none). Rows come in the order of the table, and columns in that of
        their own masks. A column has own masks at most once.
    label : str
        The quantity, as the title.
    decimals : int
        Digits after the point.

    Returns
    -------
    matplotlib.axes.Axes
        Upper number of a cell: the mean ± half its interval. Lower number: the difference to the column's own
        masks ± half its interval, which also decides the colour. A frame marks own masks. A cell without a
        training is empty, and one without a difference grey.

    Raises
    ------
    InputError
        If a column is missing, the table is empty, a pair occurs twice, or a target has two own masks.
    """
    check_columns(data, (*_NEEDED, *_DIFFERENCE))
    if not len(data):
        raise InputError("the table of transfer has no row; give at least one pair of source and target")
    repeated = data[data.duplicated(["source", "target"])]
    if len(repeated):
        row = repeated.iloc[0]
        raise InputError(f"the pair of source {row.source!r} and target {row.target!r} occurs twice")
    if data[data["is_own"]].duplicated("target").any():
        raise InputError("a target has its own masks in two rows; mark one of them as is_own")
    sources, targets = (list(dict.fromkeys(data[name])) for name in ("source", "target"))
    own = data[data["is_own"]].set_index("target")["source"]
    # Own masks lie on the diagonal also where the first row lacks a column.
    targets.sort(key=lambda name: sources.index(own[name]) if name in own.index else len(sources))
    if ax is None:
        width, height = _CELL_INCHES
        size = (2.9 + width * len(targets), 1.1 + height * len(sources))
        ax = Figure(figsize=size, layout="constrained").add_subplot()
    differences = np.full((len(sources), len(targets)), np.nan)
    for cell in data.itertuples():
        place = sources.index(cell.source), targets.index(cell.target)
        differences[place] = 0.0 if cell.is_own else cell.difference
    limit = float(np.nanmax(np.abs(differences), initial=0.0)) or 1.0
    image = ax.imshow(differences, cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
    for cell in data.itertuples():
        _write_cell(ax, cell, (sources.index(cell.source), targets.index(cell.target)), limit, decimals)
    _name_axes(ax, sources, targets)
    colour_bar(ax, image, "minus the column's own masks")
    ax.set_title(label, fontsize=9, color=PALETTE.ink)
    return ax


def _write_cell(ax: Axes, row: object, place: tuple[int, int], limit: float, decimals: int) -> None:
    mean, low, high, is_own = (getattr(row, name) for name in ("mean", "low", "high", "is_own"))
    difference, low_difference, high_difference = (getattr(row, name) for name in _DIFFERENCE)
    down, across = place
    corner = (across - 0.5, down - 0.5)
    has_colour = is_own or np.isfinite(difference)
    if not has_colour:
        ax.add_patch(Rectangle(corner, 1, 1, facecolor=_WITHOUT_REFERENCE, lw=0))
    if is_own:
        inside = (across - 0.47, down - 0.47)
        ax.add_patch(Rectangle(inside, 0.94, 0.94, fill=False, edgecolor=_ON_LIGHT, lw=1.6, zorder=3))
    lines = [_with_margin(mean, low, high, decimals)]
    if not is_own and np.isfinite(difference):
        lines.append(_with_margin(difference, low_difference, high_difference, decimals, sign="+"))
    # The middle of the scale is near-white, its ends are dark.
    is_dark = has_colour and not is_own and abs(difference) > 0.6 * limit
    colour = "white" if is_dark else _ON_LIGHT
    ax.text(across, down, "\n".join(lines), ha="center", va="center", fontsize=7.5, color=colour)


def _with_margin(mean: float, low: float, high: float, decimals: int, sign: str = "-") -> str:
    if not np.isfinite(mean):
        return "undefined"
    text = f"{mean:{sign}.{decimals}f}".replace("-", "−")
    return f"{text} ± {(high - low) / 2:.{decimals}f}" if np.isfinite(low) and np.isfinite(high) else text


def _name_axes(ax: Axes, sources: Sequence[str], targets: Sequence[str]) -> None:
    ax.set_xticks(range(len(targets)), [_folded(name, 18) for name in targets], fontsize=8)
    ax.set_yticks(range(len(sources)), [_folded(name, 30) for name in sources], fontsize=8)
    ax.tick_params(length=0, labelcolor=PALETTE.ink)
    ax.set_xticks(np.arange(len(targets) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(sources) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", lw=2)
    ax.tick_params(which="minor", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlabel("trained on", fontsize=9, color=PALETTE.ink)
    ax.set_ylabel("masks from", fontsize=9, color=PALETTE.ink)


def _folded(name: str, width: int) -> str:
    """Return a name on several lines of about `width` characters, broken at blanks."""
    lines = [""]
    for word in name.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return "\n".join(lines)
