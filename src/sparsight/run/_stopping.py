"""Stopping between two steps: signals, and what they leave for the workers to see."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop, has saved where it was, and can go on from there.

    Attributes
    ----------
    signal_number : int
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


@contextmanager
def stopping_on_signals(folder: Path) -> Iterator[None]:
    """Turn SIGINT, SIGTERM, SIGUSR1 and SIGHUP into a request that every worker sees after its next step.

    The request is a file in the run directory, so that it reaches processes of any kind. A second signal
    of the same kind does what it always does; but a second SIGHUP is ignored, for a terminal that goes away
    often sends two, its shell's and the kernel's. Where SIGHUP was ignored (``nohup``) it stays so.

    Raises
    ------
    Interrupted
        At the end of the block, if a signal came.
    """
    received: list[int] = []
    _withdraw(folder)
    before: dict[int, Any] = {}

    def ask(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        request_stop(folder)
        is_hangup = number == getattr(signal, "SIGHUP", None)
        signal.signal(number, signal.SIG_IGN if is_hangup else before[number])

    if threading.current_thread() is threading.main_thread():
        for name in _SIGNALS:
            number = getattr(signal, name, None)
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


def ignore_terminal() -> None:
    """Leave what a terminal sends to every process of a job to the one that holds the run.

    That is Ctrl-C, and SIGHUP when the terminal goes away.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def request_stop(folder: Path, holder: int | None = None) -> None:
    """Ask every worker of a process, by default of this one, to stop after its next step."""
    with suppress(OSError):  # a folder that is gone stops them too
        _request(folder, holder or os.getpid()).touch()


def is_stop_requested(folder: Path, holder: int) -> bool:
    """Return whether the process that holds the run was asked to stop."""
    return os.path.exists(_request(folder, holder))  # noqa: PTH110 - after every step: the cheapest there is


def _withdraw(folder: Path) -> None:
    with suppress(OSError):  # nobody else looks at the request of a process that is gone
        _request(folder, os.getpid()).unlink(missing_ok=True)


def _request(folder: Path, holder: int) -> Path:
    return folder / f".stop-{holder}"
