"""The recipe: everything a run depends on, completed with defaults, and hashed."""

import copy
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_serializer, model_validator

from sparsight.errors import InputError
from sparsight.network import NetworkSettings
from sparsight.prune import PruningSettings, overridden
from sparsight.recipe._data_settings import DataSettings
from sparsight.recipe._folder_names import distinct_folders, folder_name
from sparsight.recipe._mask_sources import chain_of_sources, check_nested_source
from sparsight.recipe._validation import validated
from sparsight.registry import suggest
from sparsight.settings import AS_WRITTEN, STORED, Settings, is_stored
from sparsight.streams import derived_seed
from sparsight.train import TrainingSettings

Name = Annotated[str, AfterValidator(folder_name)]

# Far beyond any run, and small enough that a hostile recipe cannot fill the memory with lists of replicates.
_MAX_TRAININGS = 100_000

_DEFAULT_INSTRUMENTS = ("locality", "gaussianity", "cavity", "initialisation")


class MeasureSettings(Settings):
    """The ``[measure]`` table of a recipe.

    Attributes
    ----------
    instruments : tuple of str
        Names of registered instruments.
    num_samples : int
        Upper bound on the number of test samples that the instruments see.
    at_steps : tuple of int
        Steps within each level after which its network is measured as well, counted from the start of the
        level's training: after 0 steps it is the network that was rewound. In rising order. A level that is
        shorter has fewer. See `sparsight.store.Run.frame_over_training`.
    """

    instruments: tuple[str, ...] = _DEFAULT_INSTRUMENTS
    num_samples: int = Field(2000, ge=2)
    at_steps: tuple[Annotated[int, Field(ge=0)], ...] = ()

    @field_validator("instruments")
    @classmethod
    def _are_registered(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # The defaults are shipped, and made when this module is imported.
        if not is_stored(info) and names != _DEFAULT_INSTRUMENTS:
            from sparsight.instruments import all_instruments  # here: instruments import torch

            for name in names:
                all_instruments().look_up(name)
        return names

    @field_validator("at_steps")
    @classmethod
    def _rise(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= step for step, later in itertools.pairwise(steps)):
            raise ValueError("steps must rise, each named once")
        return steps

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        # Recipes from before at_steps keep their hash.
        return {name: value for name, value in dump(self).items() if name != "at_steps" or self.at_steps}


class Condition(Settings):
    """One resolved condition: together with a seed, everything that a replicate of it depends on.

    Attributes
    ----------
    data, network, training, pruning, measure
        The tables of a recipe.
    device : str
        ``cpu``, ``cuda``, or a particular GPU such as ``cuda:1`` (experimental, not yet run on a GPU).
    """

    data: DataSettings
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings
    pruning: PruningSettings = PruningSettings()
    measure: MeasureSettings = MeasureSettings()
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:[0-9]+)?)$")


