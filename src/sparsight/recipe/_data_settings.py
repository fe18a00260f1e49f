"""The ``[data]`` table: a source by name, its options, and a clone in its place."""

import difflib
import inspect
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from sparsight.data import SOURCES, Source, Task, clone_task, with_label_noise, with_merged_classes
from sparsight.errors import InputError
from sparsight.settings import Settings

Clone = Literal["none", "gaussian", "gaussian_shared", "phase"]


class DataSettings(Settings):
    """The ``[data]`` table of a recipe.

    Attributes
    ----------
    source : str
        Name of a registered data source.
    clone : {"none", "gaussian", "gaussian_shared", "phase"}
        Use a clone of the data in their place. A source that knows its own Gaussian twin exactly (the
        random fields) gives that one; others get it from the moments of their training split.
    label_noise : float
        Share of labels, in both splits, that are drawn anew; see `with_label_noise`. Inputs, and clones of
        them, are made with the true labels.
    merged_classes : int or None
        Put neighbouring classes together to this many; see `with_merged_classes`.
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
            return raw
        if raw["source"] not in SOURCES:
            near = difflib.get_close_matches(raw["source"], SOURCES, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise ValueError(
                f"no data source is called {raw['source']!r:.80}; {meant}"
                f"there are {', '.join(sorted(SOURCES))}"
            )
        given = {key: value for key, value in raw.items() if key not in cls.model_fields}
        options = _check_options(raw["source"], given)
        return {key: raw[key] for key in cls.model_fields if key in raw} | options

    def build(self, seed: int) -> Task:
        """Make the task: a pure function of these settings and the seed.

        Raises
        ------
        InputError
            If files are missing or damaged, or the options do not fit together.
        """
        function = SOURCES[self.source]
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


def _own_clones(function: Source) -> tuple[str, ...]:
    parameter = inspect.signature(function, eval_str=True).parameters.get("clone")
    return get_args(parameter.annotation) if parameter else ()


def _check_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    model = _options_model(name)
    for key in options:
        if key not in model.model_fields:
            near = difflib.get_close_matches(
                key, [*model.model_fields, *DataSettings.model_fields], n=1, cutoff=0.5
            )
            meant = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(model.model_fields)}"
            raise ValueError(f"{key!s:.80} is no field of data source {name!r}; {meant}")
    try:
        return model.model_validate(options).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, details['loc']))} is {details['input']!r:.80}: {details['msg']}"
            if details["type"] != "missing"
            else f"{'.'.join(map(str, details['loc']))} is missing"
            for details in error.errors()
        ]
        raise ValueError("; ".join(problems)) from None


def _options_model(name: str) -> type[BaseModel]:
    parameters = inspect.signature(SOURCES[name], eval_str=True).parameters.values()
    fields: dict[str, Any] = {
        parameter.name: (
            parameter.annotation,
            ... if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for parameter in parameters
        if parameter.name not in ("seed", "clone")
    }
    if any(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in parameters):
        raise InputError(f"data source {name!r} must take keyword-only arguments")
    return create_model(
        f"{name}_options", __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields
    )
