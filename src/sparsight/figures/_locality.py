"""Pair counts S(d) relative to chance, as maps and as profiles over distance, and the fan-in of units."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from scipy.stats import binom

from sparsight.errors import InputError
from sparsight.figures._axes import add_legend, colour_bar, new_axes, null_line
from sparsight.figures._palette import BLUE, PALETTE, SIGNED, looks
from sparsight.geometry import Geometry

MAP_LIMIT = 3.0
"""Largest |log₂ ratio| that colours tell apart: 8 times, and 1/8 of, chance."""
_FEWEST_PAIRS = 5.0  # a ratio to fewer expected pairs is mostly noise


def log_ratio(
    counts: Float[np.ndarray, "*grid"], expected: Float[np.ndarray, "*grid"]
) -> Float[np.ndarray, "*grid"]:
    """Return log₂ of counts over expectation, at least −3; NaN where fewer than 5 pairs are expected."""
    ratio = np.full(counts.shape, np.nan)
    np.divide(counts, expected, out=ratio, where=expected >= _FEWEST_PAIRS)
    with np.errstate(divide="ignore"):
        found: np.ndarray = np.maximum(np.log2(ratio), -MAP_LIMIT)  # no pair at all would be −∞
    return found


def plot_locality_map(
    counts: Float[np.ndarray, "*grid"],
    expected: Float[np.ndarray, "*grid"],
    geometry: Geometry,
    ax: Axes | None = None,
    *,
    title: str = "",
) -> Axes:
    """Draw log₂ of S(d) over its expectation: 0 is chance, 1 is twice as often.

    Parameters
    ----------
    counts, expected : numpy.ndarray of float64, (*grid,)
        Pairs at each displacement of ``geometry.displacements()``, and their expectation by chance;
        of one network, or summed over replicates.

    Returns
    -------
    matplotlib.axes.Axes
        A picture in two dimensions, a curve in one. Blank where fewer than 5 pairs are expected.

    Raises
    ------
    InputError
        If the arrays do not fit the geometry.
    """
    grid = geometry.distances().shape
    if counts.shape != grid or expected.shape != grid:
        raise InputError(
            f"counts and expected have shapes {counts.shape} and {expected.shape}; {grid} fits the geometry"
        )
    shown = log_ratio(counts, expected)
    ax = new_axes(ax, (3.0, 2.4))
    if len(grid) == 1:
        null_line(ax, 0)
        ax.plot(geometry.displacements()[:, 0], shown, color=BLUE, lw=1.2)
        ax.set_xlabel("displacement d (pixels)")
        ax.set_ylabel("log₂ S(d) / chance")
    else:
        displacements = geometry.displacements()
        (bottom, left), (top, right) = displacements[0, 0] - 0.5, displacements[-1, -1] + 0.5
        image = ax.imshow(
            shown,
            cmap=SIGNED,
            vmin=-MAP_LIMIT,
            vmax=MAP_LIMIT,
            extent=(float(left), float(right), float(top), float(bottom)),
            interpolation="nearest",
        )
        ax.grid(False)
        ax.tick_params(length=2, labelsize=7)
        ax.set_xlabel("displacement dx (pixels)")
        ax.set_ylabel("dy (pixels)")
        colour_bar(ax, image, "log₂ S(d) / chance")
    if not np.isfinite(shown).any():
        ax.text(
            0.5, 0.5, "under 5 pairs expected\nat every d", ha="center", transform=ax.transAxes, fontsize=8
        )
    ax.set_title(title)
    return ax


def plot_locality_profile(
    counts: Mapping[int, np.ndarray],
    expected: Mapping[int, np.ndarray],
    geometry: Geometry,
    ax: Axes | None = None,
    *,
    title: str = "",
) -> Axes:
    """Draw S over its expectation against distance |d|, one line per level, from dark to light with pruning.

    Parameters
    ----------
    counts, expected : mapping of int to numpy.ndarray
        Level → array as in `plot_locality_map`. Pairs are summed over displacements of equal rounded length.

    Returns
    -------
    matplotlib.axes.Axes
        A line breaks where fewer than 5 pairs are expected. Dashed: chance.
    """
    ax = new_axes(ax, (3.0, 2.6))
    ring = np.rint(geometry.distances()).astype(int).ravel()
    null_line(ax, 1, "chance = 1")
    levels = sorted(counts)
    for place, level in enumerate(levels):
        observed = np.bincount(ring, counts[level].ravel())
        by_chance = np.bincount(ring, expected[level].ravel())
        ratio = np.full(len(observed), np.nan)
        np.divide(observed, by_chance, out=ratio, where=by_chance >= _FEWEST_PAIRS)
        labelled = place in (0, len(levels) // 2, len(levels) - 1)
        ax.plot(
            np.arange(len(ratio)),
            ratio,
            color=colormaps["viridis"](0.3 + 0.55 * place / max(len(levels) - 1, 1)),
            lw=1.2,
            label=f"level {level}" if labelled else None,
        )
    ax.set_xlabel("distance |d| (pixels)")
    ax.set_ylabel("pairs at |d| / chance")
    ax.set_title(title)
    add_legend(ax, columns=2)
    return ax


def plot_fan_in(
    fan_in: Mapping[str, np.ndarray], num_inputs: int, ax: Axes | None = None, *, legend: bool = True
) -> Axes:
    """Draw how many inputs the units keep, beside the binomial distribution of random pruning.

    Parameters
    ----------
    fan_in : mapping of str to numpy.ndarray, (unit,)
        Condition → number of kept inputs of each unit.
    num_inputs : int
        Inputs of a unit before pruning.

    Returns
    -------
    matplotlib.axes.Axes
        Share of units, in bins common to all conditions. The black line is the binomial distribution with
        the mean density of the first condition.

    Raises
    ------
    InputError
        If there is no unit.
    """
    ax = new_axes(ax, (3.0, 2.6))
    values = np.concatenate([np.asarray(each, np.float64) for each in fan_in.values()])
    if not len(values):
        raise InputError("fan_in holds no unit; give at least one")
    width = max(1, round((values.max() - values.min()) / 40))
    # Edges between integers: every bin holds the same number of possible fan-ins.
    edges = np.arange(values.min(), values.max() + 2 * width, width) - 0.5
    for condition, look in looks(list(fan_in)).items():
        heights = np.histogram(fan_in[condition], edges)[0] / max(len(fan_in[condition]), 1)
        ax.stairs(heights, edges, color=look.colour, lw=1.4, ls=look.dashes, label=condition)
        ax.stairs(heights, edges, color=look.colour, alpha=0.12, fill=True)
    first = np.asarray(next(iter(fan_in.values())), np.float64)
    chance = np.diff(binom.cdf(edges, num_inputs, first.mean() / num_inputs))
    ax.plot((edges[1:] + edges[:-1]) / 2, chance, color=PALETTE.ink, lw=1, label="binomial (random pruning)")
    ax.set_xlabel("inputs kept by a unit")
    ax.set_ylabel("share of units")
    ax.set_ylim(bottom=0)
    if legend:
        add_legend(ax, columns=1)
    return ax
