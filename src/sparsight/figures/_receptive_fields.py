"""Pictures of receptive fields and inputs in their true geometry."""

import math

import numpy as np
from jaxtyping import Float, Num, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from sparsight.errors import InputError
from sparsight.figures._over_density import new_axes
from sparsight.figures._palette import INK, MUTED, signed_table
from sparsight.geometry import Geometry

SATURATION = 1.5
"""Colours are full at this many times the root mean square of a unit's kept weights: one large weight does
not pale all the others, and the few weights of a sparse unit, all large, can be seen."""


def field_colours(
    weight: Num[np.ndarray, "unit input"], geometry: Geometry
) -> UInt8[np.ndarray, "unit height width 3"]:
    """Return receptive fields as colour pictures.

    With three channels in two dimensions, red, green and blue are the weights on the three channels: mid-grey
    is 0, and a colour is what the unit prefers to see. Otherwise the mean over channels is
    shown: vermilion positive, blue negative, near-white 0. Each unit is scaled by itself, by `SATURATION`.

    Parameters
    ----------
    weight : numpy.ndarray of float or bool, (unit, geometry.num_inputs)
        0 where pruned. A mask (bool) is shown black to white.
    geometry : Geometry

    Returns
    -------
    numpy.ndarray of uint8, (unit, height, width, 3)
        Height 1 in one dimension.

    Raises
    ------
    InputError
        If the rows do not fit the geometry.
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
    return np.asarray(signed_table()[np.rint(127 + 127 * scaled[:, 0]).astype(int)], np.uint8)


def mosaic(
    fields: UInt8[np.ndarray, "unit height width 3"], columns: int | None = None, gap: int = 1
) -> UInt8[np.ndarray, "high wide 4"]:
    """Return pictures side by side, row by row, with transparent gaps between them.

    Parameters
    ----------
    fields : numpy.ndarray of uint8, (unit, height, width, 3)
    columns : int, optional
        Default: about square for pictures; 1 for fields of height 1, which become heat rows.
    gap : int
        Pixels; none between heat rows.
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
    weight, geometry
        As in `field_colours`.
    ax : matplotlib.axes.Axes, optional
    order : numpy.ndarray of int, optional
        Units in the order to be shown. Default: by falling fan-in.
    num_units : int
        Units shown at most, evenly spaced in the order.
    title : str

    Returns
    -------
    matplotlib.axes.Axes
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
        "kept inputs" if weight.dtype == np.bool_ else f"weights, full colour at {SATURATION} rms of its own"
    )
    ax.set_xlabel(f"a {shape} a unit: its {what}")
    ax.set_title(title)
    return ax


def plot_fan_out(
    fan_out: Float[np.ndarray, " input"], geometry: Geometry, ax: Axes | None = None, *, title: str = ""
) -> Axes:
    """Draw how many units see each pixel, summed over channels.

    Parameters
    ----------
    fan_out : numpy.ndarray of float64, (geometry.num_inputs,)
    geometry : Geometry
    ax : matplotlib.axes.Axes, optional
    title : str

    Returns
    -------
    matplotlib.axes.Axes
        A picture in two dimensions, a curve in one.
    """
    if fan_out.shape != (geometry.num_inputs,):
        raise InputError(f"fan_out has shape {fan_out.shape}; ({geometry.num_inputs},) fits the geometry")
    pixels = fan_out.reshape(geometry.shape).sum(axis=0)
    ax = new_axes(ax, (3.0, 2.4))
    if pixels.ndim == 1:
        ax.plot(np.arange(len(pixels)), pixels, color="#0072b2", lw=1.2, drawstyle="steps-mid")
        ax.set_ylim(bottom=0)
        ax.set_xlabel("pixel")
        ax.set_ylabel("kept weights on the pixel")
    else:
        image = ax.imshow(pixels, cmap="cividis", interpolation="nearest")
        ax.grid(False)
        ax.tick_params(length=2, labelsize=7)
        ax.set_xlabel("pixel column")
        ax.set_ylabel("pixel row")
        colour_bar(ax, image, "kept weights on the pixel")
    ax.set_title(title)
    return ax


def evenly_spaced(num: int, at_most: int) -> np.ndarray:
    """Return at most so many indices of 0 … num − 1, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, num - 1, min(num, at_most)).round().astype(int)) if num else np.arange(0)


def _limits(shown: np.ndarray) -> np.ndarray:
    kept = shown != 0
    squares = (shown**2).sum(axis=(1, 2, 3))
    rms = np.sqrt(squares / np.maximum(kept.sum(axis=(1, 2, 3)), 1))
    limits: np.ndarray = np.where(rms > 0, SATURATION * rms, 1.0)[:, None, None, None]
    return limits


def colour_bar(ax: Axes, image: ScalarMappable, label: str) -> None:
    """Add a small colour bar beside an Axes, inside its own bounds so that it moves with it."""
    figure = ax.get_figure()
    assert figure is not None
    bar = figure.colorbar(image, cax=ax.inset_axes((1.04, 0.1, 0.05, 0.8)))
    bar.set_label(label, fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, color=MUTED, labelcolor=INK)
