"""Atomic writing: a file is there and whole, or not there at all."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

_TEMPORARY = ".*.tmp"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new.

    The bytes go to a temporary name in the same folder, are flushed to the disk, and take the file's
    name in one step; then the folder is flushed. Without the first flush a power cut could leave the new name
    with no content, and without the second the old file could come back.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; the old content is intact.
    """
    # In the same folder, since a rename is one step within one file system only. The process's number keeps
    # two writers of one file apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write_through(temporary, content)
        temporary.replace(path)
    except BaseException:
        _remove_if_possible(temporary)
        raise
    _flush_folder(path.parent)


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers left unfinished in a folder that nobody else writes to."""
    for path in folder.glob(_TEMPORARY):
        path.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Return whether a file is one that `write_atomically` had not finished."""
    return path.match(_TEMPORARY)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_through(path: Path, content: bytes) -> None:
    # O_EXCL and O_NOFOLLOW: a link planted under the temporary name is not followed out of the folder.
    _remove_if_possible(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_possible(path: Path) -> None:
    with suppress(OSError):  # the error that led here, or that follows, is the one to report
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there; NTFS journals the rename
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
