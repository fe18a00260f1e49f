"""Files of a data set in a folder: which of them exist, and errors that name those that cannot be read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sparsight.errors import InputError


def existing_files(
    folder: Path, names: Sequence[str], suffix: str, hint: str, inner_folders: Sequence[str] = ("",)
) -> list[Path]:
    """Return the path of every file of a data set, or raise an `InputError` that lists all that are missing.

    Names may also end in `suffix`, for another format of the same content. Files are looked for in the
    folders inside `folder`, "" for itself. `hint` ends the error message: where to get the files.
    """
    found = {}
    for name in names:
        candidates = [folder / inner / each for inner in inner_folders for each in (name, name + suffix)]
        found[name] = next((path for path in candidates if path.is_file()), None)
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise InputError(f"data.folder {str(folder)!r} has no {', '.join(missing)} (or {suffix}): {hint}")
    return [path for path in found.values() if path is not None]


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` inside the block into an `InputError` that names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check its name and permissions") from None


def check_num_images(paths: Sequence[Path], found: int, expected: int) -> None:
    """Raise an `InputError` if the files of a data set do not hold as many images as were published."""
    if found != expected:
        raise InputError(
            f"{', '.join(path.name for path in paths)} in {paths[0].parent} hold {found} images; the set has "
            f"{expected}: a file is truncated or belongs to another set, download it again"
        )
