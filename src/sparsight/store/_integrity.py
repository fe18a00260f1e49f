"""Integrity of a run: which files are whole, and what has to be computed again.

Nothing that can be damaged is deleted. Files that are not whole, and the levels that were computed from them,
are renamed, so that a mistake of this check loses nothing. A file of a newer format is not damaged: it raises
`NewerFormatError`, and nothing is set aside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from sparsight.atomic import sha256_of
from sparsight.errors import InputError, NewerFormatError, SparsightError
from sparsight.store._crossover_file import CROSSOVERS, read_crossovers
from sparsight.store._identity import identity_problem
from sparsight.store._level_files import MEASURES, check_level, read_initial_masks, read_masks
from sparsight.store._level_record import RECORD, read_record
from sparsight.store._run_directory import (
    ENVIRONMENT,
    FAILURE,
    RECIPE,
    TASK,
    RunDirectory,
    level_name,
)
from sparsight.store._sealed_json import read_sealed, refuse_newer


@dataclass(frozen=True, kw_only=True)
class ReplicateHealth:
    """The state of the files of one replicate of one condition.

    Attributes
    ----------
    num_stored : int
        Levels, counted from 0 up to the first gap.
    last_good : int or None
        The last level up to which all weights, masks and records are whole; None if level 0 is not.
    unmeasured : tuple of int
        Levels up to `last_good` whose measures are damaged; they can be measured again without training.
    problems : tuple of str
        One line for each file that is not whole.
    has_end : bool
        Whether the level at which pruning ends is stored, and every level up to it is whole.
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
    def first_bad(self) -> int:
        """The first level that is not whole or not stored."""
        return 0 if self.last_good is None else self.last_good + 1

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.has_end and not self.unmeasured

    @property
    def remedy(self) -> str:
        """The steps that `run` will take, in words; empty if none."""
        steps = []
        if self.unmeasured:
            steps.append(f"measure level {', '.join(map(str, self.unmeasured))} again")
        if self.num_stored > self.first_bad:
            steps.append(f"set aside what is stored from level {self.first_bad} on and train it again")
        elif not self.has_end:
            steps.append(f"train from level {self.first_bad} on")
        return ", ".join(steps)


def check_replicate(directory: RunDirectory, condition: str, replicate: int) -> ReplicateHealth:
    """Verify every file of one replicate against its digest, and change nothing.

    Raises
    ------
    NewerFormatError
        If a newer version wrote a file.
    """
    stored = directory.num_levels(condition, replicate)
    folders = [directory.level(condition, replicate, index) for index in range(stored)]
    problems = list(_problems_around(directory, condition, replicate, stored))
    unmeasured: list[int] = []
    last_good = None
    for index, folder in enumerate(folders):
        found = check_level(folder)
        if RECORD not in found:
            misplaced = _misplaced(directory, condition, replicate, index, folder)
            found |= {RECORD: misplaced} if misplaced else {}
        problems += found.values()
        # Every level continues from the weights and masks of the one before: after the first level that lost
        # them none counts. Measures are different, because nothing is computed from them.
        if set(found) - {MEASURES}:
            for later in folders[index + 1 :]:
                problems += check_level(later).values()
            break
        if found:
            unmeasured.append(index)
        last_good = index
    return ReplicateHealth(
        condition=condition,
        replicate=replicate,
        num_stored=stored,
        last_good=last_good,
        unmeasured=tuple(unmeasured),
        problems=tuple(problems),
        has_end=stored > 0 and last_good == stored - 1 and read_record(folders[-1]).is_last,
        failure=_failure(directory, condition, replicate),
    )


def check_run(directory: RunDirectory) -> tuple[list[str], list[ReplicateHealth]]:
    """Verify every file of a run, and change nothing.

    Returns
    -------
    problems : list of str
        One line for each damaged file that belongs to the run as a whole.
    replicates : list of ReplicateHealth
        Without those of which a newer version wrote a file; `problems` says so.
    """
    problems = []
    if not (directory.path / ENVIRONMENT).is_file():
        problems.append(
            f"{directory.path / ENVIRONMENT} is missing: nothing says which versions made the run, or "
            f"whether {RECIPE} is the original"
        )
    for path in sorted(directory.path.glob("[!.]*.json")):
        try:
            read_crossovers(path) if path.name == CROSSOVERS else read_sealed(path)
        except SparsightError as error:
            problems.append(str(error))
    replicates = []
    for each in directory.replicates():
        try:
            replicates.append(check_replicate(directory, *each))
        except NewerFormatError:  # nobody knows what to compute again; the other replicates can be checked
            problems += _problems_without_recipe(directory.replicate(*each))
    problems += [line for line in _problems_of_own_code(directory) if line not in problems]
    return problems, replicates


