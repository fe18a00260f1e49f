"""The one folder outside a run that sparsight writes to, and arrays that are kept there."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir


def cache_folder() -> Path:
    """Return where downloads and converted data go: the user's cache, or what ``SPARSIGHT_CACHE`` names."""
    return Path(os.environ.get("SPARSIGHT_CACHE") or user_cache_dir("sparsight"))


def kept_array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array of a key from the cache, and make it first if it is not there.

    A second process that asks for the same waits until the first has made it. What is in the cache is whole:
    it is written under another name, flushed to disk and renamed. A file that is cut short is made again;
    where the cache cannot be written, nothing is kept.

    Parameters
    ----------
    key : str
        A digest of everything that the array follows from, so that nothing in the cache is ever stale.
    make : callable
        Returns the array.

    Returns
    -------
    numpy.ndarray
        Memory-mapped and read-only if it is from the cache: processes share its pages.
    """
    path = cache_folder() / "arrays" / f"{key}.npy"
    found = _read(path)
    if found is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            found = _read(path)
            if found is None:
                made = make()
                _write(path, made)
                found = _read(path)
            return made if found is None else found
    except OSError:  # a full disk or a folder that is not ours costs time only
        return make()


def _read(path: Path) -> np.ndarray | None:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError):  # absent, or cut short
        return None


def _write(path: Path, array: np.ndarray) -> None:
    temporary = path.with_name(f"{path.stem}-{uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
