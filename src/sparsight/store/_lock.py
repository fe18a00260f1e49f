"""One writer for each run directory: who it is, whether it still lives, and what becomes of its right."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sparsight.atomic import write_atomically
from sparsight.errors import BusyError, InputError

LOCK, OWNER = ".lock", ".writer.json"
HEARTBEAT_SECONDS = 5.0
_SECONDS_FOR_OTHERS_TO_LOOK = 1.0
STALE_SECONDS = 60.0
"""A writer on another host that has not touched its file for so long is taken for dead."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owner:
    """The process that has the right to write.

    Attributes
    ----------
    host : str
    pid : int
    since : str
        ISO 8601, UTC.
    """

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        """Say who it is, for messages."""
        return f"process {self.pid} on {self.host} since {self.since[:19].replace('T', ' ')} UTC"


def owner_of(folder: Path) -> Owner | None:
    """Return who writes to a run directory, or wrote last and died; None if nobody or unreadable."""
    try:
        facts = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return Owner(str(facts["host"]), int(facts["pid"]), str(facts["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def exclusive_writing(folder: Path, on_lost: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the right to write to a run directory; one process at a time has it.

    The operating system's lock decides between processes of one host, and lets go when its holder dies.
    Not every network file system carries it to other hosts: there the holder's file, touched every 5 s,
    decides.

    Parameters
    ----------
    folder : Path
    on_lost : callable
        Called from another thread if somebody took the right over, because this process had not been
        able to touch its file for a minute (suspended, or cut off from the disk).

    Raises
    ------
    BusyError
        If another process has the right; the message says which.
    InputError
        If another process took it over.
    """
    if (folder / LOCK).is_symlink():
        raise InputError(f"{folder / LOCK} is a link, which could lead out of the run: remove it")
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
        os.utime(folder / LOCK)
    except Timeout:
        raise BusyError(f"{folder} is being written by {owner_of(folder) or 'another process'}") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        _take_over_if_dead(folder)
        mine = Owner(socket.gethostname(), os.getpid(), datetime.now(UTC).isoformat(timespec="microseconds"))
        write_atomically(folder / OWNER, json.dumps(asdict(mine)).encode())
        with _heartbeat(folder, mine, on_lost):
            yield
        if owner_of(folder) not in (mine, None):
            raise InputError(
                f"{folder} was taken over by {owner_of(folder)}, because this process had given no sign "
                "of life for a minute; it has stopped writing"
            )
    finally:
        if owner_of(folder) in (locals().get("mine"), None):
            with suppress(OSError):  # one that stays is that of a process that is gone
                (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def writer_lives(folder: Path) -> bool:
    """Return whether the process that writes to a run directory seems to be alive; nothing is touched.

    On this host its process is looked for; elsewhere its last sign of life counts, by this host's clock.
    """
    owner = owner_of(folder)
    if owner is None:
        return False
    if owner.host == socket.gethostname():
        return _is_process(owner.pid)
    try:
        return time.time() - (folder / OWNER).stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


def _is_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def refuse_if_written(folder: Path) -> None:
    """Raise `BusyError` if a living process has the right to write to a folder.

    Two processes that write to a run as a whole and to a part of it each take their own right first and then
    look for the other's with this: at least one sees the other.
    """
    owner = owner_of(folder)
    if owner is None:
        return
    try:
        with FileLock(folder / LOCK).acquire(timeout=_SECONDS_FOR_OTHERS_TO_LOOK):
            os.utime(folder / LOCK)
    except Timeout:
        raise BusyError(f"{folder} is being written by {owner}") from None
    if owner.host != socket.gethostname() and _is_alive_elsewhere(folder):
        raise BusyError(f"{folder} is being written by {owner}")


def _take_over_if_dead(folder: Path) -> None:
    owner = owner_of(folder)
    if owner is None:
        return
    if owner.host != socket.gethostname() and _is_alive_elsewhere(folder):
        raise BusyError(
            f"{folder} is being written by {owner}; if that process is gone, wait until it has given no "
            f"sign of life for {STALE_SECONDS:.0f} s"
        )
    _log.warning("%s: %s ended without letting go; its right to write is taken over", folder, owner)


def _is_alive_elsewhere(folder: Path) -> bool:
    """Compare two times that the file system's own clock set: hosts' clocks may differ, or be set back."""
    touched = (folder / OWNER).stat().st_mtime
    silence = (folder / LOCK).stat().st_mtime - touched
    if silence >= 0:
        return silence < STALE_SECONDS
    time.sleep(2 * HEARTBEAT_SECONDS)
    return (folder / OWNER).stat().st_mtime != touched


@contextmanager
def _heartbeat(folder: Path, mine: Owner, on_lost: Callable[[], None]) -> Iterator[None]:
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            if owner_of(folder) not in (mine, None):
                on_lost()
                return
            try:
                os.utime(folder / OWNER)
            except OSError:
                continue  # a disk that is gone is told by whoever writes next

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
