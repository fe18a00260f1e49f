"""The base class of all tables of a recipe: validated, complete and immutable."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A table of a recipe: frozen, with checked defaults, and without unknown keys, NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
