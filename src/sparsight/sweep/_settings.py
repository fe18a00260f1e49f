"""The sweep file: a recipe, lists of values, and the cases that these make."""

import copy
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from sparsight.errors import InputError
from sparsight.recipe import Name, Recipe, merged, read_toml, recipe_values, shipped_recipes, validated
from sparsight.settings import Settings

_NOT_VARIED = ("name", "question", "replicates", "schema_version")
_REPLICATES_HINT = ": replicates are the innermost axis; set their number beside name and recipe"
_MAX_NAME = 64
"""Characters in the name of a case's recipe, and so of its folder: file systems allow 255 bytes."""

_MAX_CASES = 10_000
"""Every case is a run directory, and all are looked through whenever the sweep is opened."""


class SweepSettings(Settings):
    """A sweep file.

    Attributes
    ----------
    name : str
        Name of the folder. Default: the name of the file.
    recipe : str
        Name of a shipped recipe, or path of a TOML file relative to the sweep file.
    replicates : int, optional
        Number of replicates, the innermost axis of every sweep. Default: the recipe's.
    fixed : table
        Fields of the recipe to change in every case.
    grid : table of lists
        Every combination of these values is a case.
    zip : table of lists
        Lists of one length. Their first values go together, then their second values, …; each of these is
        combined with each point of the grid.
    cases : list of tables
        Further cases, each given by its own values.

    Notes
    -----
    Fields are given as in a recipe, ``pruning.rate = [0.2, 0.3]``, or in tables.
    """

    name: Name
    recipe: str
    replicates: int | None = Field(None, ge=1)
    fixed: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    zip: dict[str, list[Any]] = Field(default_factory=dict)
    cases: tuple[dict[str, Any], ...] = ()

    @field_validator("fixed", "grid", "zip", mode="before")
    @classmethod
    def _flat(cls, table: Any) -> Any:
        return _by_dotted_key(table) if isinstance(table, Mapping) else table

    @field_validator("cases", mode="before")
    @classmethod
    def _all_flat(cls, cases: Any) -> Any:
        if not isinstance(cases, Sequence) or isinstance(cases, str):
            return cases
        return [_by_dotted_key(case) if isinstance(case, Mapping) else case for case in cases]

    @model_validator(mode="after")
    def _makes_cases(self) -> "SweepSettings":
        for field, values in (self.grid | self.zip).items():
            if not values:
                raise ValueError(
                    f"{field} has an empty list of values; give at least one, or remove the field"
                )
        lengths = {field: len(values) for field, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{field} has {length}" for field, length in lengths.items())
            raise ValueError(f"lists under zip go together and must have one length; {listed}")
        if both := sorted(self.grid.keys() & self.zip.keys()):
            raise ValueError(f"{both[0]} is varied under grid and under zip; choose one")
        if not all(self.cases):
            raise ValueError("a table under cases is empty; give it at least one value, or remove it")
        if not self.fields():
            raise ValueError(
                "nothing is varied; give lists of values under grid or zip, or tables under cases"
            )
        num_points = math.prod(map(len, self.grid.values())) * max([1, *lengths.values()]) + len(self.cases)
        if num_points > _MAX_CASES:
            raise ValueError(f"these lists make {num_points} cases; at most {_MAX_CASES} are allowed")
        # Which of `data` and `data.gain` is applied last would depend on their order in the file.
        for field, other in itertools.permutations([*self.fields(), *self.fixed], 2):
            if other.startswith(f"{field}."):
                raise ValueError(f"{field} and {other} overlap; give the fields of {field} one by one")
        for field in self.fields():
            if field.partition(".")[0] in _NOT_VARIED:
                raise ValueError(f"{field} cannot be varied" + _REPLICATES_HINT * (field == "replicates"))
        return self

    def fields(self) -> list[str]:
        """Return the dotted names of the varied fields, in the order of the file."""
        tables = [self.grid, self.zip, *self.cases]
        return list(dict.fromkeys(field for table in tables for field in table))

    def points(self) -> list[dict[str, Any]]:
        """Return the values of every case by dotted field name; the last field of the grid varies fastest."""
        points = []
        if self.grid or self.zip:
            together = [
                dict(zip(self.zip, values, strict=True)) for values in zip(*self.zip.values(), strict=True)
            ]
            for combination in itertools.product(*self.grid.values()):
                for extra in together or [{}]:
                    points.append(dict(zip(self.grid, combination, strict=True)) | extra)
        return points + [dict(case) for case in self.cases]


@dataclass(frozen=True)
class Case:
    """One case of a sweep: its recipe, and the value of every varied field by dotted name."""

    recipe: Recipe
    values: dict[str, Any]


def load_sweep(path: str | Path) -> tuple[SweepSettings, list[Case]]:
    """Read a sweep file, make its cases, and validate the recipe of each of them.

    The path of the recipe is relative to the sweep file. A case whose recipe equals that of an earlier one is
    left out. Raises `InputError` if the file cannot be read, one of its fields is wrong, or a case does not
    make a valid recipe; the message names file, case and field.
    """
    path = Path(path)
    settings = _read_settings(path)
    is_shipped = settings.recipe in shipped_recipes()
    base, _ = recipe_values(settings.recipe if is_shipped else path.parent / settings.recipe)
    base = merged(base, _table(settings.fixed))
    if settings.replicates is not None:
        base["replicates"] = settings.replicates
    cases: dict[str, Case] = {}
    for point in settings.points():
        shown = ", ".join(f"{field} = {json.dumps(value)}" for field, value in point.items())
        values = merged(base, _table(point)) | {"name": _label(settings.name, point)}
        recipe = Recipe.from_values(values, f"{path}, case {shown}")
        # Not only the values of this point: a field that only other cases vary has the recipe's value here.
        coordinates = {field: _resolved_value(recipe, field) for field in settings.fields()}
        # A case may come twice (0.2 and 0.20, or a point of the grid under cases): it is trained once.
        cases.setdefault(recipe.identity(), Case(recipe, coordinates))
    return settings, list(cases.values())


def folder_of(path: str | Path) -> Path:
    """Return the folder of a sweep, given that folder or the sweep's file.

    Raises
    ------
    InputError
        If it is neither.
    """
    path = Path(path)
    return path if path.is_dir() else default_folder(_read_settings(path))


def default_folder(settings: SweepSettings) -> Path:
    """Return ``sweeps/<name>``.

    Unlike a run directory it has no hash in its name: a sweep with more values must find the same folder.
    """
    return Path("sweeps") / settings.name


def _read_settings(path: Path) -> SweepSettings:
    try:
        raw = read_toml(path, str(path))
    except OSError as error:
        raise InputError(f"sweep {str(path)!r} cannot be read: {error.strerror}") from None
    return validated(SweepSettings, {"name": path.stem} | raw, str(path), "sweep")


def _by_dotted_key(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one table with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _by_dotted_key(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _table(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with dotted keys as nested tables."""
    table: dict[str, Any] = {}
    for field, value in values.items():
        *path, last = field.split(".")
        inner = table
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = copy.deepcopy(value)
    return table


def _resolved_value(recipe: Recipe, field: str) -> Any:
    value: Any = recipe.resolved()
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _label(name: str, values: Mapping[str, Any]) -> str:
    """Return a name by which people can tell cases apart; no code reads values out of it."""
    parts = [
        f"{field.rpartition('.')[2]}-{value if isinstance(value, str) else json.dumps(value)}"
        for field, value in values.items()
    ]
    # A dot stays within a number only: 0.3 can be read in a folder's name, data.gains would be hidden or odd.
    label = re.sub(r"[^A-Za-z0-9.]+|(?<![0-9])\.|\.(?![0-9])", "-", "-".join(parts)).strip("-")
    return f"{name}-{label}"[:_MAX_NAME].rstrip("-.")
