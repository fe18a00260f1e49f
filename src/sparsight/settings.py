"""The base of everything a recipe can set: checked, complete, and unchangeable."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A table of a recipe. Unknown keys, NaN and infinity are errors; defaults are checked; it is frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)
