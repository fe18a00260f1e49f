"""The recipe: everything a run depends on, validated, completed, and hashed."""

import copy
import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from sparsight.errors import InputError
from sparsight.instruments import INSTRUMENTS
from sparsight.network import NetworkSettings
from sparsight.prune import PruningSettings
from sparsight.recipe._data_settings import DataSettings
from sparsight.recipe._folder_names import distinct_folders, folder_name
from sparsight.recipe._toml_text import MAX_DEPTH, MAX_TOML_BYTES, parse_toml
from sparsight.settings import Settings
from sparsight.streams import derived_seed
from sparsight.train import TrainingSettings

_SettingsT = TypeVar("_SettingsT", bound=Settings)
Name = Annotated[str, AfterValidator(folder_name)]
MAX_REPLICATES = 100_000
"""Replicates times conditions."""

_SHOWN = 80  # characters of a wrong value, and of a wrong name
_PROBLEMS = 5


class MeasureSettings(Settings):
    """The ``[measure]`` table of a recipe.

    Attributes
    ----------
    instruments : tuple of str
        Names of registered instruments.
    num_samples : int
        Test samples that the instruments see, at most.
    """

    instruments: tuple[str, ...] = ("locality", "gaussianity", "cavity")
    num_samples: int = Field(2000, ge=2)

    @field_validator("instruments")
    @classmethod
    def _are_registered(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in INSTRUMENTS:
                raise ValueError(
                    f"no instrument is called {name!r}; there are {', '.join(sorted(INSTRUMENTS))}"
                )
        return names


class Condition(Settings):
    """One condition, resolved: what a replicate of it depends on, together with its seed."""

    data: DataSettings
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings
    pruning: PruningSettings = PruningSettings()
    measure: MeasureSettings = MeasureSettings()
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:[0-9]+)?)$")


