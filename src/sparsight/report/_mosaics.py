"""Images inside the page: receptive fields, and S(d) beside its expectation at every level."""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sparsight.figures import evenly_spaced, field_colours, locality_pictures, mosaic
from sparsight.report._evidence import Evidence

_UNITS_IN_MOSAIC, _UNITS_IN_ROW = 25, 6
_MOST_COLOURS = 256  # that a palette holds
_GAP = 3  # pixels between S(d), null and ratio


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image inside the page, as a data URI; sizes in pixels."""

    condition: str
    words: str  # level or levels that the image shows
    source: str
    width: int
    height: int
    is_line: bool  # whether the inputs are one-dimensional: units or levels are heat rows


def field_mosaics(evidence: Evidence, density_of: Callable[[int], float]) -> Iterator[Picture]:
    """Yield the receptive fields at the first, middle and last level, units in the evidence's order.

    `density_of` maps a level to its mean density over replicates.
    """
    is_line = len(evidence.geometry.size) == 1
    order = evidence.order
    chosen = order if is_line else order[evenly_spaced(len(order), _UNITS_IN_MOSAIC)]
    for level, weight in sorted(evidence.shown.items()):
        picture = mosaic(field_colours(weight[chosen], evidence.geometry))
        yield _picture(evidence, f"level {level}, density {100 * density_of(level):.3g} %", picture)


def mosaic_of(evidence: Evidence, weight: np.ndarray, words: str) -> Picture:
    """Return the fields of a few units, (unit, input), six in a row; in one dimension as heat rows."""
    is_line = len(evidence.geometry.size) == 1
    columns = 1 if is_line else min(_UNITS_IN_ROW, len(weight))
    return _picture(evidence, words, mosaic(field_colours(weight, evidence.geometry), columns))


def level_maps(evidence: Evidence, kind: str) -> list[Picture]:
    """Return S(d) of every level beside its nulls: one image per level, or a single one in one dimension.

    From the top: S(d), its expectation under ``fan_in``, their ratio, and the ratio to the expectation under
    ``configuration`` if there is one.
    """
    levels = evidence.levels_with(kind)
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
        return [_picture(evidence, f"levels {levels[0]} (top) to {levels[-1]}", _stacked(joined, gap=1))]
    return [
        _picture(evidence, f"{level}: {100 * evidence.densities[level]:.3g} %", _stacked(rows, gap=_GAP))
        for level, rows in zip(levels, stacks, strict=True)
    ]


def _stacked(rows: list[np.ndarray], gap: int) -> np.ndarray:
    between = np.zeros((gap, rows[0].shape[1], 4), np.uint8)
    return np.concatenate([part for row in rows for part in (between, row)][1:])


def _picture(evidence: Evidence, words: str, pixels: np.ndarray) -> Picture:
    return Picture(
        condition=evidence.condition,
        words=words,
        source=_png(pixels),
        width=pixels.shape[1],
        height=pixels.shape[0],
        is_line=len(evidence.geometry.size) == 1,
    )


def _png(pixels: np.ndarray) -> str:
    """Return pixels as a PNG in a data URI: with few colours, a palette takes a third of the space."""
    colours, places = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(colours) <= _MOST_COLOURS:
        image = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
        image.putpalette(colours.tobytes(), "RGBA")
    else:
        image = Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
