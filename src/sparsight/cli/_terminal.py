"""Options that several commands share, and the terminal that they print to."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

Overrides = Annotated[
    list[str],
    Parameter(name="--set", negative="", help="Override a field: key=value, as in pruning.rate=0.2."),
]
Plugins = Annotated[
    list[Path],
    Parameter(
        name="--plugin",
        negative="",
        help="A Python file that registers your own criteria, instruments or data sources.",
    ),
]

Sbatch = Annotated[
    list[str], Parameter(name="--sbatch", negative="", help="A further option of sbatch: account=abc.")
]


def printable(text: str) -> str:
    """Replace control characters, with which a file of another could steer the terminal."""
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in " ".join(text.split())
    )


def terminal() -> Console:
    """Return the console to print to."""
    # What a run holds may be another's: brackets and colons in it are text, and no instructions.
    console = Console(highlight=False, markup=False, emoji=False)
    # A file or pipe has no width of its own: write tables whole.
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=160)
