"""Folders of pictures: which files and class folders they hold, and errors for folders laid out otherwise."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sparsight.data.images._files import reading
from sparsight.data.images._picture_file import SUFFIXES, is_picture
from sparsight.errors import InputError


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures in a folder and the folders inside it, sorted by path.

    Hidden files and folders, and files without a suffix of `SUFFIXES`, are left out. Links to files are
    followed, links to folders are not: they could lead around in a circle.
    """
    found = []
    with reading(folder):
        for place, inner, names in os.walk(folder, onerror=_raise):
            inner[:] = [name for name in inner if not name.startswith(".")]
            found += [Path(place) / name for name in names if is_picture(Path(name))]
    return sorted(found, key=_sort_key)


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """Return class → its pictures, for a folder with a folder per class, sorted by name.

    A class folder may be a link.

    Raises
    ------
    InputError
        If the folder does not exist, has pictures but no class folders, fewer than two class folders, or one
        without pictures, or if a link makes a class of the folder itself or of another class.
    """
    inner = inner_folders(folder)
    if len(inner) < 2:
        loose = sum(is_picture(path) for path in folder.iterdir())
        found = f"{loose} picture(s) and {len(inner)} folder(s)" + (f" ({inner[0].name!r})" if inner else "")
        raise InputError(
            f"data.folder {str(folder)!r} has {found}; it needs a folder for each class, at least two, with "
            "the pictures of the class in it"
        )
    own = folder.resolve()
    first_with: dict[Path, str] = {}
    classes = {}
    for path in inner:
        target = path.resolve()
        if own.is_relative_to(target):
            raise InputError(f"class folder {path} is a link to a folder that it is in; remove the link")
        if target in first_with:
            raise InputError(
                f"class folders {first_with[target]!r} and {path.name!r} of {folder} are the same; remove one"
            )
        first_with[target] = path.name
        files = picture_files(path)
        if not files:
            raise InputError(
                f"class folder {path} holds no picture ({', '.join(SUFFIXES)}); add some or remove the folder"
            )
        classes[unicodedata.normalize("NFC", path.name)] = files
    return classes


def left_out(folders: Iterable[Path]) -> dict[str, int]:
    """Return how many files that are not hidden are no pictures, by suffix, and how many links to folders."""
    counts: Counter[str] = Counter()
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner[:] = [name for name in inner if not name.startswith(".")]
            counts["links to folders"] += sum((Path(place) / name).is_symlink() for name in inner)
            counts.update(
                Path(name).suffix.lower() or "no suffix"
                for name in names
                if not name.startswith(".") and not is_picture(Path(name))
            )
    return {what: count for what, count in sorted(counts.items()) if count}


def inner_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, or links to such, that are not hidden, sorted by name."""
    if not folder.is_dir():
        raise InputError(f"data.folder {str(folder)!r} is not a folder; name one that holds pictures")
    with reading(folder):
        found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=_sort_key)


def _sort_key(path: Path) -> tuple[str, str]:
    # Some systems store é as two characters: without NFC, classes would be ordered differently there.
    return unicodedata.normalize("NFC", str(path)), str(path)


def _raise(error: OSError) -> None:
    raise error
