"""Watching a run: workers look out for a request to stop, the holder for the levels they leave."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sparsight.prune import Progress
from sparsight.run._stopping import is_stop_requested
from sparsight.store import ProgressClock, RunDirectory, TrainingProgress, write_checkpoint, write_progress

OnLevel = Callable[[RunDirectory, str, int, int], None]
"""Called with the run, condition, replicate and level once a level is stored."""

OnLook = Callable[[RunDirectory], None]
"""Called with the run, again and again while it runs."""

_SECONDS_BETWEEN_LOOKS = 0.5


class Stop(Exception):  # noqa: N818 - a request, not an error
    """The holder of the run was asked to stop; where this replicate is has been saved."""


class StepWatch:
    """What a worker does after every step: see whether it should stop, and save where its replicates are.

    Parameters
    ----------
    folders : sequence of Path
        Of the replicates; their checkpoints go there.
    holder : Path
        The folder in which a request to stop appears.
    owner : int
        The process that holds the run. When it is gone, this one ends at once.
    seconds : float
        Between checkpoints.
    """

    def __init__(self, folders: Sequence[Path], holder: Path, owner: int, seconds: float) -> None:
        self.folders = folders
        self.holder = holder
        self.owner = owner
        self.seconds = seconds
        self.last_saved = time.monotonic()
        self.clock = ProgressClock()

    def __call__(self, progress: Mapping[int, Progress]) -> None:
        """Raise `Stop` if the run is to stop, after saving the progress of each replicate, by position."""
        if self.owner not in (os.getpid(), os.getppid()):
            os._exit(1)  # between two steps: no file is open, and nobody is left to report to
        level = next((each.level for each in progress.values()), None)
        if level is not None and self.clock.is_due(level):
            for position, each in progress.items():
                write_progress(self.folders[position], _training_progress(each, self.clock.seconds()))
        stop = is_stop_requested(self.holder, self.owner)
        if stop or time.monotonic() - self.last_saved > self.seconds:
            for position, each in progress.items():
                write_checkpoint(self.folders[position], each)
            self.last_saved = time.monotonic()
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
    """Watch the run directory, where workers of any kind leave their levels.

    Calls `on_level` for each new one, and `on_look` twice a second. An `OSError` of theirs passes: where they
    write to may be gone (a terminal, a pipe), and the run shall go on.
    """
    seen: dict[tuple[str, int], int] = {unit: directory.num_levels(*unit) for unit in directory.replicates()}
    done = threading.Event()

    def announce() -> None:
        for unit, num_seen in list(seen.items()):
            seen[unit] = directory.num_levels(*unit)
            for index in range(num_seen, seen[unit]):
                if on_level is not None:
                    with suppress(OSError):
                        on_level(directory, *unit, index)
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
        announce()
