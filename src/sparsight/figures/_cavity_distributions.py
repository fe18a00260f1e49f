"""The cavity effect of single weights, kept beside pruned, as distributions over levels."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sparsight.errors import InputError
from sparsight.figures._over_density import add_legend, density_axis, new_axes
from sparsight.figures._palette import MUTED

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_GROUPS = {"kept": ("#0072b2", "o", 0.97), "pruned": ("#d55e00", "s", 1.03)}


def quantiles_of(values: np.ndarray, weights: np.ndarray | None = None) -> list[float]:
    """Return the 5, 25, 50, 75 and 95 % quantiles of the entries that are not NaN; NaN if there are none.

    Parameters
    ----------
    values : numpy.ndarray of float, (n,)
    weights : numpy.ndarray of float, (n,), optional
        How much each counts; 0: not at all. Quantiles are then values that occur (no interpolation).
    """
    defined = ~np.isnan(values) if weights is None else ~np.isnan(values) & (weights > 0)
    if not defined.any():
        return [float("nan")] * len(QUANTILES)
    if weights is None:
        found = np.quantile(values[defined], QUANTILES)
    else:
        found = np.quantile(values[defined], QUANTILES, weights=weights[defined], method="inverted_cdf")
    return [float(value) for value in found]


def plot_cavity_distributions(table: pd.DataFrame, ax: Axes | None = None, *, legend: bool = True) -> Axes:
    """Draw the distribution of Δκ over weights at each level, of those kept and those pruned after it.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``condition``, ``level``, ``density``, ``group`` (``kept`` or ``pruned``) and ``q5``, ``q25``,
        ``q50``, ``q75``, ``q95``.
    ax : matplotlib.axes.Axes, optional
    legend : bool

    Returns
    -------
    matplotlib.axes.Axes
        Thin line: 5 to 95 %. Thick: 25 to 75 %. Mark: median. Δκ on a symmetric log scale, linear up to
        the widest quartile.

    Raises
    ------
    InputError
        If a column is missing.
    """
    columns = ("condition", "level", "density", "group", "q5", "q25", "q50", "q75", "q95")
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"table lacks the column(s) {', '.join(missing)}; {', '.join(columns)} are needed")
    ax = new_axes(ax)
    ax.axhline(0, color=MUTED, lw=1, dashes=(6, 3), label="no effect = 0")
    for group, (colour, marker, shift) in _GROUPS.items():
        rows = table[table["group"] == group]
        x = rows["density"] * shift
        ax.vlines(x, rows["q5"], rows["q95"], color=colour, lw=0.9)
        ax.vlines(x, rows["q25"], rows["q75"], color=colour, lw=3.2, alpha=0.7)
        ax.plot(x, rows["q50"], color=colour, marker=marker, ms=3.6, ls="none", label=group)
    quartiles = table[["q25", "q75"]].abs().to_numpy(np.float64)
    widest = float(np.nanmax(quartiles)) if np.isfinite(quartiles).any() else 0.0
    if widest > 0:
        ax.set_yscale("symlog", linthresh=widest)
        largest = float(np.nanmax(table[["q5", "q95"]].abs().to_numpy(np.float64)))
        # labels far enough from that of 0, and at least one of them on the axis
        first = min(np.ceil(np.log10(0.3 * widest)), np.floor(np.log10(largest)))
        powers = 10.0 ** np.arange(first, 4)
        ax.yaxis.set_major_locator(FixedLocator([*(-powers[::-1]), 0.0, *powers]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
        ax.yaxis.set_minor_locator(NullLocator())
    density_axis(ax, table)
    ax.set_ylabel("Δκ = κ with − κ without a weight")
    if legend:
        add_legend(ax)
    return ax
