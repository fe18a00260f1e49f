"""Options that several commands share, and the terminal that they print to."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

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


def printable(text: str) -> str:
    """Replace control characters, with which a file from somebody else could steer the terminal."""
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split())
    )


def terminal() -> Console:
    """Return the console to print to."""
    # A run may come from somebody else: brackets and colons in its names are text, not markup or emoji.
    console = Console(highlight=False, markup=False, emoji=False)
    # A file or pipe has no width of its own: write tables whole.
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=160)
