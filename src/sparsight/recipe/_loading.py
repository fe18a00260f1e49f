"""Recipes by name or path: the shipped ones, TOML files, and overrides from the command line."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sparsight.errors import InputError
from sparsight.recipe._recipe import Recipe, merged
from sparsight.recipe._shipped import shipped_recipes
from sparsight.recipe._toml_text import MAX_DEPTH, parse_toml, read_toml
from sparsight.registry import suggest


def load_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe, apply overrides, and validate the result.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a shipped recipe, or path of a TOML file.
    overrides : iterable of str
        ``key=value`` with a dotted key and a TOML value, such as ``pruning.rate=0.2``. A value that is not
        valid TOML is taken as a string.

    Raises
    ------
    InputError
        If there is no such recipe, it is not valid TOML, or a field is wrong; the message names the field.
    """
    raw, origin = recipe_values(name_or_path)
    for override in overrides:
        raw = merged(raw, parse_override(override))
    return Recipe.from_values(raw, origin)


def recipe_values(name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    """Return the plain values of a recipe, not yet validated, and where they come from.

    Raises
    ------
    InputError
        If there is no such recipe, or it is not valid TOML.
    """
    name, path, shipped = str(name_or_path), Path(name_or_path), shipped_recipes()
    origin = f"recipe {name}" if name in shipped else str(path)
    try:
        raw = parse_toml(shipped[name].encode(), origin) if name in shipped else read_toml(path, origin)
    except FileNotFoundError:
        raise InputError(
            f"no recipe or file is called {name!r}{suggest(name, shipped)} (shipped: {', '.join(shipped)})"
        ) from None
    except OSError as error:
        raise InputError(f"recipe {str(path)!r} cannot be read: {error.strerror}") from None
    raw.setdefault("name", path.stem)
    return raw, origin


def parse_override(override: str) -> dict[str, Any]:
    """Return the nested table of one ``key=value`` with a dotted key.

    Raises
    ------
    InputError
        If the override does not have that form.
    """
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise InputError(f"--set {override!r} is not of the form key=value, as in pruning.rate=0.2")
    try:
        tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        value: Any = text.strip()
    else:  # parsed a second time, for the limits of `parse_toml`
        value = parse_toml(f"value = {text}".encode(), f"--set {key}")["value"]
    for part in reversed(parts):
        value = {part: value}
    return dict(value)
