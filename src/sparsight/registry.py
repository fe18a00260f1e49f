"""Registration by presence: a file in a room is enough for recipes to find what it registers."""

import importlib
import pkgutil
from collections.abc import Iterable


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
