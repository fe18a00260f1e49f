"""The ``[data]`` table: a source by name, its options, and optionally a clone in its place."""

import copy
import inspect
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    create_model,
    model_serializer,
    model_validator,
)

from sparsight.arguments import described
from sparsight.data import (
    SOURCES,
    Task,
    clone_task,
    with_label_noise,
    with_merged_classes,
    with_own_arrays,
    with_teacher_labels,
)
from sparsight.errors import InputError
from sparsight.recipe._validation import unknown_field, wrong_value
from sparsight.settings import Settings, is_stored

Clone = Literal[
    "none",
    "gaussian",
    "gaussian_shared",
    "gaussian_shrunk",
    "gaussian_cross_fitted",
    "gaussian_global",
    "phase",
]

# Fields and options that version 0.1 did not have. At their default they are left out of what is hashed and
# stored, so that the hashes of its recipes stay.
_ADDED_LATER = {"labels": "own", "unit_norm": False, "channels_last": False}


class DataSettings(Settings):
    """The ``[data]`` table of a recipe.

    Attributes
    ----------
    source : str
        Name of a registered data source.
    clone : str
        "none", or a clone that replaces the data: "gaussian", "gaussian_shared", "gaussian_shrunk",
        "gaussian_cross_fitted", "gaussian_global" or "phase" (`sparsight.data.clone_task`). For "gaussian", a
        source that knows its own twin exactly (most random fields) supplies it; every other clone, and the
        twin of other sources, is made from the training split.
    labels : {"own", "teacher"}
        "teacher": classes are those that a small network, trained on the data, finds in them; see
        `with_teacher_labels`. A clone is then made of these classes, from the training split.
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
    labels: Literal["own", "teacher"] = "own"
    label_noise: float = Field(0.0, ge=0, le=1)
    merged_classes: int | None = Field(None, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("source"), str):
            return raw  # pydantic reports the missing or wrong source itself
        given = {key: value for key, value in raw.items() if key not in cls.model_fields}
        try:
            SOURCES.look_up(raw["source"])
            options = _completed_options(raw["source"], given)
        except ValueError:  # an InputError is one as well
            if is_stored(info) and not SOURCES.is_shipped(raw["source"]):
                return raw  # a source of the user's, which may be absent or have changed since
            raise
        return {key: raw[key] for key in cls.model_fields if key in raw} | options

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return _without_later_defaults(values)

    def build(self, seed: int) -> Task:
        """Make the task: a pure function of these settings and the seed.

        Raises
        ------
        InputError
            If files are missing or damaged, or the options do not fit together.
        """
        function = SOURCES.look_up(self.source)
        options = copy.deepcopy(self.model_extra or {})  # a source may change a list that it is given
        knows_clone = self.knows(self.clone)
        task = function(**options, **({"clone": self.clone} if knows_clone else {}), seed=seed)
        if not SOURCES.is_shipped(self.source):
            if not isinstance(task, Task):
                raise InputError(
                    f"data source {self.source!r} returns {described(task)}; a sparsight.Task is needed"
                )
            task = with_own_arrays(task)
        if not knows_clone:
            # The global twin trains the same teacher on the same task: its labels are the teacher's already.
            if self.labels == "teacher" and self.clone != "gaussian_global":
                task = with_teacher_labels(task, seed)
            task = clone_task(task, self.clone, seed)
        if self.merged_classes is not None:
            task = with_merged_classes(task, self.merged_classes)
        return with_label_noise(task, self.label_noise, seed)

    def twin(self, clone: Clone | None = None) -> "DataSettings | None":
        """Return the settings of the Gaussian twin, or None if these data are a clone already.

        The twin is the exact one of a source that knows it ("gaussian"), otherwise "gaussian_shrunk", which
        does not carry the sampling error of each class. Version 0.1 fitted "gaussian"; a run that it began
        says so with `clone`.
        """
        if self.clone != "none":
            return None
        best: Clone = "gaussian" if self.knows("gaussian") else "gaussian_shrunk"
        return self.model_copy(update={"clone": clone or best})

    def knows(self, clone: str) -> bool:
        """Return whether the source makes this clone itself."""
        parameters = inspect.signature(SOURCES.look_up(self.source), eval_str=True).parameters
        own = get_args(parameters["clone"].annotation) if "clone" in parameters else ()
        return clone in own and self.labels == "own"


def _without_later_defaults(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in values.items() if key not in _ADDED_LATER or value != _ADDED_LATER[key]
    }


def _completed_options(source: str, options: dict[str, Any]) -> dict[str, Any]:
    model = _options_model(source)
    for key in options:
        if key not in model.model_fields:
            # Fields of the table itself are suggested as well: `clones` is more likely a misspelt `clone`.
            allowed = [*model.model_fields, *DataSettings.model_fields]
            raise ValueError(unknown_field(f"{key!s:.80}", key, allowed, f"data source {source!r}"))
    try:
        completed = model.model_validate(options).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        raise ValueError("; ".join(map(wrong_value, error.errors()))) from None
    return _without_later_defaults(completed)


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
