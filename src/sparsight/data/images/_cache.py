"""The cache of converted data: keyed by content, and verified when it is read."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir

from sparsight.atomic import open_atomically, remove_temporaries, sha256_of, write_atomically

_SECONDS_UNTIL_TRUSTED = 2.0
"""Age of a file's last change from which its times are trusted: some file systems count whole seconds."""

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the folder for downloads and converted data: the user's cache, or ``SPARSIGHT_CACHE``."""
    return Path(os.environ.get("SPARSIGHT_CACHE") or user_cache_dir("sparsight"))


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file's whole content.

    It is recorded in the cache, and read from there as long as the file's size, times, place on the disk and
    name are the same. Hashing gigabytes takes minutes.

    Raises
    ------
    OSError
        If the file cannot be read. A cache that cannot be written costs only time.
    """
    place = str(path.resolve())
    record = cache_folder() / "digests" / f"{hashlib.sha256(os.fsencode(place)).hexdigest()}.json"
    before = _traits(path)
    known = _recorded(record)
    if known.get("traits") == before and isinstance(known.get("sha256"), str):
        return str(known["sha256"])
    digest = sha256_of(path)
    # A file that changes while it is hashed, or changed a moment ago and may do so again within the same tick
    # of the file system's clock, keeps the traits of what was hashed.
    is_settled = _traits(path) == before and time.time() - path.stat().st_mtime > _SECONDS_UNTIL_TRUSTED
    if is_settled:
        with suppress(OSError):
            record.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(record, json.dumps({"traits": before, "sha256": digest}).encode())
    return digest


class HashedFile:
    """A binary file that is written to, and the SHA-256 of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, content: bytes | memoryview) -> int:
        """Write bytes; return their number."""
        self._digest.update(content)
        return self._file.write(content)

    def sha256(self) -> str:
        """Return the digest of everything written so far, in hexadecimal."""
        return self._digest.hexdigest()


@contextmanager
def sealed_file(path: Path) -> Iterator[HashedFile]:
    """Open a new file of the cache. Its digest is recorded beside it when the block ends, for `is_whole`.

    The digest is computed while the file is written: reading it again for that would take as long once more.
    """
    with open_atomically(path) as file:
        hashed = HashedFile(file)
        yield hashed
    write_atomically(_seal_of(path), json.dumps({"sha256": hashed.sha256()}).encode())


def is_whole(path: Path, *, by_traits: bool = False) -> bool:
    """Return whether a file in the cache is there and is what was written to it.

    With `by_traits`, a file whose size and times are those at which it was verified last is not read again.
    """
    sealed = _recorded(_seal_of(path)).get("sha256")
    try:
        found = content_digest(path) if by_traits else sha256_of(path)
    except OSError:
        return False
    if sealed is not None and sealed != found:
        _log.warning("%s in the cache is damaged: its SHA-256 is not the one recorded; made again", path)
    return sealed == found


def kept_array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array of a key from the cache, memory-mapped and read-only, making it first if necessary.

    The key is a digest of everything that determines the array, so that nothing in the cache is ever stale. A
    second process that asks for the same key waits until the first has made the array. A file that is
    truncated or was changed since is made again; if the cache cannot be written, nothing is kept.
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
                with sealed_file(path) as file:
                    np.save(file, made)
                found = _read(path)
            return made if found is None else found
    except OSError:  # a full disk, or a folder that is not writable, costs only time
        return make()


def _read(path: Path) -> np.ndarray | None:
    if not is_whole(path):
        return None
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError):  # absent, or no array
        return None


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256.json")


def _traits(path: Path) -> list[int]:
    found = path.stat()
    # The time of the last change of state (ctime) cannot be set back, as that of the content can.
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino]


def _recorded(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
