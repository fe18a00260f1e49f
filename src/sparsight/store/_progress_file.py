"""Progress of a replicate: a small file that its process renews while it trains, for displays only."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sparsight.atomic import write_atomically
from sparsight.regular_files import read_regular
from sparsight.store._containment import run_around

PROGRESS = ".progress.json"
SECONDS_BETWEEN = 1.0


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """How far the training of a replicate is.

    Attributes
    ----------
    step, num_steps : int
        Counted from the start of a training of the dense network; a rewound level starts at a later step.
    test_accuracy : float or None
        At the last evaluation of this level.
    seconds : float
        Since this process began the level.
    """

    level: int
    step: int
    num_steps: int
    density: float
    test_accuracy: float | None
    seconds: float


def write_progress(folder: Path, progress: TrainingProgress) -> None:
    """Replace the progress file of a replicate; errors are ignored.

    The file is not a result. It is not flushed to the disk, which would cost a training step every second,
    and a full disk is reported by the next level or checkpoint.
    """
    with suppress(OSError):
        content = json.dumps(asdict(progress)).encode()
        write_atomically(folder / PROGRESS, content, inside=run_around(folder / "level"), flush=False)


def read_progress(folder: Path) -> TrainingProgress | None:
    """Return a replicate's progress, or None if the file is missing or unreadable."""
    try:
        facts = json.loads(read_regular(folder / PROGRESS))
        return TrainingProgress(**facts)
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def forget_progress(folder: Path) -> None:
    """Remove a replicate's progress file: it is no longer training."""
    with suppress(OSError):
        (folder / PROGRESS).unlink(missing_ok=True)


class ProgressClock:
    """Says when to renew the progress file, and how long the present level has taken."""

    def __init__(self) -> None:
        self.level: int | None = None
        self._level_began = time.monotonic()
        self._last = -SECONDS_BETWEEN

    def is_due(self, level: int) -> bool:
        """Return True for the first call of each level, and then at most once a second."""
        now = time.monotonic()
        if level != self.level:
            self.level, self._level_began, self._last = level, now, -SECONDS_BETWEEN
        if now - self._last < SECONDS_BETWEEN:
            return False
        self._last = now
        return True

    def seconds(self) -> float:
        """Return the seconds since the level began."""
        return time.monotonic() - self._level_began
