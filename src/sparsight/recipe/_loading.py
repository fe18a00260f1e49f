"""Recipes by name or path: the shipped ones, TOML files, and overrides from the command line."""

import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from sparsight.errors import InputError
from sparsight.recipe._recipe import Recipe, merged
from sparsight.recipe._toml_text import MAX_DEPTH, MAX_TOML_BYTES, parse_toml
from sparsight.registry import suggest


def shipped_recipes() -> dict[str, str]:
    """Return the TOML text of every shipped recipe, by name."""
    folder = resources.files("sparsight.recipe") / "shipped"
    return {
        Path(file.name).stem: file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


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
    content, origin = _recipe_content(name_or_path)
    raw = parse_toml(content, origin)
    raw.setdefault("name", Path(name_or_path).stem)
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


def _recipe_content(name_or_path: str | Path) -> tuple[bytes, str]:
    shipped = shipped_recipes()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)].encode(), f"recipe {name_or_path}"
    path = Path(name_or_path)
    try:
        with path.open("rb") as file:
            # One byte more than allowed, so that parse_toml refuses a huge file that was never read whole.
            return file.read(MAX_TOML_BYTES + 1), str(path)
    except FileNotFoundError:
        raise InputError(
            f"no recipe or file is called {str(name_or_path)!r}{suggest(str(name_or_path), shipped)} "
            f"(shipped: {', '.join(shipped)})"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"recipe {str(path)!r} cannot be read: {reason}") from None
