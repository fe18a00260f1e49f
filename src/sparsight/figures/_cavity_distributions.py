"""Distribution of the cavity effect over single weights, kept beside pruned, at every level."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sparsight.figures._axes import add_legend, check_columns, density_axis, new_axes, null_line
from sparsight.figures._palette import LINE_LOOKS

QUANTILES = {"q5": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
"""Column of a table of distributions → the quantile it holds."""
_NEEDED = ("condition", "level", "density", "group", *QUANTILES)
_SHIFTS = {"kept": 0.97, "pruned": 1.03}  # factors on the density: side by side, not on top of each other


def quantiles_of(values: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    """Return the 5, 25, 50, 75 and 95 % quantiles of the values that are not NaN, by the keys of `QUANTILES`.

    Parameters
    ----------
    values : numpy.ndarray of float, (n,)
        Values, NaN where undefined.
    weights : numpy.ndarray of float, (n,), optional
        How much each value counts; 0 leaves it out. Quantiles are then values that occur, without
        interpolation.

    Returns
    -------
    dict of str to float
        NaN if no value is left.
    """
    defined = ~np.isnan(values) if weights is None else ~np.isnan(values) & (weights > 0)
    if not defined.any():
        return dict.fromkeys(QUANTILES, float("nan"))
    shares = list(QUANTILES.values())
    if weights is None:
        found = np.quantile(values[defined], shares)
    else:
        found = np.quantile(values[defined], shares, weights=weights[defined], method="inverted_cdf")
    return dict(zip(QUANTILES, found.tolist(), strict=True))


def plot_cavity_distributions(table: pd.DataFrame, ax: Axes | None = None, *, legend: bool = True) -> Axes:
    """Draw the distribution of Δκ over weights at each level, for the weights kept and pruned after it.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``condition``, ``level``, ``density``, ``group`` (``kept`` or ``pruned``) and the quantiles
        ``q5``, ``q25``, ``q50``, ``q75``, ``q95``.

    Returns
    -------
    matplotlib.axes.Axes
        Thin line: 5 to 95 %. Thick line: 25 to 75 %. Mark: median. Δκ is on a symmetric log scale that is
        linear up to the widest quartile.

    Raises
    ------
    InputError
        If a column is missing.
    """
    check_columns(table, _NEEDED)
    ax = new_axes(ax)
    null_line(ax, 0, "no effect = 0")
    for group, shift in _SHIFTS.items():
        rows, look = table[table["group"] == group], LINE_LOOKS[group]
        x = rows["density"] * shift
        ax.vlines(x, rows["q5"], rows["q95"], color=look.colour, lw=0.9)
        ax.vlines(x, rows["q25"], rows["q75"], color=look.colour, lw=3.2, alpha=0.7)
        ax.plot(x, rows["q50"], color=look.colour, marker=look.marker, ms=3.6, ls="none", label=group)
    _symmetric_log_axis(ax, table)
    density_axis(ax, table)
    ax.set_ylabel("Δκ = κ with − κ without a weight")
    if legend:
        add_legend(ax)
    return ax


def _symmetric_log_axis(ax: Axes, table: pd.DataFrame) -> None:
    """Scale y so that the quartiles can be told apart although the tails reach a hundred times as far."""
    quartiles = table[["q25", "q75"]].abs().to_numpy(np.float64)
    widest = float(np.nanmax(quartiles)) if np.isfinite(quartiles).any() else 0.0
    if widest == 0:
        return
    ax.set_yscale("symlog", linthresh=widest)
    largest = float(np.nanmax(table[["q5", "q95"]].abs().to_numpy(np.float64)))
    # The first power far enough from 0 for its label to stay apart, yet at least one on the axis.
    first = min(np.ceil(np.log10(0.3 * widest)), np.floor(np.log10(largest)))
    powers = 10.0 ** np.arange(first, 4)
    ax.yaxis.set_major_locator(FixedLocator([*(-powers[::-1]), 0.0, *powers]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    ax.yaxis.set_minor_locator(NullLocator())
