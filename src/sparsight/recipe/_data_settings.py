"""The ``[data]`` table: a source by name, its options, and optionally a clone in its place."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from sparsight.recipe._later_fields import without_later_defaults
from sparsight.settings import Settings, is_as_written, is_stored

if TYPE_CHECKING:
    from sparsight.data import Task

Clone = Literal[
    "none",
    "gaussian",
    "gaussian_shared",
    "gaussian_shrunk",
    "gaussian_cross_fitted",
    "gaussian_global",
    "phase",
]


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
    seed : int or None
        The seed that data are drawn with, in every replicate: samples, splits, clones, teachers, noise of
        labels and, of sources that draw fresh samples at every step, these samples in this order. A
        replicate's own seed then only draws what is not data, such as initial weights and the order of
        batches. None: data are drawn with the replicate's own seed.
    **options
        The keyword arguments of the source, completed with its defaults.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    source: str
    clone: Clone = "none"
    labels: Literal["own", "teacher"] = "own"
    label_noise: float = Field(0.0, ge=0, le=1)
    merged_classes: int | None = Field(None, ge=2)
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: Any, info: ValidationInfo) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("source"), str):
            return raw  # pydantic reports the missing or wrong source itself
        given = {key: value for key, value in raw.items() if key not in cls.model_fields}
        if is_as_written(info):
            return raw
        # Here: sources import torch.
        from sparsight.data import SOURCES
        from sparsight.recipe._source_options import completed_options

        try:
            options = completed_options(raw["source"], given, cls.model_fields)
        except ValueError:  # an InputError is one as well
            if is_stored(info) and not SOURCES.is_shipped(raw["source"]):
                return raw  # a source of the user's, which may be absent or have changed since
            raise
        return {key: raw[key] for key in cls.model_fields if key in raw} | options

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return without_later_defaults(values)

    def build(self, seed: int) -> "Task":
        """Make the task: a pure function of these settings and `seed_of_data`.

        Raises
        ------
        InputError
            If files are missing or damaged, or the options do not fit together.
        """
        from sparsight.recipe._built_task import built_task  # here: data import torch

        return built_task(self, seed)

    def seed_of_data(self, seed: int) -> int:
        """Return the seed that the data of the replicate with this seed are drawn with."""
        return seed if self.seed is None else self.seed

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
        from sparsight.recipe._built_task import own_clones  # here: data import torch

        return clone in own_clones(self.source) and self.labels == "own"
