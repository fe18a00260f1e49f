"""Plugins: Python files of the user that register criteria, instruments or data sources."""

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from sparsight.data import SOURCES
from sparsight.errors import InputError
from sparsight.instruments import INSTRUMENTS, NETWORK_INSTRUMENTS
from sparsight.prune import CRITERIA
from sparsight.registry import Registry

_loaded: dict[Path, str] = {}
"""SHA-256 of every file that this process has executed: Python keeps its modules for a whole process too."""


def load_plugins(paths: Sequence[str | Path]) -> None:
    """Execute Python files that register criteria, instruments or data sources.

    A file that this process has executed or imported before is not executed again. Files of one name in
    different folders are different files.

    Raises
    ------
    InputError
        If a file does not exist, is not Python, raises an exception, or has changed since this process
        executed it.
    """
    for path in paths:
        _load(Path(path))


def _load(path: Path) -> None:
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"plugin {path} is not a Python file; give the path of a .py file")
    place = path.resolve()
    try:
        content = place.read_bytes()
    except OSError as error:
        raise InputError(f"plugin {path} cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(content).hexdigest()
    if _loaded.setdefault(place, digest) != digest:
        raise InputError(
            f"plugin {path} has changed since this process executed it, and Python cannot forget the former "
            "one: start a new process"
        )
    if _is_imported(place):
        return
    registries: tuple[Registry[Any], ...] = (CRITERIA, INSTRUMENTS, NETWORK_INSTRUMENTS, SOURCES)
    before = [set(registry) for registry in registries]
    try:
        _execute(place, content)
    except (Exception, SystemExit) as error:
        del _loaded[place]
        for registry, names in zip(registries, before, strict=True):
            for name in registry.keys() - names:
                del registry[name]  # else the mended file would find its own names taken
        raise InputError(f"plugin {path} failed: {type(error).__name__}: {error}") from error
    for registry, names in zip(registries, before, strict=True):
        for name in registry.keys() - names:
            registry.note_file(name, place)


def _execute(place: Path, content: bytes) -> None:
    # Two files of one name must not take each other's place among the modules.
    name = f"sparsight_plugin_{place.stem}_{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, place, loader=_Loader(name, place, content))
    assert spec is not None  # there is a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickle look their module up by name while the file is still being executed.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _is_imported(place: Path) -> bool:
    files = [vars(module).get("__file__") for module in list(sys.modules.values()) if module is not None]
    alike = [Path(file) for file in files if file and Path(file).name == place.name]
    return any(file.resolve() == place for file in alike)


class _Loader(SourceFileLoader):
    """Executes the bytes that were read, and no others.

    Python's cache of compiled files is left out: it takes a file for unchanged if its size and the second of
    its last change are the same.
    """

    def __init__(self, name: str, place: Path, content: bytes) -> None:
        super().__init__(name, str(place))
        self._content = content

    def path_stats(self, path: str) -> dict[str, float]:
        """Refuse: without times there is no cached file."""
        raise OSError(path)

    def get_data(self, path: str) -> bytes:  # noqa: ARG002 - importlib calls it so
        """Return the bytes that were read."""
        return self._content
