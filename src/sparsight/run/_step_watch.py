"""Watching a run: workers look for a request to stop, and the owner for the levels that they store."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sparsight.prune import Progress
from sparsight.run._plan import Execution
from sparsight.run._stopping import is_stop_requested
from sparsight.store import ProgressClock, RunDirectory, TrainingProgress, write_checkpoint, write_progress

OnLevel = Callable[[RunDirectory, str, int, int], None]
"""Called with the run, condition, replicate and level once a level is stored."""

OnLook = Callable[[RunDirectory], None]
"""Called with the run, again and again while it runs."""

_SECONDS_BETWEEN_LOOKS = 0.5
"""Each look counts the levels of every replicate on the disk, which may be a slow network file system."""


class Stop(Exception):  # noqa: N818 - a request, not an error
    """The owner was asked to stop; where the replicates are has been saved."""


def exit_if_orphaned(owner_pid: int) -> None:
    """End this worker at once if its owner is gone.

    Without an owner nobody renews the lock, and the next command takes it over. A worker that stayed would
    write to the same files as its successor. Nothing is cleaned up: between two steps no file is open, and
    nobody is left to report to.
    """
    if owner_pid not in (os.getpid(), os.getppid()):
        os._exit(1)


class StepWatch:
    """What a worker does after every step: look whether it should stop, and save where its replicates are."""

    def __init__(self, folders: Sequence[Path], execution: Execution) -> None:
        self._folders = folders
        self._execution = execution
        self._last_saved = time.monotonic()
        self._clock = ProgressClock()

    def __call__(self, progress: Mapping[int, Progress]) -> None:
        """Save what is due, and raise `Stop` if the run is to stop.

        `progress` holds the replicates that took the step, by position in `folders`.
        """
        how = self._execution
        exit_if_orphaned(how.owner_pid)
        level = next((each.level for each in progress.values()), None)
        if level is not None and self._clock.is_due(level):
            for position, each in progress.items():
                write_progress(self._folders[position], _training_progress(each, self._clock.seconds()))
        stop = is_stop_requested(how.stop_request)
        if stop or time.monotonic() - self._last_saved > how.checkpoint_seconds:
            for position, each in progress.items():
                write_checkpoint(self._folders[position], each)
            self._last_saved = time.monotonic()
        if stop:
            raise Stop


def _training_progress(progress: Progress, seconds: float) -> TrainingProgress:
    trainer = progress.trainer
    accuracies = trainer.curve.test_accuracy
    return TrainingProgress(
        level=progress.level,
        step=trainer.step,
        num_steps=trainer.num_steps,
        density=progress.density,
        test_accuracy=accuracies[-1] if accuracies else None,
        seconds=seconds,
    )


@contextmanager
def announcing(
    directory: RunDirectory, on_level: OnLevel | None, on_look: OnLook | None = None
) -> Iterator[None]:
    """Call `on_level` for each level that workers store, and `on_look` twice a second.

    Workers are other processes and leave nothing but files: a thread looks at the run directory. An `OSError`
    of either function is ignored, since the terminal or pipe that it prints to may be gone, and the run must
    continue.
    """
    seen = {replicate: directory.num_levels(*replicate) for replicate in directory.replicates()}
    done = threading.Event()

    def announce() -> None:
        for replicate, num_seen in list(seen.items()):
            seen[replicate] = directory.num_levels(*replicate)
            for index in range(num_seen, seen[replicate]):
                if on_level is not None:
                    with suppress(OSError):
                        on_level(directory, *replicate, index)
        if on_look is not None:
            with suppress(OSError):
                on_look(directory)

    def watch() -> None:
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            announce()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        announce()  # levels stored since the last look
