"""Colours, markers and dashes that all figures share, readable without colour vision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

# Okabe & Ito's palette without its yellow, which is too pale for a line.
BLUE, VERMILION, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"


@dataclass(frozen=True)
class Palette:
    """Colours of text, of axes, of grid lines, and of the conditions in their order."""

    ink: str
    muted: str
    rule: str
    conditions: tuple[str, ...]


PALETTE = Palette("#1f2328", "#6a727c", "#d0d4da", (BLUE, VERMILION, GREEN, PINK, "#e69f00", "#56b4e9"))
_SIGNS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚"}
_MARKERS = tuple(_SIGNS)
_DASHES = ("-", "--", ":", "-.")

# Blue through near-white to vermilion: the two hues stay apart in every common colour blindness.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#053a61", BLUE, "#8fc1de", "#f7f7f7", "#f2b48c", VERMILION, "#7a2e00"]
)


PRUNED = (196, 201, 208)
"""Grey of a pixel on which no weight is left: darker than the near-white of a weight near 0."""


@dataclass(frozen=True)
class Look:
    """Appearance of one line, in matplotlib's notation: no two conditions share both colour and marker."""

    colour: str
    marker: str
    dashes: str

    @property
    def sign(self) -> str:
        """The marker as a character, for legends in text."""
        return _SIGNS[self.marker]


LINE_LOOKS = {
    "kept": Look(BLUE, "o", "-"),
    "pruned": Look(VERMILION, "s", "--"),
    "own": Look(PALETTE.ink, "o", "-"),
    "twin": Look(BLUE, "s", "--"),
    "shuffled": Look(VERMILION, "^", "-."),
    "random mask": Look(GREEN, "D", ":"),
    "within classes": Look(PINK, "v", "-"),
}
"""Looks of lines that mean the same in every figure: controls, and kept and pruned weights."""


def looks(conditions: Sequence[str]) -> dict[str, Look]:
    """Return the look of each condition; after six, colours repeat with other markers and dashes."""
    num = len(PALETTE.conditions)
    return {
        name: Look(
            PALETTE.conditions[place % num],
            _MARKERS[(place + place // num) % num],
            _DASHES[place // num % len(_DASHES)],
        )
        for place, name in enumerate(conditions)
    }


def signed_table() -> np.ndarray:
    """Return the colours of −1 … 1 in 255 steps, uint8 of shape (255, 3); the middle row stands for 0."""
    shades = np.asarray(SIGNED(np.linspace(0, 1, 255)))[:, :3]
    return np.asarray(np.rint(shades * 255), np.uint8)
