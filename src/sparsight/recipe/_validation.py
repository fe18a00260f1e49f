"""Validation of settings: pydantic's errors become one line that names the field and what is allowed."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sparsight.errors import InputError
from sparsight.registry import suggest
from sparsight.settings import Settings

_SettingsT = TypeVar("_SettingsT", bound=Settings)

# A recipe may come from anybody and hold thousands of wrong fields: the message must stay one readable line.
_MAX_PROBLEMS = 5
_MAX_CHARACTERS = 80  # of a wrong value, and of a wrong name

# Below difflib's default of 0.6: a field name is compared with the few fields of one table only.
_CUTOFF = 0.5


def validated(
    model: type[_SettingsT],
    raw: Mapping[str, Any],
    origin: str,
    kind: str = "recipe",
    *,
    context: Mapping[str, Any] | None = None,
) -> _SettingsT:
    """Return the settings made from plain values.

    Parameters
    ----------
    origin : str
        Where the values come from, for messages.
    kind : str
        What the values describe, for messages.
    context : mapping, optional
        Given to every validator: `sparsight.settings.STORED` for settings of a stored run.

    Raises
    ------
    InputError
        If a value is wrong; one line names the origin, the wrong fields, and what is allowed.
    """
    try:
        return model.model_validate(raw, context=None if context is None else dict(context))
    except ValidationError as error:
        problems = [_in_words(details, model, kind) for details in error.errors()]
        more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
        raise InputError(f"{origin}: {'; '.join(problems[:_MAX_PROBLEMS])}{more}") from None


def unknown_field(where: str, name: str, allowed: list[str], kind: str) -> str:
    """Return the message about a field that does not exist; `name` is the last part of `where`."""
    meant = suggest(name, allowed, _CUTOFF) or f"; allowed: {', '.join(allowed)}"
    return f"{where} is not a field of {kind}{meant}"


def wrong_value(details: ErrorDetails) -> str:
    """Return the message about a field that is missing or has a wrong value."""
    where = ".".join(_shown(part) for part in details["loc"])
    if details["type"] == "missing":
        return f"{where} is missing"
    message = details["msg"].removeprefix("Value error, ")
    # A validator of a whole table names its fields itself; the table would fill the line.
    if details["type"] == "value_error" and isinstance(details["input"], Mapping):
        return f"{where}: {message}"
    return f"{where} is {_cut(repr(details['input']))}: {message[:1].lower()}{message[1:]}"


def _in_words(details: ErrorDetails, model: type[Settings], kind: str) -> str:
    if details["type"] != "extra_forbidden":
        return wrong_value(details)
    *table, name = details["loc"]
    where = ".".join(_shown(part) for part in details["loc"])
    return unknown_field(where, str(name), _fields_at(model, table), f"a {kind}")


def _shown(part: int | str) -> str:
    # A foreign name can hold anything, control characters of a terminal included.
    return _cut(str(part) if str(part).isprintable() else repr(part))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def _fields_at(model: type[Settings], location: list[int | str]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, Settings)):
            return []
        model = annotation
    return list(model.model_fields)
