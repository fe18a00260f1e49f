"""The state of a run as a whole, read from its files, while it runs or long after."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparsight.errors import NewerFormatError, SparsightError
from sparsight.recipe import masks_of
from sparsight.store._level_record import RECORD, LevelRecord
from sparsight.store._lock import Owner, owner_of, writer_lives
from sparsight.store._progress_file import TrainingProgress, read_progress
from sparsight.store._run_directory import RunDirectory
from sparsight.store._time_left import LevelTime, ReplicateTime, expected_schedule, seconds_left

State = Literal["running", "finished", "stopped", "damaged", "newer"]


@dataclass(frozen=True, kw_only=True)
class ReplicateState:
    """The state of one replicate of one condition.

    Attributes
    ----------
    levels_expected : int or None
        Levels that it will have at its end; None as long as that is unknown.
    failure : str or None
        Why it could not be finished, if its training diverged.
    last_density, last_accuracy : float or None
        Density and test accuracy of the last stored level.
    progress : TrainingProgress or None
        Of the level that is being trained now.
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


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The state of a run.

    Attributes
    ----------
    state : {"running", "finished", "stopped", "damaged", "newer"}
        ``damaged``: a record cannot be read, and ``sparsight check`` says more. ``newer``: a newer version of
        sparsight wrote it.
    replicates : tuple of ReplicateState
        Empty if the run is damaged or newer.
    owner : Owner or None
        The process that writes to the run, or that did when it died.
    age_seconds : float or None
        Since a level was last stored.
    """

    path: Path
    state: State
    replicates: tuple[ReplicateState, ...]
    owner: Owner | None
    age_seconds: float | None
    problem: str | None = None

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None until a level is stored."""
        jobs = max(sum(each.progress is not None for each in self.replicates), 1)
        return seconds_left([each.time for each in self.replicates], jobs)


def run_state(directory: RunDirectory) -> RunState:
    """Return the state of a run, and change nothing.

    A run that cannot be read gives a state as well and no error: a list of runs must show the others, and a
    live view must not end the run that it shows.
    """
    state: State = "stopped"
    replicates: tuple[ReplicateState, ...] = ()
    problem = None
    try:
        replicates = _replicates(directory)
    except SparsightError as error:
        state = "newer" if isinstance(error, NewerFormatError) else "damaged"
        problem = str(error)
    # Sealed, but not what a run records: only a file that somebody made by hand.
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        state, problem = "damaged", f"its records contradict themselves ({type(error).__name__}: {error})"
    else:
        # Processes of a sweep hold locks of replicates, and none of the run as a whole.
        if any(map(writer_lives, [directory.path, *directory.path.glob("*/replicate_*")])):
            state = "running"
        elif all(each.is_finished or each.failure for each in replicates):
            state = "finished"
    records = list(directory.path.glob(f"*/replicate_*/level_*/{RECORD}"))
    return RunState(
        path=directory.path,
        state=state,
        replicates=replicates,
        owner=owner_of(directory.path),
        age_seconds=time.time() - max(each.stat().st_mtime for each in records) if records else None,
        problem=problem,
    )


def _replicates(directory: RunDirectory) -> tuple[ReplicateState, ...]:
    records = {each: directory.records(*each) for each in directory.replicates()}
    begun = {condition: found[0] for (condition, _), found in records.items() if found}
    return tuple(
        _replicate(directory, condition, replicate, found, begun.get(condition))
        for (condition, replicate), found in records.items()
    )


def _replicate(
    directory: RunDirectory,
    condition: str,
    replicate: int,
    records: list[LevelRecord],
    first: LevelRecord | None,
) -> ReplicateState:
    """Return a replicate's state, from its own records and the first record of its condition."""
    settings = directory.recipe.condition(condition)
    progress = read_progress(directory.replicate(condition, replicate))
    is_finished = bool(records) and records[-1].is_last
    failure = directory.failure(condition, replicate)
    facts = {} if first else _known_task(directory, condition)
    num_levels = _levels_expected(directory, condition, replicate, first, facts)
    num_steps = first.curve.step[-1] if first else settings.training.num_steps(facts.get("num_train", 0))
    schedule = None
    if settings.pruning.masks_from is None:
        schedule = expected_schedule(settings, first.mask_shapes if first else None, facts)

    def steps(level: int) -> int:
        after_rewind = num_steps - (settings.pruning.rewind_step or 0 if level else 0)
        return int(after_rewind * (schedule.stretch(level) if schedule else 1))

    done = tuple(
        LevelTime(steps(record.index), record.train_seconds, record.measure_seconds) for record in records
    )
    to_come = () if is_finished or failure else tuple(map(steps, range(len(records), num_levels or 0)))
    return ReplicateState(
        condition=condition,
        replicate=replicate,
        num_levels=len(records),
        levels_expected=num_levels,
        is_finished=is_finished,
        failure=failure,
        last_density=records[-1].density if records else None,
        last_accuracy=records[-1].test_accuracy if records else None,
        progress=progress,
        time=ReplicateTime(done, to_come, progress.seconds if progress else 0.0, progress is not None),
    )


def _levels_expected(
    directory: RunDirectory,
    condition: str,
    replicate: int,
    first: LevelRecord | None,
    facts: Mapping[str, Any],
) -> int | None:
    """Return how many levels a replicate will have, unless units lose their connections; None if unknown."""
    # A condition that takes another one's masks has the levels of that one.
    origin = directory.recipe.condition(directory.recipe.chain_of_sources(condition)[-1])
    if masks_of(origin.pruning) is not None:  # those of another run, which is noted when the replicate begins
        noted = directory.task_facts(condition, replicate).get("masks_from") or {}
        return noted.get("num_levels")
    schedule = expected_schedule(origin, first.mask_shapes if first else None, facts)
    return len(schedule.num_kept()) if schedule else None


def _known_task(directory: RunDirectory, condition: str) -> dict[str, Any]:
    """Return the facts of a task of the condition, or else of any other; empty before one begins."""
    replicates = sorted(directory.replicates(), key=lambda each: each[0] != condition)
    return next(filter(None, (directory.task_facts(*each) for each in replicates)), {})
