"""Which files of a run are whole, and what is to be computed again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparsight.errors import InputError, SparsightError
from sparsight.store._level_files import MEASURES, check_level
from sparsight.store._level_record import PAGE, read_record
from sparsight.store._run_directory import FAILURE, TASK, RunDirectory
from sparsight.store._sealed_json import read_sealed


@dataclass(frozen=True)
class ReplicateHealth:
    """What the files of one replicate of one condition are worth.

    Attributes
    ----------
    condition : str
    replicate : int
    num_stored : int
        Levels, counted from 0 without a gap.
    last_good : int or None
        The last level up to which weights, masks and pages are whole.
    unmeasured : tuple of int
        Levels up to there whose measures are damaged: these can be made again without training.
    problems : tuple of str
        One line for each file that is not whole.
    has_end : bool
        Whether the level at which pruning ends is there and whole.
    failure : str or None
        Why the replicate could not be finished, if its training diverged.
    """

    condition: str
    replicate: int
    num_stored: int
    last_good: int | None
    unmeasured: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()
    has_end: bool = False
    failure: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.has_end and not self.unmeasured

    @property
    def remedy(self) -> str:
        """What `run` will do, in words; empty if nothing."""
        first = 0 if self.last_good is None else self.last_good + 1
        words = []
        if self.unmeasured:
            words.append(f"measure level {', '.join(map(str, self.unmeasured))} again")
        if self.num_stored > first:
            words.append(f"set aside what is stored from level {first} on and train it again")
        elif not self.has_end:
            words.append(f"train from level {first} on")
        return ", ".join(words)


def check_replicate(directory: RunDirectory, condition: str, replicate: int) -> ReplicateHealth:
    """Verify every file of one replicate against its digest; nothing is changed.

    Parameters
    ----------
    directory : RunDirectory
    condition : str
    replicate : int

    Raises
    ------
    NewerFormatError
        If a newer version wrote it.
    """
    stored = directory.num_levels(condition, replicate)
    problems = list(_problems_around(directory, condition, replicate, stored))
    unmeasured: list[int] = []
    last_good = None
    has_end = False
    for index in range(stored):
        folder = directory.level(condition, replicate, index)
        found = check_level(folder)
        problems += found.values()
        if set(found) - {MEASURES}:
            problems += _later_problems(directory, condition, replicate, range(index + 1, stored))
            break
        if found:
            unmeasured.append(index)
        last_good = index
        has_end = index == stored - 1 and read_record(folder)["is_last"]
    return ReplicateHealth(
        condition,
        replicate,
        stored,
        last_good,
        tuple(unmeasured),
        tuple(problems),
        has_end,
        failure=_failure(directory, condition, replicate),
    )


def check_run(directory: RunDirectory) -> tuple[list[str], list[ReplicateHealth]]:
    """Verify every file of a run.

    Returns
    -------
    problems : list of str
        With files that belong to the whole run.
    replicates : list of ReplicateHealth

    Raises
    ------
    NewerFormatError
        If a newer version wrote it.
    """
    problems = []
    for page in sorted(directory.path.glob("[!.]*.json")):
        try:
            read_sealed(page)
        except InputError as error:
            problems.append(str(error))
    return problems, [check_replicate(directory, *unit) for unit in directory.replicates()]


def set_aside_damaged(directory: RunDirectory, health: ReplicateHealth) -> list[Path]:
    """Rename what is not whole, and what was computed from it, to ``….damaged``.

    Parameters
    ----------
    directory : RunDirectory
    health : ReplicateHealth

    Returns
    -------
    list of Path
        Where they are now.
    """
    first = 0 if health.last_good is None else health.last_good + 1
    folders = [
        directory.level(health.condition, health.replicate, index)
        for index in range(first, health.num_stored)
    ]
    return [_set_aside(folder) for folder in folders]


def _later_problems(directory: RunDirectory, condition: str, replicate: int, indices: range) -> Iterator[str]:
    for index in indices:
        yield from check_level(directory.level(condition, replicate, index)).values()


def _problems_around(
    directory: RunDirectory, condition: str, replicate: int, num_stored: int
) -> Iterator[str]:
    folder = directory.replicate(condition, replicate)
    for name in (TASK, FAILURE):
        if (folder / name).exists():
            try:
                read_sealed(folder / name)
            except SparsightError as error:
                yield str(error)
    for page in sorted(folder.glob(f"level_[0-9]*[0-9]/{PAGE}")):
        if page.parent.name > directory.level(condition, replicate, num_stored).name:
            yield f"{page.parent} is cut off: level {num_stored}, before it, is not there"


def _failure(directory: RunDirectory, condition: str, replicate: int) -> str | None:
    path = directory.replicate(condition, replicate) / FAILURE
    try:
        return str(read_sealed(path)["message"]) if path.is_file() else None
    except (SparsightError, KeyError):
        return None


def _set_aside(folder: Path) -> Path:
    target, number = folder.with_name(f"{folder.name}.damaged"), 1
    while target.exists():
        number += 1
        target = folder.with_name(f"{folder.name}.damaged{number}")
    return folder.rename(target)
