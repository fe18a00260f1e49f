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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
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

SECONDS_FOR_ORPHANS = 10.0
"""How long to wait for workers whose owner was killed. They notice within a second, and end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owner:
    """The process that may write.

    `since` is in ISO 8601, UTC. `kernel` and `processes` identify the running system, and the space of
    process numbers, that `pid` belongs to: containers may share a host's name, and two hosts one name. Both
    are empty where the system does not tell, or an older version wrote the file.
    """

    host: str
    pid: int
    since: str
    kernel: str = ""
    processes: str = ""

    def __str__(self) -> str:
        """Return who it is, for messages."""
        return f"process {self.pid} on {self.host} since {self.since[:19].replace('T', ' ')} UTC"

    @classmethod
    def this_process(cls) -> "Owner":
        """Return the present process, as of now."""
        # Unique by its microseconds: a process that takes a lock twice is not mistaken for its former self.
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        return cls(socket.gethostname(), os.getpid(), now, _kernel(), _process_space())

    @property
    def shares_kernel(self) -> bool:
        """Whether locks of the operating system hold between the owner and this process."""
        return self.kernel == _kernel() if self.kernel else self.host == socket.gethostname()

    @property
    def shares_process_numbers(self) -> bool:
        """Whether the owner's process number means the same here."""
        return self.shares_kernel and self.processes in ("", _process_space())


def owner_of(folder: Path) -> Owner | None:
    """Return who is writing to a folder, or who was when it died; None if nobody or unreadable."""
    try:
        facts = json.loads(read_regular(folder / OWNER))
        host, since = printable(str(facts["host"])), printable(str(facts["since"]))
        kernel, processes = str(facts.get("kernel", "")), str(facts.get("processes", ""))
        return Owner(host, int(facts["pid"]), since, kernel, processes)
    # AttributeError: not an object. RecursionError: nested too deep, as only a hostile file is.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


@contextmanager
def exclusive_writing(
    folder: Path, on_lost: Callable[[], None] = lambda: None, *, wait: float = 0.0
) -> Iterator[None]:
    """Hold the lock of a folder for the duration of the block; one process at a time can.

    Parameters
    ----------
    on_lost : callable
        Called from another thread if another process took the lock over, because this one had not been able
        to renew its heartbeat for a minute (suspended, or cut off from the disk).
    wait : float
        Seconds for another process to end.

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
        lock.acquire(timeout=wait)
        os.utime(folder / LOCK)  # the present moment by the file system's clock, for `_is_alive_elsewhere`
    except Timeout:
        raise BusyError(f"{folder} is being written by {owner_of(folder) or 'another process'}") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}") from None
    me = Owner.this_process()
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
    if not owner.shares_kernel and _is_alive_elsewhere(folder):
        raise BusyError(f"{folder} is being written by {owner}")


@contextmanager
def working_in(folders: Sequence[Path]) -> Iterator[None]:
    """Hold the locks of folders in a worker, whose owner holds that of the folder around them.

    Should the owner be killed, its successor finds these locks held for as long as the worker lives: see
    `wait_for_workers`.

    Raises
    ------
    BusyError
        If another worker holds one of them for longer than one whose owner was killed needs to end.
    """
    with ExitStack() as locks:
        for folder in folders:
            try:
                locks.enter_context(FileLock(folder / LOCK).acquire(timeout=SECONDS_FOR_ORPHANS))
            except Timeout:
                raise _busy_with_worker(folder) from None
        yield


def wait_for_workers(folders: Iterable[Path]) -> None:
    """Wait until no worker of an owner that was killed is left in any of these folders.

    Raises
    ------
    BusyError
        If one is left after ten seconds.
    """
    end = time.monotonic() + SECONDS_FOR_ORPHANS
    for folder in folders:
        try:
            with FileLock(folder / LOCK).acquire(timeout=max(end - time.monotonic(), 0)):
                pass
        except Timeout:
            raise _busy_with_worker(folder) from None


def _busy_with_worker(folder: Path) -> BusyError:
    return BusyError(
        f"{folder} is being written by {owner_of(folder) or 'a worker of a process that is gone'}: wait "
        "until it has ended, or end it"
    )


def writer_lives(folder: Path) -> bool:
    """Return whether the writer of a folder seems to be alive; nothing is touched.

    A hint for displays only. On this host a process with the writer's number is looked for; it may be another
    one that got the same number. For other hosts and containers the heartbeat counts, by this host's clock.
    """
    owner = owner_of(folder)
    if owner is None:
        return False
    if owner.shares_process_numbers:
        return _is_process(owner.pid)
    try:
        return time.time() - (folder / OWNER).stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


@cache
def _kernel() -> str:
    """Return what identifies the running system, even among containers; empty if it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _process_space() -> str:
    """Return what identifies the space of this process's number; empty if the system does not tell."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


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
    if not owner.shares_kernel and _is_alive_elsewhere(folder):
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
