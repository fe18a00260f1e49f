"""Provenance: recipe, data, environment and times of a run, and how its settings differ from other runs'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparsight.recipe import load_recipe, shipped_recipes
from sparsight.store import Run


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Origin of the numbers of one run."""

    name: str  # of the run in the report
    recipe_name: str
    digest: str  # SHA-256 of the resolved recipe
    toml: str  # full text of the resolved recipe
    question: list[str]  # lines; may be empty
    replicates: int  # as many as the recipe asks for
    conditions: list[str]
    is_shipped: bool  # whether the recipe ships with sparsight and is unchanged
    cards: list[tuple[str, dict[str, Any]]]  # names of conditions that share their data, facts about the data
    environment: dict[str, Any]  # versions, device and machine, as recorded when the run began
    seconds: dict[str, float]  # spent on ``train`` and ``measure``, summed over processes


def provenance(name: str, run: Run) -> Provenance:
    """Return the provenance of a run, which the report calls `name`."""
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


def differing_settings(runs: Mapping[str, Run]) -> dict[str, list[str]]:
    """Return the fields in which the recipes differ, except for the question: dotted name → value by run.

    The value is "–" where a run has no such field.
    """
    flat = [dict(_flattened(run.recipe.resolved())) for run in runs.values()]
    keys = dict.fromkeys(key for fields in flat for key in fields if key != "question")
    return {
        key: [fields.get(key, "–") for fields in flat]
        for key in keys
        if len({fields.get(key) for fields in flat}) > 1
    }


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
    records = [
        record for replicate in run.directory.replicates() for record in run.directory.records(*replicate)
    ]
    return {
        "train": sum(record.train_seconds for record in records),
        "measure": sum(record.measure_seconds for record in records),
    }
