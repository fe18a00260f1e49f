"""Files that are either complete or absent, whatever happens while they are written."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = ".*.tmp"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, finds either the old content or the new.

    The bytes go to a temporary file in the same folder and are flushed to the disk. The file is then renamed
    in one step, and the folder's entry is flushed.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written to; the old content is intact.
    """
    temporary = temporary_beside(path)
    try:
        _write_through(temporary, content)
        temporary.replace(path)
    except BaseException:
        _remove_if_possible(temporary)
        raise
    _flush_folder(path.parent)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name when the block ends, for content too large to be held in memory.

    The guarantees are those of `write_atomically`. If the block raises, nothing is left behind.
    """
    temporary = temporary_beside(path)
    try:
        with os.fdopen(_create(temporary), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        _remove_if_possible(temporary)
        raise
    _flush_folder(path.parent)


def rename_durably(path: Path, target: Path) -> None:
    """Give a complete file the name `target` in its folder, replacing what had it, and flush the folder."""
    path.replace(target)
    _flush_folder(target.parent)


def temporary_beside(path: Path) -> Path:
    """Return a new name for the temporary file of a writer of `path`, in the same folder.

    Only a rename within one file system is atomic. The name is drawn at random: two containers that share a
    folder may have the same process number, and two threads of a process have.
    """
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def remove_temporaries(folder: Path, prefix: str = "") -> None:
    """Remove what killed writers left of files named `prefix`…; nobody else may be writing them."""
    for path in folder.glob(f".{prefix}*.tmp"):
        path.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Return whether a file is one that `write_atomically` did not finish."""
    return path.match(_TEMPORARY)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _create(path: Path) -> int:
    # O_EXCL and O_NOFOLLOW: a link planted under the temporary name is not followed out of the folder.
    _remove_if_possible(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o666)


def _write_through(path: Path, content: bytes) -> None:
    descriptor = _create(path)
    try:
        rest = memoryview(content)
        while rest:  # one call may write only a part, for instance on a network file system
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)  # before the rename: otherwise a crash may leave the new name without content
    finally:
        os.close(descriptor)


def _remove_if_possible(path: Path) -> None:
    with suppress(OSError):  # the error that led here, or the next one, is the one worth reporting
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and NTFS journals the rename
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
