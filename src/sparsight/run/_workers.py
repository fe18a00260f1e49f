"""Worker processes side by side: one that is killed loses its own item, and the others go on."""

import gc
import importlib
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from sparsight.run._stopping import leave_signals_to_owner, out_of_reach_of_signals

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Variables from which numerical libraries take their number of threads when they are loaded."""

_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class WorkerDeath:
    """The end of a worker that nobody asked for; `cause` names its signal or its exit status."""

    cause: str

    @classmethod
    def for_want_of_memory(cls) -> "WorkerDeath":
        """Return the end of a worker to which the system refused memory."""
        return cls("memory")

    def __str__(self) -> str:
        """Return what happened, in words."""
        if "SIGKILL" in self.cause:
            return "its process was killed (SIGKILL), as the system does when memory runs out"
        if self.cause == "memory":
            return "its process ran out of memory"
        return f"its process ended by itself ({self.cause})"


class Workers(Generic[_Item, _Result]):
    """Processes that work through items, each one item at a time; with one job, this process does it.

    A pool of joblib ends all its workers if one of them is killed, and does not say which item that one had.
    Here each worker has a pool of its own. Use it as a context manager, which ends the workers.
    """

    def __init__(self, jobs: int, call: Callable[[_Item], _Result]) -> None:
        self._call = call
        self._seats = [_Seat(jobs) for _ in range(jobs)] if jobs > 1 else []

    def __enter__(self) -> "Workers[_Item, _Result]":
        return self

    def __exit__(self, *exception: object) -> None:
        for seat in self._seats:
            seat.leave()

    def work_through(
        self, items: Sequence[_Item], on_error: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[_Item, _Result | WorkerDeath]]:
        """Yield every item with its result, in the order in which they end.

        If the call raises an exception, no further item is begun, `on_error` is called, and once the items
        that were begun have ended the exception is raised.
        """
        if not self._seats:
            yield from ((item, self._call(item)) for item in items)
            return
        waiting, free = deque(items), deque(self._seats)
        begun: dict[Future[_Result], tuple[_Seat, _Item]] = {}

        def begin_next() -> None:
            while free and waiting:
                seat, item = free.popleft(), waiting.popleft()
                begun[seat.begin(self._call, item)] = seat, item

        try:
            begin_next()
            while begun:
                for future in wait(begun, return_when=FIRST_COMPLETED).done:
                    seat, item = begun.pop(future)
                    try:
                        end = seat.end_of(future)
                    except Exception:
                        on_error()
                        wait(begun)
                        raise
                    free.append(seat)
                    begin_next()  # before whoever takes the results does something with this one
                    yield item, end
        except BaseException:
            self.__exit__()  # a second Ctrl-C, or whoever takes the results has had enough: wait for nobody
            raise


def _begin(owner_pid: int) -> None:
    """Let this worker leave signals to its owner, and end soon after it, even if idle or within a long step.

    Without an owner nobody renews the lock, and nobody is left to report to. Every file is written under a
    temporary name, so that a worker may end at any moment.
    """
    leave_signals_to_owner()

    def watch() -> None:
        while os.getppid() == owner_pid:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    # What is imported stays: to look for cycles in it, again and again while it grows, takes a tenth of the
    # time that importing takes.
    gc.disable()
    importlib.import_module("sparsight.run._replicates")
    gc.freeze()
    gc.enable()


class _Seat:
    """The place of one worker: it gets a new one if the former was killed."""

    def __init__(self, jobs: int) -> None:
        # What the user set stays; otherwise the libraries of all workers together take each core once.
        share = max(joblib.cpu_count() // jobs, 1)
        self._environment = {name: os.environ.get(name, str(share)) for name in THREAD_VARIABLES}
        self._pool: Any = None

    def begin(self, call: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
        """Let the worker begin an item."""
        if self._pool is not None:
            try:
                return self._submit(call, item)
            except BrokenProcessPool:  # killed while it had nothing to do
                self.leave()
        with out_of_reach_of_signals():
            self._pool = ProcessPoolExecutor(
                1, env=self._environment, initializer=_begin, initargs=(os.getpid(),)
            )
            return self._submit(call, item)

    def end_of(self, future: Future[_Result]) -> _Result | WorkerDeath:
        """Return the result of an item that has ended, or raise what it raised."""
        try:
            return future.result()
        except BrokenProcessPool as error:
            self.leave()
            causes = re.search(r"\{(.+?)\}", str(error))
            return WorkerDeath(causes[1] if causes else "for an unknown reason")

    def leave(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=True)

    def _submit(self, call: Callable[[_Item], _Result], item: _Item) -> Future[_Result]:
        future: Future[_Result] = self._pool.submit(call, item)
        return future
