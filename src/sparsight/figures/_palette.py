"""Colours and line styles that every figure shares, readable without colour vision."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

INK = "#1f2328"
RULE = "#d0d4da"
MUTED = "#6a727c"

# Okabe & Ito's palette without its yellow, which is too pale for a line.
CONDITION_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
MARKER_SIGNS = ("●", "■", "▲", "◆", "▼", "✚")
_DASHES = ("-", "--", ":", "-.")

# Blue through near-white to vermilion: the two hues stay apart in every common colour blindness.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#053a61", "#0072b2", "#8fc1de", "#f7f7f7", "#f2b48c", "#d55e00", "#7a2e00"]
)


@dataclass(frozen=True)
class Look:
    """How the line of one condition is drawn: each differs in colour and in marker.

    Attributes
    ----------
    colour, marker, dashes : str
        As matplotlib takes them.
    sign : str
        The marker as a character, for legends in text.
    """

    colour: str
    marker: str
    dashes: str
    sign: str


def looks(conditions: Sequence[str]) -> dict[str, Look]:
    """Return the look of each condition, in order; beyond six, colours repeat with other markers, dashes."""
    num = len(CONDITION_COLOURS)
    return {
        name: Look(
            CONDITION_COLOURS[place % num],
            MARKERS[(place + place // num) % num],
            _DASHES[place // num % len(_DASHES)],
            MARKER_SIGNS[(place + place // num) % num],
        )
        for place, name in enumerate(conditions)
    }


def signed_table() -> np.ndarray:
    """Return the colours of −1 … 1 in 255 steps: uint8, (255, 3); the middle row is 0."""
    shades = np.asarray(SIGNED(np.linspace(0, 1, 255)))[:, :3]
    return np.asarray(np.rint(shades * 255), np.uint8)
