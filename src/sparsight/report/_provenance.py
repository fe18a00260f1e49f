"""How to do a run again: its recipe, data, machine, and what sets it apart from the runs beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparsight.recipe import load_recipe, shipped_recipes
from sparsight.store import Run


@dataclass(frozen=True)
class Provenance:
    """Where the numbers of one run come from.

    Attributes
    ----------
    name : str
        Of the run on the page.
    recipe_name, digest, toml : str
    question : list of str
        Its sentences, if the recipe states one.
    replicates : int
    conditions : list of str
        Asked for.
    is_shipped : bool
        Whether the recipe is one that comes with sparsight, unchanged.
    cards : list of (str, dict)
        Conditions with the same data, and what was recorded of these.
    environment : dict
    seconds : dict of str to float
        Spent on ``train`` and ``measure``, summed over processes.
    """

    name: str
    recipe_name: str
    digest: str
    toml: str
    question: list[str]
    replicates: int
    conditions: list[str]
    is_shipped: bool
    cards: list[tuple[str, dict[str, Any]]]
    environment: dict[str, Any]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Setting:
    """A field of the recipe in which runs differ.

    Attributes
    ----------
    key : str
        Dotted, as ``--set`` takes it.
    values : list of str
        One a run; "–" where a run lacks it.
    """

    key: str
    values: list[str]


def provenance(name: str, run: Run) -> Provenance:
    """Return how a run came about."""
    facts: dict[str, list[str]] = {}
    cards: dict[str, dict[str, Any]] = {}
    for condition in run.recipe.condition_names():
        card = run.directory.task_facts(condition, 0)
        facts.setdefault(repr(card), []).append(condition)
        cards[repr(card)] = card
    shipped = run.recipe.name in shipped_recipes()
    return Provenance(
        name=name,
        recipe_name=run.recipe.name,
        digest=run.recipe.digest(),
        toml=(run.path / "recipe.toml").read_text(encoding="utf-8"),
        question=[line for line in run.recipe.question.strip().splitlines() if line.strip()],
        replicates=run.recipe.replicates,
        conditions=list(run.recipe.condition_names()),
        is_shipped=shipped and load_recipe(run.recipe.name).digest() == run.recipe.digest(),
        cards=[(", ".join(names), cards[key]) for key, names in facts.items() if cards[key]],
        environment=run.directory.environment(),
        seconds=_seconds(run),
    )


def differing_settings(runs: Mapping[str, Run]) -> list[Setting]:
    """Return the fields of the recipes in which the runs differ; the question is left out."""
    flat = [dict(_flattened(run.recipe.resolved())) for run in runs.values()]
    keys = dict.fromkeys(key for fields in flat for key in fields if key != "question")
    return [
        Setting(key, [fields.get(key, "–") for fields in flat])
        for key in keys
        if len({fields.get(key) for fields in flat}) > 1
    ]


def _flattened(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            pairs += _flattened(value, f"{prefix}{key}.")
        elif isinstance(value, Mapping):
            pairs.append((f"{prefix}{key}", "no change"))
        else:
            pairs.append((f"{prefix}{key}", str(value)))
    return pairs


def _seconds(run: Run) -> dict[str, float]:
    records = [record for each in run.directory.replicates() for record in run.directory.records(*each)]
    return {
        "train": sum(record.train_seconds for record in records),
        "measure": sum(record.measure_seconds for record in records),
    }
