"""The options of a data source: its keyword arguments, checked against their annotations and completed."""

import inspect
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from sparsight.data import SOURCES
from sparsight.errors import InputError
from sparsight.recipe._later_fields import without_later_defaults
from sparsight.recipe._validation import unknown_field, wrong_value


def completed_options(source: str, options: dict[str, Any], own_fields: Collection[str]) -> dict[str, Any]:
    """Return the options of a source with its defaults; `own_fields` are those of the ``[data]`` table.

    Raises
    ------
    ValueError
        If the source is not registered, or an option is unknown, missing or wrong.
    """
    SOURCES.look_up(source)
    model = _options_model(source)
    for key in options:
        if key not in model.model_fields:
            # Fields of the table itself are suggested as well: `clones` is more likely a misspelt `clone`.
            allowed = [*model.model_fields, *own_fields]
            raise ValueError(unknown_field(f"{key!s:.80}", key, allowed, f"data source {source!r}"))
    try:
        completed = model.model_validate(options).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        raise ValueError("; ".join(map(wrong_value, error.errors()))) from None
    return without_later_defaults(completed)


def _options_model(source: str) -> type[BaseModel]:
    """Return a model whose fields are the keyword arguments of a source, with their types and defaults."""
    parameters = inspect.signature(SOURCES[source], eval_str=True).parameters.values()
    if any(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in parameters):
        raise InputError(f"data source {source!r} must take keyword-only arguments")
    fields: dict[str, Any] = {
        parameter.name: (
            parameter.annotation,
            ... if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for parameter in parameters
        if parameter.name not in ("seed", "clone")
    }
    return create_model(
        f"{source}_options", __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields
    )
