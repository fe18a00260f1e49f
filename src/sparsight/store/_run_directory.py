"""The run directory: every path in it, who may write to it, and what is in it."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w
import torch

from sparsight.atomic import is_temporary, remove_temporaries, write_atomically
from sparsight.errors import InputError
from sparsight.recipe import MAX_TOML_BYTES, Recipe, parse_toml
from sparsight.store._containment import refuse_links
from sparsight.store._level_files import StoredLevel, read_level
from sparsight.store._level_record import PAGE, read_record
from sparsight.store._lock import OWNER, exclusive_writing, refuse_if_written
from sparsight.store._sealed_json import read_sealed, write_sealed

RECIPE, ENVIRONMENT, PLACEMENT = "recipe.toml", "environment.json", "placement.json"
TASK, FAILURE = "task.json", "failed.json"

_RECORDED_PACKAGES = (
    "sparsight",
    "torch",
    "numba",
    "numpy",
    "scipy",
    "scikit-image",
    "pydantic",
    "safetensors",
)


class RunDirectory:
    """A run on disk.

    ::

        <path>/recipe.toml                the recipe, resolved
        <path>/environment.json           versions, machine, revision
        <path>/placement.json             processes, threads and why, of the last call
        <path>/crossovers.json            below which densities layers train on kept weights (once measured)
        <path>/report.html
        <path>/<condition>/replicate_000/task.json     where the data came from, counts, rejected samples
        <path>/<condition>/replicate_000/failed.json   if its training diverged
        <path>/<condition>/replicate_000/level_000/    see `sparsight.store._level_files`

    Parameters
    ----------
    path : Path
    recipe : Recipe
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        self.path = path
        self.recipe = recipe

    @classmethod
    def create(cls, recipe: Recipe, path: Path) -> "RunDirectory":
        """Make the directory of a recipe, or open it if this recipe made it before.

        Parameters
        ----------
        recipe : Recipe
        path : Path

        Raises
        ------
        InputError
            If another recipe made it, it holds other files, or it cannot be written.
        """
        if (path / RECIPE).exists():
            existing = cls.open(path)
            if existing.recipe.digest() != recipe.digest():
                raise InputError(
                    f"{path} was made by another recipe ({existing.recipe.name}, "
                    f"hash {existing.recipe.digest()[:8]}, not {recipe.digest()[:8]}): choose another --out"
                )
            existing._set_damaged_environment_aside()
            return existing
        if path.is_dir() and not all(_is_of_a_run_being_made(entry) for entry in path.iterdir()):
            raise InputError(f"{path} is not empty and holds no run: choose another --out")
        directory = cls(path, recipe)
        content = tomli_w.dumps(recipe.resolved()).encode()
        try:
            path.mkdir(parents=True, exist_ok=True)
            remove_temporaries(path)
            directory._record_environment(content)
            write_atomically(path / RECIPE, content)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
        return directory

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """Open an existing run.

        Raises
        ------
        InputError
            If there is no run at that path, or its recipe is damaged.
        """
        path = Path(path)
        source = path / RECIPE
        try:
            with source.open("rb") as file:
                content = file.read(MAX_TOML_BYTES + 1)
        except OSError as error:
            raise InputError(f"{path} holds no run: {source} cannot be read ({error.strerror})") from None
        raw = parse_toml(content, str(source))
        directory = cls(path, Recipe.from_values(raw, str(source)))
        if not directory._was_made_by(content):
            raise InputError(
                f"{source} is not the recipe that made this run: put the original back, or run the changed "
                "one with another --out"
            )
        return directory

    @property
    def report(self) -> Path:
        """The page that `sparsight report` writes."""
        return self.path / "report.html"

    def replicate(self, condition: str, replicate: int) -> Path:
        """Return the folder of one replicate of one condition."""
        return self.path / condition / f"replicate_{replicate:03d}"

    def level(self, condition: str, replicate: int, index: int) -> Path:
        """Return the folder of one level."""
        return self.replicate(condition, replicate) / f"level_{index:03d}"

    def num_levels(self, condition: str, replicate: int) -> int:
        """Return how many levels, counted from 0 without a gap, are stored."""
        index = 0
        while (self.level(condition, replicate, index) / PAGE).is_file():
            index += 1
        return index

    def is_finished(self, condition: str, replicate: int) -> bool:
        """Return whether the page of a replicate's last level is stored; other files are not read."""
        stored = self.num_levels(condition, replicate)
        try:
            return stored > 0 and bool(read_record(self.level(condition, replicate, stored - 1))["is_last"])
        except InputError:
            return False

    def records(self, condition: str, replicate: int) -> list[dict[str, Any]]:
        """Return ``level.json`` of every stored level, in order."""
        return [
            read_record(self.level(condition, replicate, index))
            for index in range(self.num_levels(condition, replicate))
        ]

    def read(self, condition: str, replicate: int, index: int) -> StoredLevel:
        """Read one level back."""
        return read_level(self.level(condition, replicate, index))

    def replicates(self) -> list[tuple[str, int]]:
        """Return every (condition, replicate) of the recipe, replicates first."""
        return [
            (condition, replicate)
            for replicate in range(self.recipe.replicates)
            for condition in self.recipe.condition_names()
        ]

    def note_failure(self, condition: str, replicate: int, message: str) -> None:
        """Record that a replicate could not be finished, and why."""
        write_sealed(self.replicate(condition, replicate) / FAILURE, {"message": message})

    def failures(self) -> dict[tuple[str, int], str]:
        """Return why replicates failed, by (condition, replicate)."""
        reasons = {unit: self.failure(*unit) for unit in self.replicates()}
        return {unit: reason for unit, reason in reasons.items() if reason is not None}

    def failure(self, condition: str, replicate: int) -> str | None:
        """Return why a replicate could not be finished, or None."""
        path = self.replicate(condition, replicate) / FAILURE
        return str(read_sealed(path).get("message")) if path.is_file() else None

    def begin(self, condition: str, replicate: int, facts: dict[str, Any]) -> None:
        """Record where a replicate's data came from, and forget an earlier failure.

        Raises
        ------
        InputError
            If a folder in it is a link, through which a run from somebody else could write elsewhere.
        """
        folder = self.replicate(condition, replicate)
        for each in (folder.parent, folder, *folder.glob("level_*")):
            if each.is_symlink():
                raise InputError(f"{each} is a link, which could lead out of the run: copy what it points to")
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        for each in (folder, *folder.glob("level_*")):
            remove_temporaries(each)
        (folder / FAILURE).unlink(missing_ok=True)
        write_sealed(folder / TASK, facts)

    def task_facts(self, condition: str, replicate: int) -> dict[str, Any]:
        """Return what `begin` recorded; empty if nothing was."""
        path = self.replicate(condition, replicate) / TASK
        return read_sealed(path) if path.is_file() else {}

    def environment(self) -> dict[str, Any]:
        """Return what is known of the machine and the versions that made the run."""
        path = self.path / ENVIRONMENT
        return read_sealed(path) if path.is_file() else {}

    @contextmanager
    def writing(self, on_lost: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the right to write to this run; see `sparsight.store.exclusive_writing`.

        Raises
        ------
        BusyError
            If another process has it, or that to write to one of the replicates.
        """
        refuse_links(self.path)
        with exclusive_writing(self.path, on_lost):
            for owner in self.path.glob(f"*/replicate_*/{OWNER}"):
                refuse_if_written(owner.parent)
            yield

    @contextmanager
    def writing_replicate(
        self, condition: str, replicate: int, on_lost: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """Hold the right to write to one replicate, while others write to other replicates.

        Raises
        ------
        BusyError
            If another process has it, or that to write to the whole run.
        """
        folder = self.replicate(condition, replicate)
        if folder.parent.is_symlink() or folder.is_symlink():
            raise InputError(f"{folder} is or lies in a link, which could lead out of the run: copy it")
        refuse_links(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive_writing(folder, on_lost):
            refuse_if_written(self.path)
            yield

    def note_placement(self, facts: dict[str, Any]) -> None:
        """Record how the machine was shared out among replicates, this time."""
        write_sealed(self.path / PLACEMENT, facts)

    def extend(self, replicates: int) -> None:
        """Raise the recipe's number of replicates to this; a larger one stays."""
        if replicates <= self.recipe.replicates:
            return
        self.recipe = self.recipe.model_copy(update={"replicates": replicates})
        content = tomli_w.dumps(self.recipe.resolved()).encode()
        facts = self.environment()
        digest = hashlib.sha256(content).hexdigest()
        # Whoever opens the run between two of these finds a recipe that is known.
        write_sealed(self.path / ENVIRONMENT, facts | {"next_recipe_sha256": digest})
        write_atomically(self.path / RECIPE, content)
        write_sealed(self.path / ENVIRONMENT, facts | {"recipe_sha256": digest})

    def _record_environment(self, recipe: bytes) -> None:
        digest = hashlib.sha256(recipe).hexdigest()
        write_sealed(self.path / ENVIRONMENT, environment() | {"recipe_sha256": digest})

    def _set_damaged_environment_aside(self) -> None:
        try:
            self.environment()
        except InputError:
            damaged = self.path / ENVIRONMENT
            damaged.replace(damaged.with_name(f"{ENVIRONMENT}.damaged"))
            self._record_environment((self.path / RECIPE).read_bytes())

    def _was_made_by(self, recipe: bytes) -> bool:
        try:
            facts = self.environment()
        except InputError:
            return True  # whether it was cannot be told: `check` reports the damaged file
        recorded = facts.get("recipe_sha256")  # version 1 records none
        return recorded is None or hashlib.sha256(recipe).hexdigest() in (
            recorded,
            facts.get("next_recipe_sha256"),
        )


def default_path(recipe: Recipe) -> Path:
    """Return ``runs/<recipe>-<first 8 digits of its hash>``."""
    return Path("runs") / f"{recipe.name}-{recipe.digest()[:8]}"


def unused_path(path: Path) -> Path:
    """Return the path itself if nothing is there, or the first of ``<path>-2``, ``<path>-3``, … free."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def environment() -> dict[str, Any]:
    """Return versions, machine and, in a checkout, the revision of this package."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "packages": {name: metadata.version(name) for name in _RECORDED_PACKAGES},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "num_cores": os.cpu_count(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "revision": _revision(),
    }


def _revision() -> str | None:
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _is_of_a_run_being_made(entry: Path) -> bool:
    return entry.name == ENVIRONMENT or is_temporary(entry)
