"""Registration by presence: a file in a room is enough for recipes to find what it registers."""

import importlib
import pkgutil
from types import ModuleType


def import_modules_of(package: ModuleType) -> None:
    """Import every module of a package, so that its sources, instruments or criteria are registered."""
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
