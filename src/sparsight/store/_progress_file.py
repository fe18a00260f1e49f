"""How far a replicate is, in a small file that its process renews while it trains."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PROGRESS = ".progress.json"
SECONDS_BETWEEN = 1.0


@dataclass(frozen=True)
class TrainingProgress:
    """Where the training of a replicate is.

    Attributes
    ----------
    level : int
    step, num_steps : int
        Steps done of those of a training of the dense network; a rewound level starts at a later step.
    density : float
    test_accuracy : float or None
        At the last evaluation of this level.
    seconds : float
        Since this level began, in this process.
    """

    level: int
    step: int
    num_steps: int
    density: float
    test_accuracy: float | None
    seconds: float


def write_progress(folder: Path, progress: TrainingProgress) -> None:
    """Replace the progress file of a replicate. It is no result: nothing is flushed, and errors pass."""
    temporary = folder / f".{PROGRESS}.{os.getpid()}.tmp"
    try:
        temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        temporary.replace(folder / PROGRESS)
    except OSError:
        return


def read_progress(folder: Path) -> TrainingProgress | None:
    """Read a replicate's progress file; None if there is none, or it is not (yet) readable."""
    try:
        facts = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        return TrainingProgress(**facts)
    except (OSError, ValueError, TypeError):
        return None


def forget_progress(folder: Path) -> None:
    """Remove a replicate's progress file: it trains no more."""
    try:
        (folder / PROGRESS).unlink(missing_ok=True)
    except OSError:
        return


class ProgressClock:
    """Says when it is time to renew the file, and how long the level has taken.

    Attributes
    ----------
    level : int or None
        The one last asked about.
    """

    def __init__(self) -> None:
        self.level: int | None = None
        self._level_began = time.monotonic()
        self._last = -SECONDS_BETWEEN

    def is_due(self, level: int) -> bool:
        """Return whether a second has passed since it was last due, or another level has begun."""
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