class Recipe(Condition):
    """A recipe: one condition, or several that differ in named fields.

    Attributes
    ----------
    name : str
        Names the run directory.
    question : str
        What the run is to find out, for the report.
    replicates : int
        Seeds per condition. Replicate r of every condition shares its seed, and so its data, its
        initialisation and its batches, as far as the conditions allow.
    seed : int
    conditions : dict
        Name → tables that override the recipe's, field by field. Without any there is one, ``base``.
    """

    schema_version: Literal[1] = 1
    name: Name
    question: str = ""
    replicates: int = Field(2, ge=1)
    seed: int = 0
    conditions: dict[Name, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_distinct_and_not_too_many_units(self) -> "Recipe":
        distinct_folders(self.conditions)
        num_units = self.replicates * len(self.condition_names())
        if num_units > MAX_REPLICATES:
            raise ValueError(
                f"replicates times conditions are {num_units}; at most {MAX_REPLICATES} are allowed"
            )
        return self

    @classmethod
    def from_values(cls, values: Mapping[str, Any], origin: str) -> "Recipe":
        """Validate a recipe given as plain values, and each of its conditions.

        Parameters
        ----------
        values : mapping
        origin : str
            Where they come from, for messages.

        Raises
        ------
        InputError
            If a field is unknown, missing or wrong.
        """
        recipe = validated(cls, values, origin)
        for name in recipe.condition_names():
            recipe.condition(name)
        return recipe

    def condition_names(self) -> list[str]:
        """Return the names of the conditions, in the recipe's order."""
        return list(self.conditions) or ["base"]

    def condition(self, name: str) -> Condition:
        """Return one condition, resolved."""
        base = self.model_dump(mode="json", include=set(Condition.model_fields), exclude_none=True)
        return validated(Condition, merged(base, self.conditions.get(name, {})), f"conditions.{name}")

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate, the same for every condition."""
        return derived_seed(self.seed, "replicate", replicate)

    def resolved(self) -> dict[str, Any]:
        """Return every field, defaults included, as plain values; None is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def digest(self) -> str:
        """Return the SHA-256 over every resolved field of every condition, in hexadecimal."""
        conditions = {name: self.condition(name).model_dump(mode="json") for name in self.condition_names()}
        text = json.dumps(self.resolved() | {"conditions": conditions}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def identity(self) -> str:
        """Return the SHA-256 over all that the numbers of a replicate depend on, in hexadecimal.

        Unlike in `digest`, name, question and the number of replicates are left out.
        """
        conditions = {name: self.condition(name).model_dump(mode="json") for name in self.condition_names()}
        facts = {"schema_version": self.schema_version, "seed": self.seed, "conditions": conditions}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the fields of `override` in place of its own, table by table.

    A ``data`` table that names another source replaces the whole table, and ``steps`` and ``epochs``
    replace each other.
    """
    result = copy.deepcopy(dict(base))
    for key, value in override.items():
        if not isinstance(value, Mapping) or not isinstance(result.get(key), Mapping):
            result[key] = copy.deepcopy(value)
        elif key == "data" and value.get("source", result[key].get("source")) != result[key].get("source"):
            result[key] = copy.deepcopy(dict(value))
        else:
            result[key] = merged(result[key], value)
    for given, other in (("steps", "epochs"), ("epochs", "steps")):
        if given in override and other not in override:
            result.pop(other, None)
    return result


def shipped_recipes() -> dict[str, str]:
    """Return the TOML text of every recipe that is shipped, by name."""
    folder = resources.files("sparsight.recipe") / "shipped"
    return {
        Path(file.name).stem: file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def load_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe, apply overrides, validate it.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a shipped recipe, or path of a TOML file.
    overrides : iterable of str
        ``key=value`` with a dotted key (``pruning.rate=0.2``) and a TOML value; what is no TOML value
        is taken as a string.

    Raises
    ------
    InputError
        If there is no such recipe, it is no TOML, or a field is wrong; the message names the field.
    """
    raw, origin = recipe_values(name_or_path)
    for override in overrides:
        raw = merged(raw, parse_override(override))
    return Recipe.from_values(raw, origin)


def recipe_values(name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    """Return what a recipe says, as plain values not yet validated, and where it comes from.

    Raises
    ------
    InputError
        If there is no such recipe, or it is no TOML.
    """
    content, origin = _recipe_content(name_or_path)
    raw = parse_toml(content, origin)
    raw.setdefault("name", Path(name_or_path).stem)
    return raw, origin


def _recipe_content(name_or_path: str | Path) -> tuple[bytes, str]:
    shipped = shipped_recipes()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)].encode(), f"recipe {name_or_path}"
    path = Path(name_or_path)
    try:
        with path.open("rb") as file:
            return file.read(MAX_TOML_BYTES + 1), str(path)
    except FileNotFoundError:
        near = difflib.get_close_matches(str(name_or_path), shipped, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise InputError(
            f"no recipe or file is called {str(name_or_path)!r}{meant} (shipped: {', '.join(shipped)})"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"recipe {str(path)!r} cannot be read: {reason}") from None


def parse_override(override: str) -> dict[str, Any]:
    """Return the nested table of one ``key=value`` with a dotted key.

    Raises
    ------
    InputError
        If it is not of that form.
    """
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise InputError(f"--set {override!r} is not of the form key=value, as in pruning.rate=0.2")
    try:
        tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        value: Any = text.strip()
    else:
        value = parse_toml(f"value = {text}".encode(), f"--set {key}")["value"]
    for part in reversed(parts):
        value = {part: value}
    return dict(value)


def validated(
    model: type[_SettingsT], raw: Mapping[str, Any], origin: str, kind: str = "recipe"
) -> _SettingsT:
    """Return the settings made of plain values; `kind` says of what they are, for messages.

    Raises
    ------
    InputError
        One line: where the values come from, which fields are wrong, and what is allowed.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(details, model, kind) for details in error.errors()]
        more = f"; and {len(problems) - _PROBLEMS} more" if len(problems) > _PROBLEMS else ""
        raise InputError(f"{origin}: {'; '.join(problems[:_PROBLEMS])}{more}") from None


def _problem(details: ErrorDetails, model: type[Settings], kind: str) -> str:
    where = ".".join(_shown(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        allowed = _fields_at(model, details["loc"][:-1])
        near = difflib.get_close_matches(str(details["loc"][-1]), allowed, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(allowed)}"
        return f"{where} is no field of a {kind}; {meant}"
    if details["type"] == "missing":
        return f"{where} is missing"
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "value_error" and isinstance(details["input"], Mapping):
        return f"{where}: {message}"
    return f"{where} is {_cut(repr(details['input']))}: {message[:1].lower()}{message[1:]}"


def _shown(part: int | str) -> str:
    # A foreign name could hold anything, a terminal's control characters among it.
    return _cut(str(part) if str(part).isprintable() else repr(part))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _fields_at(model: type[Settings], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, Settings)):
            return []
        model = annotation
    return list(model.model_fields)
