"""Where a run is as a whole: read from its files, while it runs or long after."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparsight.errors import SparsightError
from sparsight.store._level_record import PAGE
from sparsight.store._lock import Owner, owner_of, writer_lives
from sparsight.store._progress_file import TrainingProgress, read_progress
from sparsight.store._run_directory import RunDirectory
from sparsight.store._time_left import LevelTime, ReplicateTime, expected_schedule, seconds_left

State = Literal["running", "finished", "stopped", "damaged"]


@dataclass(frozen=True)
class ReplicateState:
    """Where one replicate of one condition is.

    Attributes
    ----------
    condition : str
    replicate : int
    num_levels : int
        Stored.
    levels_expected : int or None
        None before the first is stored.
    is_finished : bool
    failure : str or None
    last_density : float or None
        Of the last stored level.
    last_accuracy : float or None
        On the test split, of the last stored level.
    progress : TrainingProgress or None
        Of the level that trains now.
    time : ReplicateTime
    """

    condition: str
    replicate: int
    num_levels: int
    levels_expected: int | None
    is_finished: bool
    failure: str | None
    last_density: float | None
    last_accuracy: float | None
    progress: TrainingProgress | None
    time: ReplicateTime


@dataclass(frozen=True)
class RunState:
    """Where a run is.

    Attributes
    ----------
    path : Path
    state : {"running", "finished", "stopped", "damaged"}
        ``damaged``: a page cannot be read; ``sparsight check`` says more.
    units : tuple of ReplicateState
    owner : Owner or None
        Who writes to it, or wrote and died.
    age_seconds : float or None
        Since a level was stored last.
    problem : str or None
        With ``damaged``.
    """

    path: Path
    state: State
    units: tuple[ReplicateState, ...]
    owner: Owner | None
    age_seconds: float | None
    problem: str | None = None

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None before a level is done."""
        jobs = max(sum(unit.progress is not None for unit in self.units), 1)
        return seconds_left([unit.time for unit in self.units], jobs)


def run_state(directory: RunDirectory) -> RunState:
    """Look where a run is; nothing is changed.

    Parameters
    ----------
    directory : RunDirectory
    """
    owner = owner_of(directory.path)
    pages = list(directory.path.glob(f"*/replicate_*/level_*/{PAGE}"))
    age = time.time() - max(page.stat().st_mtime for page in pages) if pages else None
    try:
        units = _units(directory)
    except SparsightError as error:
        return RunState(directory.path, "damaged", (), owner, age, str(error))
    state: State = "stopped"
    if any(map(writer_lives, [directory.path, *directory.path.glob("*/replicate_*")])):
        state = "running"
    elif all(unit.is_finished or unit.failure for unit in units):
        state = "finished"
    return RunState(directory.path, state, units, owner, age)


def _units(directory: RunDirectory) -> tuple[ReplicateState, ...]:
    pages = {unit: directory.records(*unit) for unit in directory.replicates()}
    begun = {condition: found[0] for (condition, _), found in pages.items() if found}
    return tuple(_unit(directory, *unit, found, begun.get(unit[0])) for unit, found in pages.items())


def _unit(
    directory: RunDirectory,
    condition: str,
    replicate: int,
    pages: list[dict[str, Any]],
    first: dict[str, Any] | None,
) -> ReplicateState:
    """Return a replicate's state, from its own records and the first record of its condition."""
    settings = directory.recipe.condition(condition)
    progress = read_progress(directory.replicate(condition, replicate))
    is_finished = bool(pages) and bool(pages[-1]["is_last"])
    failure = directory.failure(condition, replicate)
    facts = {} if first else _known_task(directory, condition)
    schedule = expected_schedule(settings, first["mask_shapes"] if first else None, facts)
    num_levels = len(schedule.num_kept()) if schedule else None
    num_steps = (
        first["curve"]["step"][-1] if first else settings.training.num_steps(facts.get("num_train", 0))
    )

    def steps(level: int) -> int:
        return int(num_steps - (settings.pruning.rewind_step or 0 if level else 0))

    done = tuple(
        LevelTime(steps(page["index"]), page["train_seconds"], page["measure_seconds"]) for page in pages
    )
    to_come = () if is_finished or failure else tuple(map(steps, range(len(pages), num_levels or 0)))
    return ReplicateState(
        condition,
        replicate,
        len(pages),
        num_levels,
        is_finished,
        failure,
        pages[-1]["density"] if pages else None,
        pages[-1]["curve"]["test_accuracy"][-1] if pages else None,
        progress,
        ReplicateTime(
            done,
            to_come,
            progress.seconds if progress else 0.0,
            progress is not None,
        ),
    )


def _known_task(directory: RunDirectory, condition: str) -> dict[str, Any]:
    """Return the facts of a task of the condition, or else of any; empty before the first begins."""
    units = sorted(directory.replicates(), key=lambda unit: unit[0] != condition)
    return next(filter(None, (directory.task_facts(*unit) for unit in units)), {})
