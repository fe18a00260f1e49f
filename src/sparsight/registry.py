"""Registration by presence: a file in a room is enough for recipes to find what it registers."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``"; did you mean X?"`` for the closest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def import_modules_of(name: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that its sources, instruments or criteria are registered.

    Parameters
    ----------
    name : str
        The package's ``__name__``.
    path : iterable of str
        The package's ``__path__``.
    """
    for module in pkgutil.iter_modules(path, name + "."):
        importlib.import_module(module.name)