class Recipe(Condition):
    """A recipe: one condition, or several that differ in named fields.

    Attributes
    ----------
    name : str
        Names the run directory.
    question : str
        The question that the run should answer; shown in the report.
    replicates : int
        Number of seeds per condition. Replicate r of every condition has the same seed, and therefore the
        same data, initial weights and batches wherever the conditions agree on them.
    seed : int
        Seed from which the seeds of all replicates are derived.
    conditions : dict
        Overrides of the recipe's own fields, by name of the condition. A recipe without conditions has a
        single one called ``base``.
    data, network, training, pruning, measure, device
        As in `Condition`; conditions can override any field of them.
    """

    schema_version: Literal[1] = 1
    name: Name
    question: str = ""
    replicates: int = Field(2, ge=1)
    seed: int = 0
    conditions: dict[Name, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_distinct_and_not_too_many_replicates(self) -> "Recipe":
        distinct_folders(self.conditions)
        num_trainings = self.replicates * len(self.condition_names())
        if num_trainings > _MAX_TRAININGS:
            raise ValueError(
                f"replicates times conditions are {num_trainings}; at most {_MAX_TRAININGS} are allowed"
            )
        return self

    @classmethod
    def from_values(
        cls, values: Mapping[str, Any], origin: str, *, context: Mapping[str, Any] | None = None
    ) -> "Recipe":
        """Validate a recipe given as plain values, and each of its conditions.

        Parameters
        ----------
        origin : str
            Where the values come from, for messages.
        context : mapping, optional
            `sparsight.settings.STORED` for the resolved recipe of a run. Its criteria, instruments and data
            sources were checked when it was made, and need not be registered in this process. With
            `AS_WRITTEN`, options of data sources are not checked or completed either.

        Raises
        ------
        InputError
            If a field is unknown, missing or wrong, or a condition cannot take its masks from where it says.
        """
        recipe = validated(cls, values, origin, context=context)
        recipe.__dict__["_context"] = context
        for name in recipe.condition_names():
            recipe.condition(name)
            recipe._check_masks_of(name)
        return recipe

    def condition_names(self) -> list[str]:
        """Return the names of the conditions, in the recipe's order."""
        return list(self.conditions) or ["base"]

    def condition(self, name: str) -> Condition:
        """Return one condition, resolved: the same object at every call.

        Raises
        ------
        InputError
            If the recipe has no condition of that name.
        """
        if name not in self.condition_names():
            known = self.condition_names()
            raise InputError(
                f"no condition is called {name!r}{suggest(name, known)} (there are: {', '.join(known)})"
            )
        if name not in self._resolved:
            base = self.model_dump(mode="json", include=set(Condition.model_fields), exclude_none=True)
            values = merged(base, self.conditions.get(name, {}))
            origin = f"conditions.{name}"
            self._resolved[name] = validated(Condition, values, origin, context=self._context)
        return self._resolved[name]

    # A cached property and not a private attribute of pydantic's, which would take part in equality: a recipe
    # would then differ from an equal one of which another condition was asked for.
    @functools.cached_property
    def _resolved(self) -> dict[str, Condition]:
        return {}

    @functools.cached_property
    def _context(self) -> Mapping[str, Any] | None:
        """What every condition is validated with; `from_values` sets it."""
        return None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Recipe":
        """Return a copy with some fields replaced, whose conditions are resolved afresh."""
        copied = super().model_copy(update=update, deep=deep)
        # pydantic copies it, and a new field may change every condition
        copied.__dict__.pop("_resolved", None)
        return copied

    def chain_of_sources(self, name: str) -> list[str]:
        """Return a condition, the one of this recipe whose masks it takes, that one's source, and so on.

        All but the first have to be finished before the first begins. The last one finds its own masks,
        plants windows, or takes masks from another run.
        """
        return chain_of_sources(name, {each: self.condition(each).pruning for each in self.condition_names()})

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate, the same for every condition."""
        return derived_seed(self.seed, "replicate", replicate)

    def resolved(self) -> dict[str, Any]:
        """Return every field, defaults included, as plain values; fields that are None are left out.

        Options that a condition gives to a source of the user's are completed as well: without the source,
        nobody can do that later.
        """
        from sparsight.data import SOURCES  # here: sources import torch

        if self._context == AS_WRITTEN:
            return self._completed().resolved()
        values = self.model_dump(mode="json", exclude_none=True)
        for name, override in values["conditions"].items():
            data = self.condition(name).data
            if "data" in override and not SOURCES.is_shipped(data.source):
                override["data"] = data.model_dump(mode="json", exclude_none=True)
        return values

    def digest(self) -> str:
        """Return the SHA-256 over every resolved field of every condition, in hexadecimal."""
        return _sha256(self.resolved() | {"conditions": self._condition_values()})

    def identity(self) -> str:
        """Return the SHA-256 over everything that the numbers of a replicate depend on, in hexadecimal.

        Unlike `digest` it leaves out name, question and the number of replicates.
        """
        facts: dict[str, Any] = {"schema_version": self.schema_version, "seed": self.seed}
        conditions = map(self.condition, self.condition_names())
        if any(condition.pruning.masks_replicate_offset for condition in conditions):
            facts["replicates"] = self.replicates  # whose masks a replicate takes depends on it
        return _sha256(facts | {"conditions": self._condition_values()})

    def _check_masks_of(self, name: str) -> None:
        condition, chain = self.condition(name), self.chain_of_sources(name)
        if len(chain) == 1:
            return
        check_nested_source(name, chain[1], self.condition(chain[1]).pruning)
        offset = condition.pruning.masks_replicate_offset
        if offset and offset % self.replicates == 0:
            raise InputError(
                f"conditions.{name}: pruning.masks_replicate_offset is {offset}, but with {self.replicates} "
                "replicates that is the replicate itself: choose another, or raise replicates"
            )
        wanted = _architecture(self.condition(chain[1]))
        for field, value in _architecture(condition).items():
            if value != wanted[field]:
                raise InputError(
                    f"conditions.{name}: {field} is {value}, but {wanted[field]} in {chain[1]!r}, whose "
                    "masks it takes: masks fit one architecture only"
                )

    def _completed(self) -> "Recipe":
        values = self.model_dump(mode="json", exclude_none=True)
        return Recipe.from_values(values, self.name, context=STORED)

    def _condition_values(self) -> dict[str, Any]:
        if self._context == AS_WRITTEN:
            return self._completed()._condition_values()
        return {name: self.condition(name).model_dump(mode="json") for name in self.condition_names()}


def merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with its fields replaced by those of `override`, table by table.

    Three fields are special. A ``data`` table that names another source replaces the whole table, because the
    options of one source mean nothing to another. ``steps`` and ``epochs`` replace each other, because a
    training has one of the two. A ``pruning`` table with ``masks_from`` replaces the fields that have no
    effect beside it.
    """
    result = copy.deepcopy(dict(base))
    for key, value in override.items():
        if not isinstance(value, Mapping) or not isinstance(result.get(key), Mapping):
            result[key] = copy.deepcopy(value)
        elif key == "data" and value.get("source", result[key].get("source")) != result[key].get("source"):
            result[key] = copy.deepcopy(dict(value))
        elif key == "pruning":
            result[key] = merged(overridden(result[key], value), value)
        else:
            result[key] = merged(result[key], value)
    for given, other in (("steps", "epochs"), ("epochs", "steps")):
        if given in override and other not in override:
            result.pop(other, None)
    return result


def _architecture(condition: Condition) -> dict[str, Any]:
    """Return what decides which masks a condition has, apart from its data, by name of the field."""
    facts = {
        "network.widths": list(condition.network.widths),
        "pruning.prune_output": condition.pruning.prune_output,
        "pruning.prune_biases": condition.pruning.prune_biases,
    }
    return facts | ({"network.bias": condition.network.bias} if condition.pruning.prune_biases else {})


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
