"""The cache: the only folder outside a run that sparsight writes to, and arrays kept in it."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from sparsight.atomic import open_atomically, remove_temporaries


def cache_folder() -> Path:
    """Return the folder for downloads and converted data: the user's cache, or ``SPARSIGHT_CACHE``."""
    return Path(os.environ.get("SPARSIGHT_CACHE") or user_cache_dir("sparsight"))


def kept_array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array of a key from the cache, memory-mapped and read-only, making it first if necessary.

    The key is a digest of everything that determines the array, so that nothing in the cache is ever stale. A
    second process that asks for the same key waits until the first has made the array. A truncated file is
    made again; if the cache cannot be written, nothing is kept.
    """
    path = cache_folder() / "arrays" / f"{key}.npy"
    found = _read(path)
    if found is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            remove_temporaries(path.parent, path.name)
            found = _read(path)
            if found is None:
                made = make()
                with open_atomically(path) as file:
                    np.save(file, made)
                found = _read(path)
            return made if found is None else found
    except OSError:  # a full disk, or a folder that is not writable, costs only time
        return make()


def _read(path: Path) -> np.ndarray | None:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError):  # absent, or truncated
        return None
