"""Pictures that a page carries as images: receptive fields, and S(d) beside chance at every level."""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sparsight.figures import evenly_spaced, field_colours, locality_pictures, mosaic
from sparsight.report._evidence import Evidence

_UNITS_IN_MOSAIC = 25
_MOST_COLOURS = 256  # of a palette
_GAP = 3  # pixels between S(d), null and ratio


@dataclass(frozen=True)
class Mosaic:
    """Receptive fields of one condition at one level, as an image.

    Attributes
    ----------
    condition, level : str, int
    density : float
    source : str
        A data URI.
    width, height : int
        In pixels.
    is_line : bool
        Whether units are heat rows.
    """

    condition: str
    level: int
    density: float
    source: str
    width: int
    height: int
    is_line: bool


@dataclass(frozen=True)
class LevelMaps:
    """S(d), what the null expects, and their ratio, one below the other, as one image.

    Attributes
    ----------
    words : str
        Which levels the image shows.
    source : str
        A data URI.
    width, height : int
        In pixels.
    is_line : bool
        Whether it holds all levels, a row each.
    """

    words: str
    source: str
    width: int
    height: int
    is_line: bool


def mosaics(evidence: Evidence, density_of: Callable[[int], float]) -> Iterator[Mosaic]:
    """Yield the receptive fields at the first, middle and last level, units in the evidence's order."""
    for level, weight in sorted(evidence.shown.items()):
        order = evidence.order
        is_line = len(evidence.geometry.size) == 1
        chosen = order if is_line else order[evenly_spaced(len(order), _UNITS_IN_MOSAIC)]
        picture = mosaic(field_colours(weight[chosen], evidence.geometry))
        height, width = picture.shape[:2]
        yield Mosaic(evidence.condition, level, density_of(level), _png(picture), width, height, is_line)


def level_maps(evidence: Evidence, kind: str) -> list[LevelMaps]:
    """Return S(d) of every level beside its nulls: an image a level, or one of all levels in one dimension.

    Parameters
    ----------
    evidence : Evidence
    kind : {"same_channel", "different_channel"}

    Returns
    -------
    list of LevelMaps
        From the top: S(d), its expectation under ``fan_in``, their ratio, and the ratio to the expectation
        under ``configuration`` if there is one.
    """
    levels = sorted(level for each, level in evidence.pairs if each == kind)
    if not levels:
        return []
    stacks = []
    for level in levels:
        counts = evidence.pairs[kind, level]
        rows = list(locality_pictures(counts, evidence.expected[kind, "fan_in", level]).values())
        stricter = evidence.expected.get((kind, "configuration", level))
        if stricter is not None:
            rows.append(locality_pictures(counts, stricter)["ratio"])
        stacks.append(rows)
    if len(evidence.geometry.size) == 1:
        joined = [np.concatenate(rows) for rows in zip(*stacks, strict=True)]
        return [_level_maps(joined, f"levels {levels[0]} (top) to {levels[-1]}", is_line=True)]
    return [
        _level_maps(rows, f"{level}: {100 * evidence.densities[level]:.3g} %", is_line=False)
        for level, rows in zip(levels, stacks, strict=True)
    ]


def _level_maps(rows: list[np.ndarray], words: str, is_line: bool) -> LevelMaps:
    gap = np.zeros((1 if is_line else _GAP, rows[0].shape[1], 4), np.uint8)
    picture = np.concatenate([part for row in rows for part in (gap, row)][1:])
    return LevelMaps(words, _png(picture), picture.shape[1], picture.shape[0], is_line)


def _png(picture: np.ndarray) -> str:
    """Return a picture as a data URI; with a palette, a third of the size, if it has few colours."""
    colours, places = np.unique(picture.reshape(-1, 4), axis=0, return_inverse=True)
    if len(colours) <= _MOST_COLOURS:
        image = Image.fromarray(places.reshape(picture.shape[:2]).astype(np.uint8))
        image.putpalette(colours.tobytes(), "RGBA")
    else:
        image = Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
