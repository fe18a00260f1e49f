"""The run directory: every path in it, who may write to it, and what it contains."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tomli_w

from sparsight.atomic import is_temporary, remove_temporaries, sha256_of, write_atomically
from sparsight.errors import InputError
from sparsight.recipe import Recipe, read_toml
from sparsight.settings import AS_WRITTEN, STORED
from sparsight.store._containment import refuse_link
from sparsight.store._environment import environment, latest_of, with_later_entry
from sparsight.store._identity import identity_problem
from sparsight.store._level_record import RECORD, LevelRecord, read_record
from sparsight.store._lock import LOCK, OWNER, exclusive_writing
from sparsight.store._own_code import (
    OWN_CODE,
    OwnFunction,
    RecordedFunction,
    read_own_code,
    write_own_code,
)
from sparsight.store._sealed_json import read_sealed, refuse_newer, write_sealed
from sparsight.store._writers import working_on_replicates, writing_one_replicate, writing_run

RECIPE, ENVIRONMENT, PLACEMENT = "recipe.toml", "environment.json", "placement.json"
TASK, FAILURE, CHECKPOINT = "task.json", "failed.json", "checkpoint.safetensors"


class RunDirectory:
    """A run on disk.

    ::

        <path>/recipe.toml                the recipe, resolved
        <path>/environment.json           versions, machine, revision
        <path>/own_code.json              criteria, instruments and data sources of the user's, if any
        <path>/own_code/                  their source
        <path>/placement.json             processes, threads and why, of the last call
        <path>/crossovers.json            densities below which layers train on kept weights (once measured)
        <path>/report.html
        <path>/<condition>/replicate_000/task.json     what the replicate is of; digests and origin of the
                                                          data, counts, rejected samples; origin of masks that
                                                          come from elsewhere
        <path>/<condition>/replicate_000/failed.json   if its training diverged
        <path>/<condition>/replicate_000/level_000/    see `sparsight.store._level_files`
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self.path = path
        self.recipe = recipe

    @classmethod
    def create(cls, recipe: Recipe, path: Path) -> "RunDirectory":
        """Make the directory of a recipe, or open the one that the same recipe made before.

        Raises
        ------
        InputError
            If another recipe made the directory or one of its replicates, it holds other files, or it cannot
            be written.
        NewerFormatError
            If a newer version made it.
        """
        if (path / RECIPE).exists():
            existing = cls.open(path)
            if existing.recipe.digest() != recipe.digest():
                raise InputError(
                    f"{path} was made by another recipe ({existing.recipe.name}, "
                    f"hash {existing.recipe.digest()[:8]}, not {recipe.digest()[:8]}): choose another --out"
                )
            existing.refuse_other_settings()
            existing._mend_environment()
            existing._set_damaged_own_code_aside()
            return existing
        if holds_others(path, ENVIRONMENT):
            raise InputError(f"{path} is not empty and holds no run: choose another --out")
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Two calls at once would remove each other's temporary files.
            with exclusive_writing(path):
                if not (path / RECIPE).exists():
                    cls(path, recipe)._begin_run()
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
        return cls.create(recipe, path)  # perhaps another process has made it, of another recipe

    @classmethod
    def open(cls, path: str | Path, *, for_numbers: bool = False) -> "RunDirectory":
        """Open an existing run.

        Parameters
        ----------
        for_numbers : bool
            Whether only records are wanted: how far the run is, and what was measured. Options of its data
            sources then stay as they are written, and torch is not imported.

        Raises
        ------
        InputError
            If there is no run at that path, or its recipe is damaged.
        NewerFormatError
            If a newer version made it.
        """
        path = Path(path)
        source = path / RECIPE
        try:
            raw = read_toml(source, str(source))
        except OSError as error:
            raise InputError(f"{path} holds no run: {source} cannot be read ({error.strerror})") from None
        context = AS_WRITTEN if for_numbers else STORED
        directory = cls(path, Recipe.from_values(raw, str(source), context=context))
        if not directory._was_made_by(sha256_of(source)):
            raise InputError(
                f"{source} is not the recipe that made this run: put the original back, or run the changed "
                "one with another --out"
            )
        return directory

    @property
    def report(self) -> Path:
        """The HTML page that `sparsight report` writes."""
        return self.path / "report.html"

    def replicate(self, condition: str, replicate: int) -> Path:
        """Return the folder of one replicate of one condition."""
        return self.path / condition / f"replicate_{replicate:03d}"

    def level(self, condition: str, replicate: int, index: int) -> Path:
        """Return the folder of one level."""
        return self.replicate(condition, replicate) / level_name(index)

    def replicates(self) -> list[tuple[str, int]]:
        """Return every (condition, replicate) of the recipe, sorted by replicate first."""
        return [
            (condition, replicate)
            for replicate in range(self.recipe.replicates)
            for condition in self.recipe.condition_names()
        ]

    def num_levels(self, condition: str, replicate: int) -> int:
        """Return the number of stored levels, counted from 0 up to the first gap."""
        index = 0
        while (self.level(condition, replicate, index) / RECORD).is_file():
            index += 1
        return index

    def is_finished(self, condition: str, replicate: int) -> bool:
        """Return whether the record of a replicate's last level is stored; no other file is read."""
        stored = self.num_levels(condition, replicate)
        try:
            return stored > 0 and self.record(condition, replicate, stored - 1).is_last
        except InputError:  # damaged: the level has to be trained again
            return False

    def record(self, condition: str, replicate: int, index: int) -> LevelRecord:
        """Return the record of one stored level; see `read_record`."""
        return read_record(self.level(condition, replicate, index))

    def records(self, condition: str, replicate: int) -> list[LevelRecord]:
        """Return the record of every stored level, in order."""
        return [
            self.record(condition, replicate, index) for index in range(self.num_levels(condition, replicate))
        ]

    def begin(self, condition: str, replicate: int, facts: dict[str, Any]) -> None:
        """Record where a replicate's data came from, and forget an earlier failure.

        Raises
        ------
        InputError
            If a folder in it is a link, through which a run from somebody else could write elsewhere.
        NewerFormatError
            If a newer version wrote the replicate.
        """
        folder = self.replicate(condition, replicate)
        for each in (folder.parent, folder, *folder.glob("level_*")):
            refuse_link(each)
        refuse_newer(folder / FAILURE)  # removed below; the other files refuse by themselves
        # One by one and not with their parents: a run that was moved away must not be made again.
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        for each in (folder, *folder.glob("level_*")):
            remove_temporaries(each)
        write_sealed(folder / TASK, facts, inside=self.path)
        (folder / FAILURE).unlink(missing_ok=True)

    def refuse_other_settings(self) -> None:
        """Refuse a run with a replicate that was begun with other settings than the recipe has.

        Raises
        ------
        InputError
            With what differs.
        """
        for condition, replicate in self.replicates():
            problem = self.identity_problem(condition, replicate)
            if problem is not None:
                raise InputError(
                    f"{self.replicate(condition, replicate)} was begun with other settings than {self.path} "
                    f"has now ({problem}): put the original {RECIPE} back, or choose another --out"
                )

    def identity_problem(self, condition: str, replicate: int) -> str | None:
        """Return in which way a replicate is not one of this place and recipe; None if it is, or unknown."""
        with suppress(InputError):  # a damaged file, which `check` reports
            facts = self.task_facts(condition, replicate)
            if not facts and self.num_levels(condition, replicate):
                facts = self.record(condition, replicate, 0).identity
            return identity_problem(facts, self.recipe, condition, replicate)
        return None

    def has_begun(self, condition: str, replicate: int) -> bool:
        """Return whether anything was trained for a replicate: a level, or a part of one."""
        in_between = self.replicate(condition, replicate) / CHECKPOINT
        return self.num_levels(condition, replicate) > 0 or in_between.is_file()

    def task_facts(self, condition: str, replicate: int) -> dict[str, Any]:
        """Return the facts that `begin` recorded; empty if the replicate has not begun."""
        path = self.replicate(condition, replicate) / TASK
        return read_sealed(path) if path.is_file() else {}

    def note_failure(self, condition: str, replicate: int, message: str) -> None:
        """Record that a replicate could not be finished, and why."""
        path = self.replicate(condition, replicate) / FAILURE
        write_sealed(path, {"message": message}, inside=self.path)

    def failure(self, condition: str, replicate: int) -> str | None:
        """Return why a replicate could not be finished, or None."""
        path = self.replicate(condition, replicate) / FAILURE
        return str(read_sealed(path).get("message")) if path.is_file() else None

    def failures(self) -> dict[tuple[str, int], str]:
        """Return the reasons of all replicates that failed, by (condition, replicate)."""
        reasons = {each: self.failure(*each) for each in self.replicates()}
        return {each: reason for each, reason in reasons.items() if reason is not None}

    def environment(self) -> dict[str, Any]:
        """Return the machine and the versions that made the run."""
        path = self.path / ENVIRONMENT
        return read_sealed(path) if path.is_file() else {}

    def note_environment_changes(self, changes: Mapping[str, tuple[Any, Any]]) -> None:
        """Record that the run goes on with other versions, another machine or other threads.

        They are entries of the list ``later`` in ``environment.json``; `latest_environment` joins them.
        """
        write_sealed(self.path / ENVIRONMENT, with_later_entry(self.environment(), changes))

    def latest_environment(self) -> dict[str, Any]:
        """Return versions and machine of the last call that computed something; packages by name."""
        return latest_of(self.environment())

    def own_code(self) -> dict[str, RecordedFunction]:
        """Return folder, files and digests of every function of the user's, such as ``criterion mine``.

        Raises `InputError` if the list is damaged.
        """
        return read_own_code(self.path / f"{OWN_CODE}.json")

    def own_code_digests(self) -> dict[str, str | None]:
        """Return the SHA-256 of the user's functions: as listed, else as the last level records them."""
        digests: dict[str, str | None] = {}
        for each in self.replicates():
            stored = self.num_levels(*each)
            with suppress(InputError):  # a damaged record, which is set aside later
                if stored:
                    digests |= self.record(*each, stored - 1).own_code
        return digests | {name: function.sha256 for name, function in self.own_code().items()}

    def note_own_code(self, functions: Mapping[str, OwnFunction]) -> None:
        """Record the user's own functions, and keep copies of their source; earlier copies stay."""
        write_own_code(self.path, functions)

    def placement(self) -> dict[str, Any]:
        """Return what `note_placement` recorded last; empty if nothing readable was."""
        try:
            return read_sealed(self.path / PLACEMENT)
        except InputError:
            return {}

    def note_placement(self, facts: dict[str, Any]) -> None:
        """Record how this call shares the machine out among the replicates."""
        write_sealed(self.path / PLACEMENT, facts)

    def extend(self, replicates: int) -> None:
        """Raise the recipe's number of replicates; a larger number stays."""
        if replicates <= self.recipe.replicates:
            return
        self.recipe = self.recipe.model_copy(update={"replicates": replicates})
        content = tomli_w.dumps(self.recipe.resolved()).encode()
        facts = self.environment()
        digest = hashlib.sha256(content).hexdigest()
        # Two files cannot change in one step. Announcing the new digest first, beside the old one, lets a
        # process that opens the run between any two of these writes find a recipe that is known.
        write_sealed(self.path / ENVIRONMENT, facts | {"next_recipe_sha256": digest})
        write_atomically(self.path / RECIPE, content)
        write_sealed(self.path / ENVIRONMENT, facts | {"recipe_sha256": digest})

    @contextmanager
    def writing(self, on_lost: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock of the whole run; see `exclusive_writing`.

        Raises
        ------
        BusyError
            If another process holds it, or that of one of the replicates.
        """
        with writing_run(self.path, on_lost):
            yield

    @contextmanager
    def working_on(self, condition: str, replicates: Sequence[int]) -> Iterator[None]:
        """Hold the locks of replicates in a worker of the process that holds the run; see `working_in`.

        Raises
        ------
        BusyError
            If a worker of a process that was killed does not end.
        """
        with working_on_replicates([self.replicate(condition, number) for number in replicates]):
            yield

    @contextmanager
    def writing_replicate(
        self,
        condition: str,
        replicate: int,
        on_lost: Callable[[], None] = lambda: None,
        *,
        wait: float = 0.0,
    ) -> Iterator[None]:
        """Hold the lock of one replicate, while other processes write to other replicates.

        `wait` is how many seconds another process gets to end.

        Raises
        ------
        BusyError
            If another process holds it, or that of the whole run.
        """
        with writing_one_replicate(self.path, self.replicate(condition, replicate), on_lost, wait=wait):
            yield

    def _begin_run(self) -> None:
        remove_temporaries(self.path)
        content = tomli_w.dumps(self.recipe.resolved()).encode()
        # The recipe is written last: the folder is a run once it is there.
        self._record_environment(hashlib.sha256(content).hexdigest())
        write_atomically(self.path / RECIPE, content)

    def _record_environment(self, recipe_sha256: str) -> None:
        write_sealed(self.path / ENVIRONMENT, environment() | {"recipe_sha256": recipe_sha256})

    def _mend_environment(self) -> None:
        path = self.path / ENVIRONMENT
        try:
            if self.environment():
                return
        except InputError:
            path.replace(path.with_name(f"{ENVIRONMENT}.damaged"))
        self._record_environment(sha256_of(self.path / RECIPE))

    def _set_damaged_own_code_aside(self) -> None:
        path = self.path / f"{OWN_CODE}.json"
        try:
            self.own_code()
        except InputError:
            path.replace(path.with_name(f"{path.name}.damaged"))

    def _was_made_by(self, recipe_sha256: str) -> bool:
        try:
            facts = self.environment()
        except InputError:
            return True  # nobody can tell, and `check` reports the damaged file
        recorded = facts.get("recipe_sha256")  # version 1 of the format records none
        return recorded is None or recipe_sha256 in (recorded, facts.get("next_recipe_sha256"))


def holds_others(folder: Path, *names: str) -> bool:
    """Return whether a folder holds anything but files of these names, locks and unfinished files.

    One that does not is empty, or was begun by a process that was killed before it wrote what comes last.
    """
    own = {LOCK, OWNER, *names}
    return folder.is_dir() and not all(entry.name in own or is_temporary(entry) for entry in folder.iterdir())


def level_name(index: int) -> str:
    """Return the name of a level's folder."""
    return f"level_{index:03d}"


def default_path(recipe: Recipe) -> Path:
    """Return ``runs/<recipe>-<first 8 digits of its hash>``."""
    return Path("runs") / f"{recipe.name}-{recipe.digest()[:8]}"