def check_without_recipe(path: Path) -> list[str]:
    """Return a line for each damaged file of a run whose recipe cannot be read; nothing is changed."""
    problems = _problems_of_json(path)
    for folder in sorted(path.glob("*/replicate_*")):
        problems += _problems_without_recipe(folder)
    return problems


def newer_files(path: Path) -> list[str]:
    """Return a line for each file of a run that a newer version wrote: it is not damaged, and not checked."""
    found = []
    for place in ("", "*/replicate_*/", "*/replicate_*/level_[0-9]*[0-9]/"):
        for file in sorted(path.glob(f"{place}[!.]*.json")):
            try:
                refuse_newer(file)
            except NewerFormatError as error:
                found.append(str(error))
    return found


def _problems_of_json(folder: Path) -> list[str]:
    problems: list[str] = []
    for file in sorted(folder.glob("[!.]*.json")):
        try:
            read_sealed(file)
        except SparsightError as error:
            problems.append(str(error))
    return problems


def _problems_without_recipe(folder: Path) -> list[str]:
    """Return the problems of a replicate's files, each looked at by itself."""
    problems = _problems_of_json(folder)
    for level in sorted(folder.glob("level_[0-9]*[0-9]")):
        try:
            problems += check_level(level).values()
        except NewerFormatError as error:
            problems.append(str(error))
    return problems


def set_aside_damaged(directory: RunDirectory, health: ReplicateHealth) -> list[Path]:
    """Rename levels that are not whole, and those computed from them, to ``….damaged``; return the paths."""
    # The last level first: levels are counted up to the first gap, so that a process that is killed in
    # between leaves a shorter run, and never whole levels beyond a gap that would be taken for its end.
    stored = range(health.first_bad, health.num_stored)
    aside = [
        _set_aside(directory.level(health.condition, health.replicate, index)) for index in reversed(stored)
    ]
    return aside[::-1]


def _problems_around(
    directory: RunDirectory, condition: str, replicate: int, num_stored: int
) -> Iterator[str]:
    """Yield the problems of a replicate that are not within a level counted as stored."""
    folder = directory.replicate(condition, replicate)
    identity = directory.identity_problem(condition, replicate)
    if identity is not None:
        yield f"{folder / TASK} is of another replicate or other settings: {identity}"
    for name in (TASK, FAILURE):
        if (folder / name).exists():
            try:
                read_sealed(folder / name)
            except InputError as error:
                yield str(error)
    for record in sorted(folder.glob(f"level_[0-9]*[0-9]/{RECORD}")):
        if record.parent.name > directory.level(condition, replicate, num_stored).name:
            yield f"{record.parent} is cut off: level {num_stored}, before it, is missing"


def _misplaced(
    directory: RunDirectory, condition: str, replicate: int, index: int, folder: Path
) -> str | None:
    """Return in which way a level that is whole is not the one of its place."""
    record, seed = read_record(folder), directory.recipe.replicate_seed(replicate)
    where = f"{folder / RECORD} is of another place"
    if record.index != index:
        return f"{where}: it is of level {record.index}"
    if record.seed != seed:
        return f"{where}: its seed is {record.seed}, and that of replicate {replicate} is {seed}"
    problem = identity_problem(record.identity, directory.recipe, condition, replicate)
    if problem is not None:
        return f"{where}: {problem}"
    if index == 0:
        return None
    try:
        expected = read_masks(folder.with_name(level_name(index - 1)))[1]
        masks = read_initial_masks(folder)
    except InputError:  # damaged, which is reported with the file
        return None
    if masks.keys() != expected.keys() or any(not torch.equal(masks[key], expected[key]) for key in masks):
        return f"{where}: it was trained with other masks than level {index - 1} left"
    return None


def _problems_of_own_code(directory: RunDirectory) -> Iterator[str]:
    """Yield a line for each copy of the user's source that is not what was recorded."""
    try:
        recorded = directory.own_code()
    except SparsightError as error:
        yield str(error)
        return
    copies = {
        directory.path / str(function.folder) / file: digest
        for function in recorded.values()
        for file, digest in function.files.items()
    }
    for path, digest in copies.items():
        if path.is_symlink() or not path.is_file():
            yield f"{path} is missing: it is a copy of the source that the run was made with"
        elif sha256_of(path) != digest:
            yield f"{path} is damaged: it is not the source that the run was made with"


def _failure(directory: RunDirectory, condition: str, replicate: int) -> str | None:
    try:
        return directory.failure(condition, replicate)
    except InputError:  # already among the problems
        return None


def _set_aside(folder: Path) -> Path:
    target, number = folder.with_name(f"{folder.name}.damaged"), 1
    while target.exists():
        number += 1
        target = folder.with_name(f"{folder.name}.damaged{number}")
    return folder.rename(target)
