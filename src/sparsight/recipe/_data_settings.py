"""The ``[data]`` table: a source by name, its options, and optionally a clone in its place."""

import inspect
from collections.abc import Callable
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from sparsight.data import SOURCES, Task, clone_task, with_label_noise, with_merged_classes
from sparsight.errors import InputError
from sparsight.recipe._validation import unknown_field, wrong_value
from sparsight.settings import Settings

Clone = Literal["none", "gaussian", "gaussian_shared", "phase"]


class DataSettings(Settings):
    """The ``[data]`` table of a recipe.

    Attributes
    ----------
    source : str
        Name of a registered data source.
    clone : {"none", "gaussian", "gaussian_shared", "phase"}
        Replaces the data with a clone of them. A source that knows its own Gaussian twin exactly (the random
        fields) supplies it; for other sources the twin is fitted to the moments of the training split.
    label_noise : float
        Fraction of the labels, in both splits, that are redrawn at random; see `with_label_noise`. Inputs and
        their clones are made with the true labels. 1 is the control with shuffled labels: no task is left.
    merged_classes : int or None
        Number of classes after merging neighbouring ones; see `with_merged_classes`. None merges nothing.
    **options
        The keyword arguments of the source, completed with its defaults.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    source: str
    clone: Clone = "none"
    label_noise: float = Field(0.0, ge=0, le=1)
    merged_classes: int | None = Field(None, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("source"), str):
            return raw  # pydantic reports the missing or wrong source itself
        SOURCES.look_up(raw["source"])
        given = {key: value for key, value in raw.items() if key not in cls.model_fields}
        options = _completed_options(raw["source"], given)
        return {key: raw[key] for key in cls.model_fields if key in raw} | options

    def build(self, seed: int) -> Task:
        """Make the task: a pure function of these settings and the seed.

        Raises
        ------
        InputError
            If files are missing or damaged, or the options do not fit together.
        """
        function = SOURCES.look_up(self.source)
        options = dict(self.model_extra or {})
        if self.clone in _own_clones(function):
            task = function(**options, clone=self.clone, seed=seed)
        else:
            task = clone_task(function(**options, seed=seed), self.clone, seed)
        if self.merged_classes is not None:
            task = with_merged_classes(task, self.merged_classes)
        return with_label_noise(task, self.label_noise, seed)

    def twin(self) -> "DataSettings | None":
        """Return the settings of the Gaussian twin, or None if these data are a clone already."""
        return self.model_copy(update={"clone": "gaussian"}) if self.clone == "none" else None


def _own_clones(function: Callable[..., Task]) -> tuple[str, ...]:
    parameter = inspect.signature(function, eval_str=True).parameters.get("clone")
    return get_args(parameter.annotation) if parameter else ()


def _completed_options(source: str, options: dict[str, Any]) -> dict[str, Any]:
    model = _options_model(source)
    for key in options:
        if key not in model.model_fields:
            # Fields of the table itself are suggested as well: `clones` is more likely a misspelt `clone`.
            allowed = [*model.model_fields, *DataSettings.model_fields]
            raise ValueError(unknown_field(f"{key!s:.80}", key, allowed, f"data source {source!r}"))
    try:
        return model.model_validate(options).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        raise ValueError("; ".join(map(wrong_value, error.errors()))) from None


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
