"""One writer for each run directory: who it is, whether it is still alive, and when another may take over.

Two files in the folder do this. ``.lock`` is locked through the operating system (flock), which releases it
when the process dies in any way. ``.writer.json`` says who the writer is, and its modification time is a
heartbeat: not every network file system carries flock to other hosts, and there the heartbeat decides.
"""

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
from sparsight.printable import printable
from sparsight.regular_files import read_regular
from sparsight.store._containment import refuse_link

LOCK, OWNER = ".lock", ".writer.json"
HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
"""Age of a heartbeat from which a writer on another host counts as dead: twelve missed beats."""

# `refuse_if_written` holds the lock it looks at for a moment. A second process that looks at the same time
# must wait that moment out, or it would report a writer that does not exist.
_SECONDS_FOR_OTHERS_TO_LOOK = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owner:
    """The process that may write; `since` is in ISO 8601, UTC."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        """Return who it is, for messages."""
        return f"process {self.pid} on {self.host} since {self.since[:19].replace('T', ' ')} UTC"


def owner_of(folder: Path) -> Owner | None:
    """Return who is writing to a folder, or who was when it died; None if nobody or unreadable."""
    try:
        facts = json.loads(read_regular(folder / OWNER))
        owner = Owner(printable(str(facts["host"])), int(facts["pid"]), printable(str(facts["since"])))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return owner


@contextmanager
def exclusive_writing(folder: Path, on_lost: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a folder for the duration of the block; one process at a time can.

    Parameters
    ----------
    on_lost : callable
        Called from another thread if another process took the lock over, because this one had not been able
        to renew its heartbeat for a minute (suspended, or cut off from the disk).

    Raises
    ------
    BusyError
        If another process holds the lock; the message says which.
    InputError
        If another process took the lock over during the block.

    Notes
    -----
    One race remains: two hosts that find the same stale writer within the same moment, on a file system that
    does not carry flock, both take over. The later one's name stays in the file, and the other stops at its
    next heartbeat. Until then both write the same content, which is a function of the recipe, and every file
    is replaced in one step.
    """
    refuse_link(folder / LOCK)  # FileLock would create or empty the file that it points to
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
        os.utime(folder / LOCK)  # the present moment by the file system's clock, for `_is_alive_elsewhere`
    except Timeout:
        raise BusyError(f"{folder} is being written by {owner_of(folder) or 'another process'}") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}") from None
    # Unique by its microseconds: a process that takes a lock twice is not mistaken for its former self.
    me = Owner(socket.gethostname(), os.getpid(), datetime.now(UTC).isoformat(timespec="microseconds"))
    try:
        _take_over_if_dead(folder)
        write_atomically(folder / OWNER, json.dumps(asdict(me)).encode())
        with _heartbeat(folder, me, on_lost):
            yield
        if owner_of(folder) not in (me, None):
            raise InputError(
                f"{folder} was taken over by {owner_of(folder)}, because this process had given no sign "
                "of life for a minute; it has stopped writing"
            )
    finally:
        if owner_of(folder) in (me, None):  # after a takeover the file belongs to the new owner
            with suppress(OSError):  # a file that stays names a dead process, which the next writer replaces
                (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def refuse_if_written(folder: Path) -> None:
    """Raise `BusyError` if a living process holds the lock of a folder.

    For locks that exclude each other, such as those of a run and of its replicates: a process first takes its
    own lock and then looks at the other with this function. Of two processes that do so at the same time, at
    least one sees the other (both may give up, and neither writes).
    """
    owner = owner_of(folder)
    if owner is None:
        return
    refuse_link(folder / LOCK)
    try:
        with FileLock(folder / LOCK).acquire(timeout=_SECONDS_FOR_OTHERS_TO_LOOK):
            os.utime(folder / LOCK)
    except Timeout:
        raise BusyError(f"{folder} is being written by {owner}") from None
    if owner.host != socket.gethostname() and _is_alive_elsewhere(folder):
        raise BusyError(f"{folder} is being written by {owner}")


def writer_lives(folder: Path) -> bool:
    """Return whether the writer of a folder seems to be alive; nothing is touched.

    A hint for displays only. On this host a process with the writer's number is looked for; it may be another
    one that got the same number. For other hosts the heartbeat counts, by this host's clock.
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
    except PermissionError:  # it exists, and belongs to another user
        return True
    return True


def _take_over_if_dead(folder: Path) -> None:
    """Let this process, which holds the operating system's lock, replace a writer that is dead."""
    owner = owner_of(folder)
    if owner is None:
        return
    # A writer on this host would hold the lock if it lived: that we got it proves its death, whatever process
    # may have its number now. About other hosts the lock proves nothing.
    if owner.host != socket.gethostname() and _is_alive_elsewhere(folder):
        raise BusyError(
            f"{folder} is being written by {owner}; if that process is gone, wait until it has given no "
            f"sign of life for {STALE_SECONDS:.0f} s"
        )
    _log.warning("%s: %s ended without releasing the lock; the lock is taken over", folder, owner)


def _is_alive_elsewhere(folder: Path) -> bool:
    """Return whether a writer on another host still renews its heartbeat."""
    # The file system's own clock set both times (``os.utime`` without a time); clocks of hosts differ.
    touched = (folder / OWNER).stat().st_mtime
    silence = (folder / LOCK).stat().st_mtime - touched
    if silence >= 0:
        return silence < STALE_SECONDS
    # The heartbeat is later than now: the clock was set back, and its age means nothing until it has caught
    # up. So wait for two beats and see whether one comes.
    time.sleep(2 * HEARTBEAT_SECONDS)
    return (folder / OWNER).stat().st_mtime != touched


@contextmanager
def _heartbeat(folder: Path, me: Owner, on_lost: Callable[[], None]) -> Iterator[None]:
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            # Looked at first: a process that was suspended must not renew the heartbeat of its successor.
            if owner_of(folder) not in (me, None):
                on_lost()
                return
            with suppress(OSError):  # whoever writes next reports a disk that is gone
                os.utime(folder / OWNER)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
