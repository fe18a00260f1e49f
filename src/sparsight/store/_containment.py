"""A run directory from somebody else must not lead a writer out of itself."""

import os
from pathlib import Path

from sparsight.errors import InputError


def refuse_links(folder: Path) -> None:
    """Refuse to write in a folder that holds a symbolic link anywhere below itself.

    Reading through links is allowed: what they lead to is checked like any file, and shown to nobody but the
    reader. The folder itself may be a link, as it is the user who named it.

    Raises
    ------
    InputError
        The message names the first link.
    """
    for parent, folders, files in os.walk(folder):  # links to folders are listed, and not followed
        for name in sorted((*folders, *files)):
            path = Path(parent, name)
            if path.is_symlink():
                raise InputError(
                    f"{path} is a link, which could lead out of the run: put what it points to in its place"
                )
