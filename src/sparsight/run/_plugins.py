"""Plugins: Python files of the user that register criteria, instruments or data sources."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from sparsight.errors import InputError


def load_plugins(paths: Sequence[str | Path]) -> None:
    """Execute Python files that register criteria, instruments or data sources.

    A file that this process has loaded before is not executed again.

    Raises
    ------
    InputError
        If a file does not exist, is not Python or raises an exception.
    """
    for path in map(Path, paths):
        name = f"sparsight_plugin_{path.stem}"
        if name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InputError(f"plugin {path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses and pickle look their module up by name while the file is still being executed.
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise InputError(f"plugin {path} failed: {type(error).__name__}: {error}") from error
