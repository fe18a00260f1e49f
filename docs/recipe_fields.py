"""Write fields and defaults of recipes into docs/reference/recipe.md: ``python docs/recipe_fields.py``.

The tables are made from the settings that validate a recipe, and from the arguments of the data sources. A
test compares the page with them.
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sparsight.data import SOURCES
from sparsight.network import NetworkSettings
from sparsight.prune import PruningSettings
from sparsight.recipe import DataSettings, MeasureSettings, Recipe
from sparsight.train import TrainingSettings

PAGE = Path(__file__).parent / "reference" / "recipe.md"
TABLES: dict[str, type[BaseModel]] = {
    "network": NetworkSettings,
    "training": TrainingSettings,
    "pruning": PruningSettings,
    "measure": MeasureSettings,
    "data": DataSettings,
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path"}


def fields() -> str:
    """Return the table of all fields: dotted name, default, and what is allowed."""
    of_recipe = {name: each for name, each in Recipe.model_fields.items() if name not in TABLES}
    rows = [_row(name, each.annotation, each.metadata, _default(each)) for name, each in of_recipe.items()]
    for table, model in TABLES.items():
        rows += [
            _row(f"{table}.{name}", each.annotation, each.metadata, _default(each))
            for name, each in model.model_fields.items()
        ]
    return "\n".join(["| field | default | allowed |", "| --- | --- | --- |", *rows, ""])


def options() -> str:
    """Return the table of the options of every data source of this package."""
    rows = [
        _row(f"{name}: {option.name}", option.annotation, (), _shown(option.default))
        for name, source in sorted(SOURCES.items())
        if source.__module__.startswith("sparsight.")
        for option in _options(source)
    ]
    return "\n".join(["| source: option | default | allowed |", "| --- | --- | --- |", *rows, ""])


WRITTEN: dict[str, Callable[[], str]] = {"fields": fields, "options": options}
"""What stands between ``<!-- recipe_fields.py: NAME -->`` and the next ``<!-- end -->``."""


def written(page: str) -> str:
    """Return the page with its tables made again."""
    for name, table in WRITTEN.items():
        begin = f"<!-- recipe_fields.py: {name} -->\n"
        before, rest = page.split(begin)
        _, after = rest.split("<!-- end -->", 1)
        page = f"{before}{begin}{table()}<!-- end -->{after}"
    return page


def _options(source: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    for parameter in inspect.signature(source, eval_str=True).parameters.values():
        if parameter.name not in ("seed", "clone"):
            yield parameter


def _row(name: str, annotation: Any, metadata: Any, default: str) -> str:
    return f"| `{name}` | {default} | {_escaped(_allowed(annotation, metadata))} |"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "empty"
    return "needed" if field.is_required() else _shown(field.default)


def _shown(value: Any) -> str:
    """Return a default as a recipe would have it."""
    if value is inspect.Parameter.empty:
        return "needed"
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        inner = ", ".join(_shown(each).strip("`") for each in value)
        return f"`[{inner}]`"
    return (
        f'`"{value}"`' if isinstance(value, str | Path) else f"`{value:g}`" if value < 1e4 else f"`{value}`"
    )


def _allowed(annotation: Any, metadata: Any) -> str:
    """Return what a type and its bounds allow, in words."""
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = (*metadata, *more)
    if get_origin(annotation) in (types.UnionType, typing.Union):
        return " or ".join(
            _allowed(each, metadata) for each in get_args(annotation) if each is not type(None)
        )
    if get_origin(annotation) is Literal:
        return ", ".join(str(each) for each in get_args(annotation))
    if get_origin(annotation) in (tuple, list, Sequence):
        of, *others = get_args(annotation)
        number = "" if Ellipsis in others or not others else f"{1 + len(others)} of: "
        return f"list of {number}{_allowed(of, ())}"
    if get_origin(annotation) is dict:
        of = get_args(annotation)[1]
        return "tables by name" if get_origin(of) is dict else f"table of {_allowed(of, ())} by name"
    return " ".join([_PLAIN.get(annotation, str(annotation)), *_bounds(metadata)])


def _bounds(metadata: Any) -> Iterator[str]:
    for each in metadata:
        for constraint in each.metadata if isinstance(each, FieldInfo) else (each,):
            for name, sign in _BOUNDS.items():
                bound = getattr(constraint, name, None)
                if bound is not None:
                    yield f"{sign} {bound:g}"


def _escaped(text: str) -> str:
    return re.sub(r"([|*<\[\]_])", r"\\\1", text)


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
