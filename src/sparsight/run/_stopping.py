"""Stopping between two steps: signals to one process become a request that all its workers see."""

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import Any

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
def stopping_on_signals(request: Path) -> Iterator[None]:
    """Turn SIGINT, SIGTERM, SIGUSR1 and SIGHUP into a request that every worker sees after its next step.

    A second signal of the same kind takes its usual effect, except that a second SIGHUP is ignored. Where
    SIGHUP was ignored before (``nohup``) it stays ignored.

    Parameters
    ----------
    request : Path
        Where the request appears: see `stop_request_in`.

    Raises
    ------
    Interrupted
        At the end of the block, if a signal came.
    """
    received: list[int] = []
    before: dict[int, Any] = {}

    def ask(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        request_stop(request)
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
        with suppress(OSError):  # the folder is gone
            request.unlink(missing_ok=True)
    if received:
        raise Interrupted(received[0])


def leave_signals_to_owner() -> None:
    """Ignore the signals that a terminal, a batch system or ``kill`` sends to every process of a job.

    The process that holds the run receives them as well and asks its workers to stop. A worker that also
    reacted by itself would die in the middle of a step, before it could save.
    """
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _numbers())


@contextmanager
def out_of_reach_of_signals() -> Iterator[None]:
    """Let no signal reach the processes that the block begins, not even while they start.

    A worker imports torch for seconds before it can call `leave_signals_to_owner`. It inherits that this
    thread blocks signals. This process receives them in another thread or at the end of the block. It must
    not ignore them for the worker to inherit that: another thread would take a signal and drop it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # It unblocks SIGINT and SIGTERM when it starts, and the first worker would make it do so.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _numbers())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]  # Windows has two of them


# The request is a file. It must reach workers of any kind, which share no memory with their owner and whose
# process numbers their pools do not give away; and they must see it between two steps, when everything is
# consistent.


def stop_request_in(folder: Path) -> Path:
    """Return where the request to stop of one call appears, in a folder that its workers can see.

    The name is drawn at random, so that calls that use one folder stop independently: two containers may
    have the same process number, and so may a process that was killed before it withdrew its request.
    """
    return folder / f".stop-{os.getpid()}-{secrets.token_hex(4)}"


def request_stop(request: Path) -> None:
    """Ask every worker that looks for this request to stop after its next step."""
    with suppress(OSError):  # a folder that is gone stops them as well: their next write fails
        write_atomically(request, b"", flush=False)


def is_stop_requested(request: Path) -> bool:
    """Return whether the workers that look for this request were asked to stop."""
    # Called after every step, which may take 100 µs: os.path.exists is the cheapest way to look.
    return os.path.exists(request)  # noqa: PTH110
