"""Studies: the runs that claims share, each a recipe at three scales, and their results as arrays."""

import tomllib
from importlib import resources
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from sparsight.data import SOURCES
from sparsight.errors import InputError
from sparsight.instruments import NETWORK
from sparsight.recipe import Recipe, merged
from sparsight.store import Run

Scale = Literal["smoke", "laptop", "paper"]
SCALES: tuple[Scale, ...] = get_args(Scale)

LEAST_ACCURACY, GREATEST_ACCURACY = 0.8, 0.99
"""The band of dense test accuracy for which laptop settings were chosen, with other seeds and no pruning.

In a trivial or unlearned task nothing differs (docs/decisions.md, "Laptop settings of the claims were chosen
by dense accuracy alone"). Conditions outside the band are named with the results, not left out."""

DataSets = Literal["one", "fresh each replicate"]
"""Whether intervals are over seeds given one data set, or over fresh draws of the data as well."""

_TABLES = ("scales", "variants", "every_variant")


def study_names() -> list[str]:
    """Return the names of the shipped studies."""
    folder = resources.files("sparsight.reproduce") / "studies"
    return sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml"))


def load_study(name: str, scale: Scale, variant: str = "") -> Recipe:
    """Return the recipe of a study at a scale; `variant` is empty for the study itself.

    A study is a recipe in TOML with tables of overrides: ``[scales.<scale>]`` (also of ``replicates``), and
    for the repetitions with one setting changed ``[every_variant]`` and ``[variants.<variant>]``, which go on
    top of scale laptop. ``only`` in ``[every_variant]`` lists the conditions that variants repeat, instead of
    all.
    """
    raw = _read(name)
    if scale not in raw["scales"]:
        raise InputError(f"scale is {scale!r}; {', '.join(SCALES)} are allowed")
    if variant and variant not in variants_of(name, scale):
        there = ", ".join(raw["variants"]) or "none"
        raise InputError(
            f"study {name!r} has no variant {variant!r} at scale {scale}; at laptop there are {there}"
        )
    values = {key: value for key, value in raw.items() if key not in _TABLES}
    values = merged(values, raw["scales"][scale])
    if variant:
        every = dict(raw["every_variant"])
        values["conditions"] = _only(values["conditions"], every.pop("only", None), name)
        values = merged(merged(values, every), raw["variants"][variant])
    values["name"] = "-".join(filter(None, (name, variant, scale)))
    return Recipe.from_values(values, f"study {name}")


def variants_of(name: str, scale: Scale) -> list[str]:
    """Return the variants of a study, which halve or double one setting; only scale laptop has any."""
    return list(_read(name)["variants"]) if scale == "laptop" else []


def results_of(run: Run) -> xr.Dataset:
    """Return the ``Run.dataset`` of the first layer, with ``test_accuracy``, ``density`` and stability.

    The added numbers are those of the whole network. They are over condition, replicate and level, NaN where
    a level does not exist. The attribute ``seeds`` holds one seed per replicate.
    """
    dataset = run.dataset()
    shape = tuple(dataset.sizes[dim] for dim in ("condition", "replicate", "level"))
    columns = {name: np.full(shape, np.nan) for name in ("test_accuracy", "density")}
    for place, condition in enumerate(run.recipe.condition_names()):
        for replicate in range(run.recipe.replicates):
            for record in run.directory.records(condition, replicate):
                level = (place, replicate, record.index)
                columns["test_accuracy"][level] = record.test_accuracy
                columns["density"][level] = record.density
                for name, entry in record.measures.get(NETWORK, {}).items():
                    if entry.value is not None:
                        columns.setdefault(name, np.full(shape, np.nan))[level] = entry.value
    dims = ("condition", "replicate", "level")
    dataset = dataset.assign({name: (dims, values) for name, values in columns.items()})
    seeds = [run.recipe.replicate_seed(replicate) for replicate in range(run.recipe.replicates)]
    return dataset.assign_attrs(seeds=seeds)


def outside_accuracy_band(results: xr.Dataset) -> dict[str, float]:
    """Return the mean dense test accuracy of each condition for which it is outside the band."""
    dense = results.test_accuracy.isel(level=0).mean("replicate")
    return {
        str(condition): float(dense.sel(condition=condition))
        for condition in results.condition.values
        if not LEAST_ACCURACY <= float(dense.sel(condition=condition)) <= GREATEST_ACCURACY
    }


def data_sets_of(recipe: Recipe) -> DataSets:
    """Return whether replicates share one data set; they do unless every condition draws random fields.

    Fields that are drawn with ``data.seed`` are one data set as well.
    """
    if all(recipe.condition(name).data.seed is not None for name in recipe.condition_names()):
        return "one"
    sources = {recipe.condition(name).data.source for name in recipe.condition_names()}
    are_fields = all(
        SOURCES.look_up(name).__module__.startswith("sparsight.data.fields.") for name in sources
    )
    return "fresh each replicate" if are_fields else "one"


def cost_of(run: Run) -> dict[str, float]:
    """Return the seconds of training and of measuring, summed over all levels of all replicates.

    They are wall-clock seconds of the process that trained a replicate.
    """
    records = [
        record
        for condition in run.recipe.condition_names()
        for replicate in range(run.recipe.replicates)
        for record in run.directory.records(condition, replicate)
    ]
    return {
        "train_seconds": round(sum(record.train_seconds for record in records), 1),
        "measure_seconds": round(sum(record.measure_seconds for record in records), 1),
    }


def _only(conditions: dict[str, Any], names: list[str] | None, study: str) -> dict[str, Any]:
    if names is None:
        return conditions
    unknown = [name for name in names if name not in conditions]
    if unknown:
        raise InputError(
            f"every_variant.only of study {study!r} names {unknown[0]!r}; its conditions are "
            f"{', '.join(conditions)}"
        )
    return {name: conditions[name] for name in names}


def _read(name: str) -> dict[str, Any]:
    file = resources.files("sparsight.reproduce") / "studies" / f"{name}.toml"
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no study is called {name!r}; there are {', '.join(study_names())}") from None
    return {"scales": {}, "variants": {}, "every_variant": {}, "conditions": {}} | raw
