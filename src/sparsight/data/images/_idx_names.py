"""The four files of an IDX data set, under the names that publishers and tools give them."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from sparsight.data.images._files import reading
from sparsight.errors import InputError

TORCHVISION_FOLDERS = {
    "mnist": "MNIST/raw",
    "fashion-mnist": "FashionMNIST/raw",
    "kmnist": "KMNIST/raw",
    "emnist": "EMNIST/raw",
}
"""Data set → where torchvision keeps its files, below the root folder that it is given."""

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<split>train|t10k|test)-(?P<content>images|labels)[-.]idx[13]-ubyte(?:\.gz)?"
)
_PARTS = (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels"))
_Set = dict[tuple[str, str], Path]  # (split, content) → file


def idx_files(folder: Path, inner_folders: Sequence[str], prefix: str | None, hint: str) -> list[Path]:
    """Return training images and labels, then test images and labels, of the one set that a folder holds.

    Parameters
    ----------
    inner_folders : sequence of str
        Where to look, "" for the folder itself. A set in the folder itself hides those further inside.
    prefix : str, optional
        What the names of the set begin with. Default: anything.
    hint : str
        Ends the message about missing files: where to get them.

    Raises
    ------
    InputError
        If no set is complete, or more than one is.
    """
    sets: dict[tuple[Path, str], _Set] = {}
    for inner in inner_folders:
        here = _sets_in(folder / inner)
        sets |= {(folder / inner, name): files for name, files in here.items() if prefix in (None, name)}
        if not inner and any(len(files) == len(_PARTS) for files in sets.values()):
            break
    complete = {key: files for key, files in sets.items() if len(files) == len(_PARTS)}
    if len(complete) > 1:
        found = ", ".join(f"{place / name}…" for place, name in complete)
        raise InputError(
            f"data.folder {str(folder)!r} holds {len(complete)} sets ({found}): name the folder of one, or "
            "set data.prefix to the beginning of its names (data source idx)"
        )
    if complete:
        (files,) = complete.values()
        return [files[part] for part in _PARTS]
    missing = _missing(sets, prefix)
    raise InputError(f"data.folder {str(folder)!r} has no {', '.join(missing)} (or .gz): {hint}")


def _sets_in(folder: Path) -> dict[str, _Set]:
    """Return the files of every set in a folder, by the beginning of their names."""
    sets: dict[str, _Set] = defaultdict(dict)
    for path in _files_in(folder):
        match = _NAME.fullmatch(path.name)
        assert match is not None
        part = ("train" if match["split"] == "train" else "test", match["content"])
        sets[match["prefix"]].setdefault(part, path)
    return sets


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield the files with names of the format, unpacked ones before gzipped ones."""
    if not folder.is_dir():
        return
    with reading(folder):
        entries = sorted(folder.iterdir(), key=lambda path: (path.suffix == ".gz", path.name))
    for entry in entries:
        if not _NAME.fullmatch(entry.name):
            continue
        if entry.is_file():
            yield entry
        elif (entry / entry.name).is_file():  # archives of one file are often unpacked like this
            yield entry / entry.name


def _missing(sets: dict[tuple[Path, str], _Set], prefix: str | None) -> list[str]:
    """Return the names that the most complete set lacks."""
    (_, name), files = max(sets.items(), key=lambda each: len(each[1]), default=((Path(), prefix or ""), {}))
    test = "test" if name else "t10k"
    return [
        f"{name}{test if split == 'test' else split}-{content}-idx{3 if content == 'images' else 1}-ubyte"
        for split, content in _PARTS
        if (split, content) not in files
    ]
