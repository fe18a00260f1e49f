"""Plots as inline SVG: they take the colours and the font of the page, and load nothing from outside."""

import io
import math
import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator

from sparsight.figures import BELOW_AXIS, PALETTE

_PAGE_COLOURS: Mapping[str, str] = {
    PALETTE.ink: "currentColor",
    PALETTE.muted: "var(--muted)",
    PALETTE.rule: "var(--rule)",
    **{colour: f"var(--c{place})" for place, colour in enumerate(PALETTE.conditions)},
}
_LETTER_INCHES = 0.068
"""Mean width of a letter of a tick label."""
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_OPENING = re.compile(r"<svg[^>]*>")
_PATH = re.compile(r'\bd="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_VIEW_BOX = re.compile(r'viewBox="([^"]*)"')


def inline_svg(ax: Axes, name: str, description: str) -> str:
    """Return the figure of an Axes as an ``<svg>`` element, as wide as its container.

    `name`, of letters, digits and hyphens, is the prefix of every id. `description` is for readers who cannot
    see the figure. Text stays text, in the page's font; the palette's colours become CSS variables ``--c0``
    …, ``--muted``, ``--rule``, so that the dark page recolours them.
    """
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    _lay_out(figure)
    for patch in (figure.patch, *(each.patch for each in figure.axes)):
        patch.set_alpha(0)
    file = io.StringIO()
    # The salt makes the ids, and so the page, the same at every writing.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        # Not savefig, which would draw everything twice.
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})  # type: ignore[no-untyped-call]
    text = _METADATA.sub("", _HEAD.sub("", file.getvalue()))
    # A hundredth of a point is finer than any screen; fewer decimals save a fifth of the bytes.
    text = _PATH.sub(lambda path: _DECIMALS.sub(r"\1", path.group()), text)
    for colour, variable in _PAGE_COLOURS.items():
        text = re.sub(re.escape(colour), variable, text, flags=re.IGNORECASE)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "inherit", text)
    view_box = _VIEW_BOX.search(text)
    assert view_box is not None
    opening = (
        f'<svg viewBox="{view_box.group(1)}" role="img" aria-label={quoteattr(description)} class="figure">'
        f"<title>{escape(description)}</title>"
    )
    return _OPENING.sub(lambda _: opening, text, count=1).strip()


def _lay_out(figure: Figure) -> None:
    """Place the Axes by fixed margins, since constrained layout takes as long as the drawing itself."""
    (ax,) = figure.axes
    figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    # Inches for y labels of six digits, for a colour bar with its label, for the levels on top.
    names, below = (_lines(axis) for axis in (ax.yaxis, ax.xaxis))
    left = max(0.85, 0.4 + _LETTER_INCHES * max((len(line) for lines in names for line in lines), default=0))
    right, top = 0.85 if ax.images and ax.child_axes else 0.12, 0.45 if ax.child_axes else 0.1
    legend = ax.get_legend()
    num_rows = 0 if legend is None else math.ceil(len(legend.get_texts()) / _columns(legend))
    num_lines = max((len(lines) for lines in below), default=1) - 1
    bottom = BELOW_AXIS + 0.05 + 0.17 * num_rows + 0.13 * num_lines
    ax.set_position((left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height))


def _lines(axis: Axis) -> list[list[str]]:
    """Return the lines of every tick label of an axis whose ticks are named; empty for others."""
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return []
    return [label.get_text().split("\n") for label in axis.get_ticklabels()]


def _columns(legend: Legend) -> int:
    return int(legend._ncols)  # type: ignore[attr-defined]
