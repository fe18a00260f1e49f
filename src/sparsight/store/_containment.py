"""Containment: a run directory from somebody else must not lead a writer out of itself."""

import os
from pathlib import Path

from sparsight.errors import InputError


def run_around(level: Path) -> Path:
    """Return the run that a level's folder lies in: no link below it is followed when the level is written.

    The run itself may be reached through a link, since the user named it.
    """
    return level.parents[2]


def refuse_link(path: Path) -> None:
    """Raise `InputError` if a path is a symbolic link."""
    if path.is_symlink():
        raise InputError(
            f"{path} is a link, which could lead out of the run: replace it with what it points to"
        )


def refuse_links(folder: Path) -> None:
    """Refuse to write to a folder that contains a symbolic link at any depth; the error names the first.

    Reading through links is allowed: what they point to is checked like any file, and only the reader sees
    it. The folder itself may be a link, since the user named it. See docs/decisions.md, "Links in a run are
    read through, and never written through".
    """
    for parent, folders, files in os.walk(folder):  # lists links to folders, and does not follow them
        for name in sorted((*folders, *files)):
            refuse_link(Path(parent, name))
