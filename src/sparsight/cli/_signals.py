"""Signals to the command line: one line and the exit status, whatever is going on.

While a run trains, `sparsight.run.stopping_on_signals` takes the place of this, and saves. Before and after,
and in every other command, nothing needs to be saved: what is stored is stored whole.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

STOPPED = "stopped; the same command resumes it"

_SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
_IMPORTING = "<frozen importlib._bootstrap>"


class Stopped(KeyboardInterrupt):
    """A signal came while nothing had to be saved; `signal_number` says which."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number


@contextmanager
def answering_signals() -> Iterator[None]:
    """Raise `Stopped` in the block when a signal comes, or end the process at once during an import.

    Where SIGHUP was ignored before (``nohup``) it stays ignored.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # Python sets handlers in no other
        for name in _SIGNALS:
            number = getattr(signal, name, None)  # Windows has two of them
            if number is None or signal.getsignal(number) is signal.SIG_IGN:
                continue
            before[number] = signal.signal(number, _answer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answer(number: int, frame: FrameType | None) -> None:
    # Compiled modules turn an exception of their imports into another one, print it, or lose it.
    if _is_importing(frame):
        _end(number)
    signal.signal(number, signal.SIG_DFL)  # a second signal need not be answered in words
    raise Stopped(number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False


def _end(number: int) -> None:
    with suppress(Exception):
        sys.stdout.flush()
    with suppress(OSError):  # the terminal is gone
        os.write(2, f"sparsight: {STOPPED}\n".encode())
    os._exit(128 + number)
