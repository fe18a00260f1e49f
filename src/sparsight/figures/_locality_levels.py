"""S(d) level by level as pictures, beside its expectation by chance and their ratio."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes

from sparsight.errors import InputError
from sparsight.figures._axes import new_axes
from sparsight.figures._locality import MAP_LIMIT, log_ratio
from sparsight.figures._palette import SIGNED
from sparsight.figures._receptive_fields import evenly_spaced
from sparsight.geometry import Geometry

_STEPS = 32  # shades that the eye barely tells apart: images take a third of the space
_GAP = 3  # pixels between pictures
_MOST_COLUMNS = 6  # levels side by side: more would be too small to read on a page of a paper
_ROWS = ("S(d)", "null", "ratio")


def locality_pictures(
    counts: Float[np.ndarray, "*grid"], expected: Float[np.ndarray, "*grid"]
) -> dict[str, UInt8[np.ndarray, "high wide 4"]]:
    """Return S(d), its expectation, and log₂ of their ratio as pictures.

    Parameters
    ----------
    counts, expected : numpy.ndarray of float64, (*grid,)
        Pairs at each displacement of a geometry in one or two dimensions, and their expectation.

    Returns
    -------
    dict of str to numpy.ndarray of uint8, (high, wide, 4)
        Keys ``S(d)``, ``null`` and ``ratio``; height 1 in one dimension. The first two share a scale from
        dark (0) to light, so that they can be compared. The ratio is blue below chance and vermilion above,
        in full colour from 8 times on, and transparent where fewer than 5 pairs are expected.
    """
    top = max(float(counts.max()), float(expected.max()), 1e-300)
    ratio = log_ratio(counts, expected)
    ratio_colours = SIGNED(_in_steps((np.minimum(ratio, MAP_LIMIT) + MAP_LIMIT) / (2 * MAP_LIMIT)))
    ratio_colours[np.isnan(ratio)] = 0.0
    shades = {
        name: colormaps["cividis"](_in_steps(each / top))
        for name, each in (("S(d)", counts), ("null", expected))
    }
    return {
        name: np.asarray(np.rint(255 * np.atleast_3d(each).reshape(-1, counts.shape[-1], 4)), np.uint8)
        for name, each in (shades | {"ratio": ratio_colours}).items()
    }


def plot_locality_levels(
    counts: Mapping[int, np.ndarray],
    expected: Mapping[int, np.ndarray],
    geometry: Geometry,
    ax: Axes | None = None,
    *,
    title: str = "",
) -> Axes:
    """Draw S(d) at several levels, its expectation under the null, and log₂ of their ratio.

    Parameters
    ----------
    counts, expected : mapping of int to numpy.ndarray of float64, (*grid,)
        Level → array as in `plot_locality_map`.

    Returns
    -------
    matplotlib.axes.Axes
        Colours as in `locality_pictures`. In two dimensions, one column for each of at most 6 levels; in
        one dimension, one row for every level.

    Raises
    ------
    InputError
        If there is no level, `counts` and `expected` have different levels, or an array does not fit the
        geometry.
    """
    grid = geometry.distances().shape
    if not counts or set(counts) != set(expected):
        raise InputError("counts and expected need the same levels, at least one")
    if any(each.shape != grid for each in (*counts.values(), *expected.values())):
        raise InputError(f"counts and expected must have the shape of the geometry's displacements, {grid}")
    levels = sorted(counts)
    if len(grid) == 2:
        levels = [levels[place] for place in evenly_spaced(len(levels), _MOST_COLUMNS)]
    pictures = [locality_pictures(counts[level], expected[level]) for level in levels]
    is_line = len(grid) == 1
    blocks = [
        np.concatenate([each[row] for each in pictures], axis=0)
        if is_line
        else _beside([each[row] for each in pictures])
        for row in _ROWS
    ]
    high, wide = blocks[0].shape[:2]
    ax = new_axes(ax, (4.4, 3.4) if is_line else (1.0 + 1.1 * len(levels), 3.6))
    ax.imshow(
        _beside([block.swapaxes(0, 1) for block in blocks]).swapaxes(0, 1),
        interpolation="nearest",
        aspect="auto" if is_line else "equal",
    )
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0)
    ax.set_yticks(
        [(high + _GAP) * row + (high - 1) / 2 for row in range(len(_ROWS))],
        ["S(d)", "null", "log₂\nratio"],
    )
    if is_line:
        first = int(geometry.displacements()[0, 0])
        ticks = evenly_spaced(wide, 5)
        ax.set_xticks(ticks.tolist(), [f"{first + tick}".replace("-", "−") for tick in ticks])
        ax.set_xlabel(f"displacement d (pixels); rows: levels {levels[0]} (top) to {levels[-1]}")
    else:
        centres = [(wide + _GAP) / len(levels) * (place + 0.5) - _GAP / 2 for place in range(len(levels))]
        ax.set_xticks(centres, [str(level) for level in levels])
        ax.set_xlabel(f"level; each picture: displacements up to ±{grid[-1] // 2} pixels")
    ax.set_title(title)
    return ax


def _in_steps(values: np.ndarray) -> np.ndarray:
    """Round 0 … 1 to `_STEPS` steps."""
    rounded: np.ndarray = np.rint(values * _STEPS) / _STEPS
    return rounded


def _beside(pictures: list[np.ndarray]) -> np.ndarray:
    """Return pictures side by side with transparent gaps."""
    gap = np.zeros((pictures[0].shape[0], _GAP, 4), np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)][1:]
    return np.concatenate(parts, axis=1)
