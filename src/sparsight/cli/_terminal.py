"""Options that several commands share, and the terminal that they print to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from sparsight.printable import spelt, without_controls

Overrides = Annotated[tuple[str, ...], Parameter(name="--set")]
Plugins = Annotated[
    tuple[Path, ...],
    Parameter(
        name="--plugin",
        help="Python file that registers your own criteria, instruments or data sources.",
    ),
]

AcceptChanges = Annotated[
    bool,
    Parameter(
        name="--accept-changes",
        help="Go on although data, own code or random numbers are others than the run was begun with.",
    ),
]


class _Terminal(Console):
    """A console through which no text from a file can steer the terminal, or fail for want of a letter.

    Strings are made printable before they are laid out, so that columns stay aligned; every other text, such
    as rich's own, when it is drawn.
    """

    def render_str(self, text: str, *arguments: Any, **options: Any) -> Text:
        return super().render_str(self._shown(text), *arguments, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(self._shown(segment.text), segment.style)

    def _shown(self, text: str) -> str:
        lines = text.split("\n")
        return spelt("\n".join(map(without_controls, lines)), self.encoding)


def terminal() -> Console:
    """Return the console to print to."""
    # A run may come from somebody else: brackets and colons in its names are text, not markup or emoji.
    console = _Terminal(highlight=False, markup=False, emoji=False)
    # A file or pipe has no width of its own: write tables whole.
    return (
        console if console.is_terminal else _Terminal(highlight=False, markup=False, emoji=False, width=160)
    )
