"""The run directory: every path in it, who may write to it, and what is in it."""

import json
import os
import platform
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w
import torch
from filelock import FileLock, Timeout

from sparsight.errors import InputError
from sparsight.run.atomic import write_atomically
from sparsight.run.level_files import PAGE, StoredLevel, check_level, read_level, read_page
from sparsight.run.recipe import Recipe

_RECORDED_PACKAGES = ("sparsight", "torch", "numpy", "scipy", "scikit-image", "pydantic", "safetensors")


class RunDirectory:
    """A run on disk.

    ::

        <path>/recipe.toml                the recipe, resolved
        <path>/environment.json           versions, machine, revision
        <path>/report.html
        <path>/<condition>/replicate_000/task.json     where the data came from, counts, rejected samples
        <path>/<condition>/replicate_000/failed.json   if its training diverged
        <path>/<condition>/replicate_000/level_000/    see `sparsight.run.level_files`

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
        if (path / "recipe.toml").exists():
            existing = cls.open(path)
            if existing.recipe.digest() != recipe.digest():
                raise InputError(
                    f"{path} was made by another recipe ({existing.recipe.name}, "
                    f"hash {existing.recipe.digest()[:8]}, not {recipe.digest()[:8]}): choose another --out"
                )
            return existing
        if path.is_dir() and any(path.iterdir()):
            raise InputError(f"{path} is not empty and holds no run: choose another --out")
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_atomically(path / "environment.json", json.dumps(environment(), indent=1).encode())
            write_atomically(path / "recipe.toml", tomli_w.dumps(recipe.resolved()).encode())
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
        return cls(path, recipe)

    @classmethod
    def open(cls, path: str | Path) -> "RunDirectory":
        """Open an existing run.

        Raises
        ------
        InputError
            If there is no run at that path, or its recipe is damaged.
        """
        path = Path(path)
        try:
            raw = tomllib.loads((path / "recipe.toml").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path} holds no run: {path / 'recipe.toml'} cannot be read ({error})"
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path / 'recipe.toml'} is damaged: {error}") from None
        return cls(path, Recipe.from_values(raw, str(path / "recipe.toml")))

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

    def pages(self, condition: str, replicate: int) -> list[dict[str, Any]]:
        """Return ``level.json`` of every stored level, in order."""
        return [
            read_page(self.level(condition, replicate, index))
            for index in range(self.num_levels(condition, replicate))
        ]

    def read(self, condition: str, replicate: int, index: int) -> StoredLevel:
        """Read one level back."""
        return read_level(self.level(condition, replicate, index))

    def last_good_level(self, condition: str, replicate: int) -> int | None:
        """Return the last level up to which every file is whole, or None.

        What lies beyond it is set aside as ``level_NNN.damaged``, to be computed again.
        """
        stored = self.num_levels(condition, replicate)
        for index in range(stored):
            if check_level(self.level(condition, replicate, index)):
                for later in range(index, stored):
                    _set_aside(self.level(condition, replicate, later))
                return index - 1 if index else None
        return stored - 1 if stored else None

    def units(self) -> list[tuple[str, int]]:
        """Return every (condition, replicate) of the recipe, replicates first."""
        return [
            (condition, replicate)
            for replicate in range(self.recipe.replicates)
            for condition in self.recipe.condition_names()
        ]

    def note_failure(self, condition: str, replicate: int, message: str) -> None:
        """Record that a replicate could not be finished, and why."""
        folder = self.replicate(condition, replicate)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "failed.json", json.dumps({"message": message}).encode())

    def failures(self) -> dict[tuple[str, int], str]:
        """Return why replicates failed, by (condition, replicate)."""
        found = {}
        for condition, replicate in self.units():
            path = self.replicate(condition, replicate) / "failed.json"
            if path.is_file():
                found[condition, replicate] = str(json.loads(path.read_text(encoding="utf-8"))["message"])
        return found

    def begin(self, condition: str, replicate: int, facts: dict[str, Any]) -> None:
        """Record where a replicate's data came from, and forget an earlier failure."""
        folder = self.replicate(condition, replicate)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "failed.json").unlink(missing_ok=True)
        write_atomically(folder / "task.json", json.dumps(facts, indent=1).encode())

    def task_facts(self, condition: str, replicate: int) -> dict[str, Any]:
        """Return what `begin` recorded; empty if nothing was."""
        path = self.replicate(condition, replicate) / "task.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def environment(self) -> dict[str, Any]:
        """Return what is known of the machine and the versions that made the run."""
        path = self.path / "environment.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the right to write to this run; one process at a time has it.

        Raises
        ------
        InputError
            If another process has it; the message says which.
        """
        owner = self.path / ".writer.json"
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self.path} is being written by {_describe_owner(owner)}: wait for it"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from None
        try:
            facts = {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            write_atomically(owner, json.dumps(facts).encode())
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()


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


def _set_aside(folder: Path) -> None:
    target = folder.with_name(f"{folder.name}.damaged")
    number = 1
    while target.exists():
        number += 1
        target = folder.with_name(f"{folder.name}.damaged{number}")
    folder.rename(target)


def _describe_owner(path: Path) -> str:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
