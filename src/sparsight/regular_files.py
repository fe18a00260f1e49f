"""Files of unknown origin, opened for reading only if they are ordinary files of a bearable size.

A path in a recipe, or a file in a folder from somebody else, may be a device or a FIFO. ``/dev/zero`` never
ends, and a FIFO without a writer blocks the process that opens it.
"""

import errno
import io
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}
MAX_TEXT_BYTES = 2**26
"""Largest JSON or text file that is read; those that sparsight writes have kilobytes to a few megabytes."""


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file for reading, if it is an ordinary file or a link to one.

    Raises
    ------
    OSError
        If it cannot be opened, or is a folder, a device, a FIFO or a socket; `strerror` says which.
    """
    # O_NONBLOCK: opening a FIFO returns at once. For ordinary files it means nothing.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    _refuse_irregular(os.stat(path).st_mode, path)  # noqa: PTH116  (opening a device may already act on it)
    descriptor = os.open(path, flags)
    try:
        _refuse_irregular(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Return the content of an ordinary file of at most `max_bytes`.

    Raises
    ------
    OSError
        As `open_regular`, and if the file is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise OSError(
                errno.EFBIG, f"it has {size} bytes, and at most {max_bytes} are read there", str(path)
            )
        return file.read(size)  # no more, should it grow meanwhile


def require_regular(path: Path) -> None:
    """Raise what `open_regular` would raise, for a file that a library opens by its name."""
    open_regular(path).close()


def _refuse_irregular(mode: int, path: Path) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "a special file")
        raise OSError(errno.EINVAL, f"it is {what}, and only ordinary files are read", str(path))
