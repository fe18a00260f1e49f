"""Receptive fields, and the number of weights on each input, drawn in the geometry of the inputs."""

import math

import numpy as np
from jaxtyping import Float, Num, UInt8
from matplotlib.axes import Axes

from sparsight.errors import InputError
from sparsight.figures._axes import draw_over_pixels, new_axes
from sparsight.figures._palette import PRUNED, signed_table
from sparsight.geometry import Geometry

SATURATION = 1.5
"""Colours are full at this many times the root mean square of a unit's kept weights. On a scale up to the
largest weight, that one weight would pale all the others."""


def field_colours(
    weight: Num[np.ndarray, "unit input"], geometry: Geometry
) -> UInt8[np.ndarray, "unit height width 3"]:
    """Return receptive fields as colour pictures.

    With three channels in two dimensions, red, green and blue are the weights on the three channels: mid-grey
    is 0 or pruned, and a colour is the one that the unit prefers. Otherwise the mean over channels is shown:
    vermilion is positive, blue negative, near-white almost 0, and grey has no weight left. Each unit has its
    own scale (see `SATURATION`).

    Parameters
    ----------
    weight : numpy.ndarray of float or bool, (unit, geometry.num_inputs)
        Weights, 0 where pruned; or a mask, shown from black to white.

    Returns
    -------
    numpy.ndarray of uint8, (unit, height, width, 3)
        Height 1 in one dimension.

    Raises
    ------
    InputError
        If the rows of `weight` do not fit the geometry.
    """
    if weight.ndim != 2 or weight.shape[1] != geometry.num_inputs:
        raise InputError(f"weight has shape {weight.shape}; (unit, {geometry.num_inputs}) fits the geometry")
    height, width = geometry.size if len(geometry.size) == 2 else (1, *geometry.size)
    channels = weight.reshape(len(weight), geometry.channels, height, width)
    coloured = geometry.channels == 3 and len(geometry.size) == 2
    if weight.dtype == np.bool_:
        shares = channels if coloured else channels.mean(axis=1, keepdims=True).repeat(3, axis=1)
        return np.asarray(np.rint(np.moveaxis(shares, 1, -1) * 255.0), np.uint8)
    shown = channels.astype(np.float64) if coloured else channels.mean(axis=1, dtype=np.float64)[:, None]
    scaled = np.clip(shown / _limits(shown), -1, 1)
    if coloured:
        return np.asarray(np.rint(127.5 + 127.5 * np.moveaxis(scaled, 1, -1)), np.uint8)
    fields = np.asarray(signed_table()[np.rint(127 + 127 * scaled[:, 0]).astype(int)], np.uint8)
    fields[(channels == 0).all(axis=1)] = PRUNED
    return fields


def mosaic(
    fields: UInt8[np.ndarray, "unit height width 3"], columns: int | None = None, gap: int = 1
) -> UInt8[np.ndarray, "high wide 4"]:
    """Return pictures joined row by row, with transparent gaps between them.

    Parameters
    ----------
    fields : numpy.ndarray of uint8, (unit, height, width, 3)
        Colours of each unit, as from `field_colours`.
    columns : int, optional
        Default: about as many as rows; 1 for fields of height 1, which become heat rows.
    gap : int
        Pixels between pictures; heat rows have none.
    """
    num, height, width = fields.shape[:3]
    columns = columns or (1 if height == 1 else max(1, math.ceil(math.sqrt(num))))
    gap = 0 if height == 1 else gap
    rows = math.ceil(num / columns)
    picture = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for place in range(num):
        y, x = (place // columns) * (height + gap), (place % columns) * (width + gap)
        picture[y : y + height, x : x + width, :3] = fields[place]
        picture[y : y + height, x : x + width, 3] = 255
    return picture


def plot_receptive_fields(
    weight: Num[np.ndarray, "unit input"],
    geometry: Geometry,
    ax: Axes | None = None,
    *,
    order: np.ndarray | None = None,
    num_units: int = 64,
    title: str = "",
) -> Axes:
    """Draw the receptive fields of a layer's units as a mosaic.

    Parameters
    ----------
    weight : numpy.ndarray of float or bool, (unit, geometry.num_inputs)
        Weights or mask, as in `field_colours`.
    order : numpy.ndarray of int, optional
        Units in the order in which to show them. Default: by falling fan-in.
    num_units : int
        Largest number of units to show, evenly spaced in the order.

    Returns
    -------
    matplotlib.axes.Axes
        A mosaic in two dimensions; in one dimension, one row per unit.

    Raises
    ------
    InputError
        If the rows of `weight` do not fit the geometry.
    """
    if order is None:
        order = np.argsort(-(weight != 0).sum(axis=1), kind="stable")
    shown = order[evenly_spaced(len(order), num_units)]
    ax = new_axes(ax, (4.0, 4.0))
    picture = mosaic(field_colours(weight[shown], geometry))
    ax.imshow(picture, interpolation="nearest", aspect="auto" if picture.shape[0] == len(shown) else "equal")
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    shape = "row" if picture.shape[0] == len(shown) else "picture"
    what = (
        "kept inputs, white"
        if weight.dtype == np.bool_
        else f"weights, full colour at {SATURATION} rms of its own\n{field_key(geometry)}"
    )
    ax.set_xlabel(f"a {shape} a unit: its {what}")
    ax.set_title(title)
    return ax


def field_key(geometry: Geometry) -> str:
    """Return what the colours of `field_colours` stand for, as a phrase."""
    if geometry.channels == 3 and len(geometry.size) == 2:
        return "red, green, blue: its channels; mid-grey: 0 or pruned"
    return "vermilion: positive; blue: negative; grey: pruned"


def plot_fan_out(
    fan_out: Float[np.ndarray, " input"], geometry: Geometry, ax: Axes | None = None, *, title: str = ""
) -> Axes:
    """Draw how many kept weights lie on each pixel, summed over channels.

    Parameters
    ----------
    fan_out : numpy.ndarray of float64, (geometry.num_inputs,)
        Number of kept weights on each input.

    Returns
    -------
    matplotlib.axes.Axes
        A picture in two dimensions, a curve in one.

    Raises
    ------
    InputError
        If `fan_out` does not fit the geometry.
    """
    if fan_out.shape != (geometry.num_inputs,):
        raise InputError(f"fan_out has shape {fan_out.shape}; ({geometry.num_inputs},) fits the geometry")
    pixels = fan_out.reshape(geometry.shape).sum(axis=0)
    ax = new_axes(ax, (3.0, 2.4))
    draw_over_pixels(ax, pixels, "kept weights on the pixel", "cividis")
    if pixels.ndim == 1:
        ax.set_ylim(bottom=0)
    ax.set_title(title)
    return ax


def evenly_spaced(num: int, at_most: int) -> np.ndarray:
    """Return `at_most` or fewer of the indices 0 … num − 1, evenly spaced, including both ends."""
    return np.unique(np.linspace(0, num - 1, min(num, at_most)).round().astype(int)) if num else np.arange(0)


def _limits(shown: np.ndarray) -> np.ndarray:
    """Return the weight at which each unit's colours are full, (unit, 1, 1, 1)."""
    kept = shown != 0
    squares = (shown**2).sum(axis=(1, 2, 3))
    rms = np.sqrt(squares / np.maximum(kept.sum(axis=(1, 2, 3)), 1))
    limits: np.ndarray = np.where(rms > 0, SATURATION * rms, 1.0)[:, None, None, None]
    return limits
