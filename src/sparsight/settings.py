"""The base of everything a recipe can set: checked, complete, and unchangeable."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A table of a recipe. Unknown keys are errors; defaults are validated; instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
