"""What a replicate is of: recorded when it begins and with every level.

So levels that were copied to another place, and recipes that were edited, are not taken for its own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sparsight.errors import InputError
from sparsight.recipe import Condition, Recipe, validated
from sparsight.settings import STORED

_IDENTITY = ("condition", "replicate", "seed", "settings")


def identity_of(recipe: Recipe, condition: str, replicate: int) -> dict[str, Any]:
    """Return what identifies a replicate: its condition, number and seed, and every resolved setting."""
    return {
        "condition": condition,
        "replicate": replicate,
        "seed": recipe.replicate_seed(replicate),
        "settings": recipe.condition(condition).model_dump(mode="json", exclude_none=True),
    }


def identity_problem(facts: Mapping[str, Any], recipe: Recipe, condition: str, replicate: int) -> str | None:
    """Return in which way recorded facts are not those of a replicate of this recipe; None if they are.

    Settings are compared by their meaning: a field that a later version adds has its default in both.
    """
    if not all(key in facts for key in _IDENTITY):  # version 0.1 recorded none
        return None
    expected = identity_of(recipe, condition, replicate)
    for key in ("condition", "replicate", "seed"):
        if facts[key] != expected[key]:
            return f"{key} is {facts[key]!r:.60} there and {expected[key]!r:.60} here"
    try:
        recorded = validated(Condition, facts["settings"], "task.json", context=STORED)
    except (InputError, TypeError, RecursionError) as error:
        return f"its settings cannot be read ({error!s:.200})"
    if recorded == recipe.condition(condition):
        return None
    then = dict(_flat(recorded.model_dump(mode="json", exclude_none=True)))
    now = dict(_flat(expected["settings"]))
    return "; ".join(
        f"{name} is {then.get(name, 'not set')!s:.60} there and {now.get(name, 'not set')!s:.60} here"
        for name in sorted(then | now)
        if then.get(name) != now.get(name)
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
