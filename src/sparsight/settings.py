"""The base class of all tables of a recipe: validated, complete and immutable."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo

STORED: Mapping[str, Any] = {"is_stored": True}
"""Context for validating the recipe of a stored run, whose own functions need not be registered here."""


class Settings(BaseModel):
    """A table of a recipe: frozen, with checked defaults, and without unknown keys, NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


AS_WRITTEN: Mapping[str, Any] = {"is_stored": True, "as_written": True}
"""Context for validating the recipe of a stored run of which only the numbers are wanted.

Options of data sources stay as they are written: nothing need be imported that makes data.
"""


def is_stored(info: ValidationInfo) -> bool:
    """Return whether settings are those of a stored run, in which names were checked when it was made."""
    return info.context is not None and info.context.get("is_stored", False)


def is_as_written(info: ValidationInfo) -> bool:
    """Return whether the options of data sources stay as they are written."""
    return info.context is not None and info.context.get("as_written", False)
