"""The folder of a sweep: a run directory for every case, and the list of the cases.

For the reasons see docs/decisions.md, "A sweep is a folder of ordinary runs, and any process may work in it".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from sparsight.errors import InputError
from sparsight.store import (
    RECIPE,
    RunDirectory,
    exclusive_writing,
    holds_others,
    read_sealed,
    refuse_link,
    write_sealed,
)
from sparsight.sweep._settings import Case

_MANIFEST, _CASES = "sweep.json", "cases"
_DIGITS = 12
"""Digits of a case's hash in the name of its folder: with 10⁴ cases two collide with probability 2·10⁻⁷."""

_SECONDS_FOR_OTHERS = 60.0
"""How long to wait for another call that makes the cases of the same sweep: thousands take a minute."""

_State = Literal["finished", "failed", "begun", "new"]


class _ListedCase(BaseModel, frozen=True):
    folder: str = Field(pattern=r"^[^./\\][^/\\]*$")  # never a path that leads elsewhere
    values: dict[str, Any]


class _Manifest(BaseModel, frozen=True):
    """The content of ``sweep.json``, which may come from somebody else."""

    name: str
    fields: list[str]
    cases: list[_ListedCase]

    @model_validator(mode="after")
    def _has_every_value(self) -> "_Manifest":
        for case in self.cases:
            if not set(self.fields) <= case.values.keys():
                raise ValueError(f"case {case.folder} lacks a value of a varied field")
        return self


@dataclass(frozen=True)
class CaseReplicate:
    """One replicate of a case, which `case` names by its folder: what a process takes on at a time."""

    case: str
    condition: str
    replicate: int


@dataclass(frozen=True)
class StoredCase:
    """A case on disk: name of its folder under ``cases``, and value of every varied field by dotted name."""

    name: str
    values: dict[str, Any]
    directory: RunDirectory


class SweepDirectory:
    """A sweep on disk.

    ::

        <path>/sweep.json                    name, varied fields, cases with their values
        <path>/cases/<recipe>-<hash>/        a run directory for each case
        <path>/slurm/                        jobs that were submitted, and their logs

    The hash of a case covers its resolved recipe without name, question and number of replicates, so that a
    case keeps its folder when the sweep file changes around it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, name: str, fields: Sequence[str], cases: Sequence[Case]) -> "SweepDirectory":
        """Make the folder of a sweep with its cases, or bring an existing one up to date.

        Cases that are no longer in the sweep leave its list. Their results stay on the disk, and count again
        if the cases return. `fields` are the dotted names of the varied fields. Raises `InputError` if the
        folder holds something else, or cannot be written.
        """
        if not (path / _MANIFEST).is_file() and holds_others(path):
            raise InputError(f"{path} is not empty and holds no sweep: choose another --out")
        sweep = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            refuse_link(path / _CASES)
            # Two calls at once would lose each other's cases from the list: the second waits for the first.
            with exclusive_writing(path, wait=_SECONDS_FOR_OTHERS):
                if not (path / _MANIFEST).is_file():
                    # First of all: should this process be killed, the folder is known to be a sweep.
                    write_sealed(path / _MANIFEST, {"name": name, "fields": list(fields), "cases": []})
                listed = [{"folder": sweep._adopt(case), "values": case.values} for case in cases]
                content = {"name": name, "fields": list(fields), "cases": listed}
                write_sealed(path / _MANIFEST, content)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
        return sweep

    @classmethod
    def open(cls, path: str | Path) -> "SweepDirectory":
        """Open an existing sweep; `InputError` if there is none, or its list of cases is damaged."""
        sweep = cls(Path(path))
        sweep.manifest()
        return sweep

    def manifest(self) -> dict[str, Any]:
        """Return the content of ``sweep.json``."""
        path = self.path / _MANIFEST
        try:
            content = read_sealed(path)
        except InputError as error:
            raise InputError(f"{self.path} holds no sweep: {error}") from None
        try:
            return _Manifest.model_validate(content, strict=True).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "it"
            raise InputError(f"{path} is damaged: {place}: {first['msg']}; put the original back") from None

    def cases(self) -> list[StoredCase]:
        """Return the cases, in the order of the sweep file."""
        return [
            StoredCase(entry["folder"], entry["values"], self.case(entry["folder"]))
            for entry in self.manifest()["cases"]
        ]

    def case(self, name: str) -> RunDirectory:
        """Open the run directory of one case."""
        if not isinstance(name, str) or name in ("", "..") or Path(name).name != name:
            raise InputError(
                f"{self.path / _MANIFEST} names the case {name!r:.80}, which is no name of a folder"
            )
        return RunDirectory.open(self.path / _CASES / name)

    def states(self) -> dict[CaseReplicate, _State]:
        """Return how far every replicate is: replicate 0 of all cases first, then replicate 1, and so on."""
        # They are run in this order, so that the cases of an unfinished sweep can already be compared.
        found: dict[CaseReplicate, _State] = {}
        cases = self.cases()
        for replicate in range(max((case.directory.recipe.replicates for case in cases), default=0)):
            for case in cases:
                if replicate < case.directory.recipe.replicates:
                    for condition in case.directory.recipe.condition_names():
                        key = CaseReplicate(case.name, condition, replicate)
                        found[key] = state_of(case.directory, condition, replicate)
        return found

    def _adopt(self, case: Case) -> str:
        """Return the name of a case's folder, which is made unless an earlier sweep file had the case."""
        # The name before the hash holds the varied values, and those that are varied may have changed: only
        # the hash identifies a case.
        digest = case.recipe.identity()[:_DIGITS]
        known = sorted((self.path / _CASES).glob(f"*-{digest}"))
        if known:
            refuse_link(known[0])
        if known and (known[0] / RECIPE).exists():
            directory = RunDirectory.open(known[0])
            if directory.recipe.identity() != case.recipe.identity():
                raise InputError(f"{known[0]} was made by another recipe: choose another --out")
            directory.refuse_other_settings()
            directory.extend(case.recipe.replicates)  # never fewer: what is there stays
            return known[0].name
        # One without a recipe was begun by a process that was killed.
        folder = known[0].name if known else f"{case.recipe.name}-{digest}"
        RunDirectory.create(case.recipe, self.path / _CASES / folder)
        return folder


def state_of(directory: RunDirectory, condition: str, replicate: int) -> _State:
    """Return how far one replicate of one condition is.

    It is read off the run directory, not off a list of jobs: other processes may have worked on it.
    """
    if directory.is_finished(condition, replicate):
        return "finished"
    if directory.failure(condition, replicate) is not None:
        return "failed"
    return "begun" if (directory.replicate(condition, replicate) / "task.json").is_file() else "new"
