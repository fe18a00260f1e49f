"""Stopping between two steps: signals to one process become a request that all its workers see."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import Any

from joblib import Parallel, delayed

from sparsight.atomic import write_atomically

_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop and has saved where it was; the same call resumes it.

    Attributes
    ----------
    signal_number : int
        The signal that came first.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


@contextmanager
def stopping_on_signals(folder: Path) -> Iterator[None]:
    """Turn SIGINT, SIGTERM, SIGUSR1 and SIGHUP into a request that every worker sees after its next step.

    A second signal of the same kind takes its usual effect, except that a second SIGHUP is ignored. Where
    SIGHUP was ignored before (``nohup``) it stays ignored.

    Parameters
    ----------
    folder : Path
        Folder in which the request appears.

    Raises
    ------
    Interrupted
        At the end of the block, if a signal came.
    """
    received: list[int] = []
    # A process that was killed cannot withdraw its request, and its number may have come to this one.
    _withdraw(folder)
    before: dict[int, Any] = {}

    def ask(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        request_stop(folder)
        # The user may mean a second Ctrl-C: give the signal back. But a terminal that closes often sends two
        # SIGHUP, its shell's and the kernel's, and the second would kill the run while it saves.
        is_hangup = number == getattr(signal, "SIGHUP", None)
        signal.signal(number, signal.SIG_IGN if is_hangup else before[number])

    # Python sets handlers in the main thread only; a run in another thread of a server does without them.
    if threading.current_thread() is threading.main_thread():
        for name in _SIGNALS:
            number = getattr(signal, name, None)  # Windows has two of them
            if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                continue
            before[number] = signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _withdraw(folder)
    if received:
        raise Interrupted(received[0])


def leave_signals_to_owner() -> None:
    """Ignore the signals that a terminal, a batch system or ``kill`` sends to every process of a job.

    The process that holds the run receives them as well and asks its workers to stop. A worker that also
    reacted by itself would die in the middle of a step, before it could save.
    """
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def start_workers(jobs: int) -> None:
    """Start the processes of joblib's pool so that no signal reaches them, not even while they start.

    A worker imports torch for seconds before it can call `leave_signals_to_owner`. It inherits that signals
    are ignored. For this process they are also blocked, and come at the end: a signal that is blocked waits,
    even while it would be ignored.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()  # only there can handlers be set
    if jobs < 2 or not in_main_thread or not hasattr(signal, "pthread_sigmask"):
        return
    # It unblocks SIGINT and SIGTERM when it starts, which the first worker would make it do: they were lost.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _numbers())
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in _numbers()}
    try:
        Parallel(n_jobs=jobs)(delayed(os.getpid)() for _ in range(jobs))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]  # Windows has two of them


# The request is a file. It must reach workers of any kind, which share no memory with their owner and whose
# process numbers joblib does not give away; and they must see it between two steps, when everything is
# consistent. Its name carries the owner's process number, so that two processes that use one folder stop
# independently.


def request_stop(folder: Path, owner_pid: int | None = None) -> None:
    """Ask every worker of a process, by default of this one, to stop after its next step."""
    with suppress(OSError):  # a folder that is gone stops them as well: their next write fails
        write_atomically(_request(folder, owner_pid or os.getpid()), b"", flush=False)


def is_stop_requested(folder: Path, owner_pid: int) -> bool:
    """Return whether the workers of a process were asked to stop."""
    # Called after every step, which may take 100 µs: os.path.exists is the cheapest way to look.
    return os.path.exists(_request(folder, owner_pid))  # noqa: PTH110


def _withdraw(folder: Path) -> None:
    with suppress(OSError):  # the folder does not exist yet, or is gone
        _request(folder, os.getpid()).unlink(missing_ok=True)


def _request(folder: Path, owner_pid: int) -> Path:
    return folder / f".stop-{owner_pid}"
