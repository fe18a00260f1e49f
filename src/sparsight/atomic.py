"""Files that are either complete or absent, whatever happens while they are written.

Everything that is written goes through this module: under a new temporary name in the same folder, flushed
and renamed. A file that exists is never opened for writing, so neither a link nor a second name of it can
carry the content elsewhere. Below a folder that may come from somebody else (`inside`), no link is followed
on the way either.
"""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sparsight.errors import InputError
from sparsight.regular_files import open_regular

_TEMPORARY = ".*.tmp"
_HAS_DESCRIPTORS = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")  # not on Windows
_OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def write_atomically(path: Path, content: bytes, *, inside: Path | None = None, flush: bool = True) -> None:
    """Write a file so that a reader, or a crash at any moment, finds either the old content or the new.

    The bytes go to a temporary file in the same folder and are flushed to the disk. The file is then renamed
    in one step, and the folder's entry is flushed. Its mode follows the umask.

    Parameters
    ----------
    inside : Path, optional
        Folder that may come from somebody else. If `path` lies in it, no folder on the way may be a link. A
        link under the name of the file itself is replaced, like any other file.
    flush : bool
        Whether to wait for the disk. Without it, a crash of the machine may leave the file empty.

    Raises
    ------
    InputError
        If `path` leads through a linked folder below `inside`, or out of it.
    OSError
        If the disk is full or the folder cannot be written to; the old content is intact. It names the file.
    """
    with _new_file(path, inside, flush) as descriptor:
        rest = memoryview(content)
        while rest:  # one call may write only a part, for instance on a network file system
            rest = rest[os.write(descriptor, rest) :]


@contextmanager
def open_atomically(path: Path, *, inside: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file that takes its name when the block ends, for content too large to be held in memory.

    The guarantees are those of `write_atomically`. If the block raises, nothing is left behind.
    """
    with _new_file(path, inside) as descriptor, os.fdopen(descriptor, "wb", closefd=False) as file:
        yield file


def make_folder(path: Path, *, inside: Path | None = None, parents: bool = True) -> None:
    """Make a folder and those above it, unless they exist; `inside` as in `write_atomically`.

    Without `parents`, the folder above it must exist: one that was moved away is not made again.

    Raises
    ------
    InputError
        If `path` leads through a link below `inside`, or out of it.
    OSError
        If a folder cannot be made.
    """
    below = _below(path, inside)
    if inside is None or below is None:
        path.mkdir(parents=parents, exist_ok=True)
        return
    if parents:
        inside.mkdir(parents=True, exist_ok=True)
    if not _HAS_DESCRIPTORS:
        _refuse_links_on_the_way(inside, below)
        path.mkdir(parents=parents, exist_ok=True)
        return
    with _naming(path):
        os.close(_open_below(inside, below, make=range(0 if parents else len(below) - 1, len(below))))


def follow_umask(path: Path) -> None:
    """Give a file that another library made for its user alone the mode that the umask gives new files."""
    probe = temporary_beside(path)
    descriptor = _create(probe, None)
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        _remove_if_possible(probe, None)
    path.chmod(mode)


def rename_durably(path: Path, target: Path, *, inside: Path | None = None) -> None:
    """Give a complete file the name `target` in its folder, replacing what had it, and flush the folder.

    `inside` as in `write_atomically`.
    """
    with _folder_of(target, inside) as (prefix, folder), _naming(target):
        os.replace(prefix / path.name, prefix / target.name, src_dir_fd=folder, dst_dir_fd=folder)
        _flush_folder(target.parent, folder)


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
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _new_file(path: Path, inside: Path | None, flush: bool = True) -> Iterator[int]:
    """Yield the descriptor of a new file that is renamed to `path` when the block ends."""
    with _folder_of(path, inside) as (prefix, folder), _naming(path):
        temporary = prefix / temporary_beside(path).name
        try:
            descriptor = _create(temporary, folder)
            try:
                yield descriptor
                if flush:  # before the rename: otherwise a crash may leave the new name without content
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, prefix / path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            _remove_if_possible(temporary, folder)
            raise
        if flush:
            _flush_folder(path.parent, folder)


@contextmanager
def _folder_of(path: Path, inside: Path | None) -> Iterator[tuple[Path, int | None]]:
    """Yield what to put before names in the file's folder, and the descriptor that they are relative to."""
    below = _below(path.parent, inside)
    if inside is None or below is None:
        yield path.parent, None
        return
    if not _HAS_DESCRIPTORS:
        _refuse_links_on_the_way(inside, below)
        yield path.parent, None
        return
    folder = _open_below(inside, below)
    try:
        yield Path(), folder
    finally:
        os.close(folder)


def _below(path: Path, inside: Path | None) -> tuple[str, ...] | None:
    """Return the folders that lead from `inside` to `path`; None if `path` does not lie in it."""
    # Not resolve(), which would follow the links that are looked for.
    if inside is None or not path.absolute().is_relative_to(inside.absolute()):
        return None
    parts = path.absolute().relative_to(inside.absolute()).parts
    if ".." in parts:
        raise InputError(f"{path} leads out of {inside}: nothing is written there; name another place")
    return parts


def _open_below(inside: Path, below: tuple[str, ...], make: range = range(0)) -> int:
    """Return the descriptor of a folder reached from `inside` without following a link.

    `make` holds the places in `below` of the folders that are made if they are missing.
    """
    place = inside
    folder = os.open(inside, _OPEN_FOLDER & ~os.O_NOFOLLOW)  # the user named it: it may be a link itself
    try:
        for number, name in enumerate(below):
            place = place / name
            if number in make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
            try:
                inner = os.open(name, _OPEN_FOLDER, dir_fd=folder)
            except OSError as error:
                _refuse_link(place)
                error.filename = str(place)
                raise
            os.close(folder)
            folder = inner
    except BaseException:
        os.close(folder)
        raise
    return folder


def _refuse_links_on_the_way(inside: Path, below: tuple[str, ...]) -> None:
    for number in range(1, len(below) + 1):
        _refuse_link(inside.joinpath(*below[:number]))


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise InputError(
            f"{path} is a link, and nothing is written through a link below a folder that may come from "
            "somebody else: remove the link, or write to another place"
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the system name the file: writing and flushing name none, others the temporary one."""
    try:
        yield
    except OSError as error:
        if not error.filename or str(error.filename).endswith(".tmp"):
            error.filename = str(path)
        raise


def _create(path: Path, folder: int | None) -> int:
    # O_EXCL and O_NOFOLLOW: a link planted under the temporary name is not followed out of the folder.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o666, dir_fd=folder)


def _remove_if_possible(path: Path, folder: int | None) -> None:
    with suppress(OSError):  # the error that led here, or the next one, is the one worth reporting
        os.unlink(path, dir_fd=folder)


def _flush_folder(path: Path, folder: int | None) -> None:
    if folder is not None:
        os.fsync(folder)
        return
    if os.name == "nt":  # Windows cannot open a folder, and NTFS journals the rename
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
