"""Which criteria, instruments and data sources of a recipe are the user's own, and their source files."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sparsight.data import SOURCES
from sparsight.errors import InputError
from sparsight.instruments import registry_of_instrument
from sparsight.prune import CRITERIA
from sparsight.recipe import Condition
from sparsight.registry import Registry
from sparsight.store._own_code import OwnFunction


def own_functions(conditions: Iterable[Condition], *, to_measure: bool = False) -> dict[str, OwnFunction]:
    """Return the user's own functions among those that conditions use, such as ``criterion largest-first``.

    Only instruments if levels are only to be measured.

    Raises
    ------
    InputError
        If one is not registered in this process.
    """
    found: dict[str, OwnFunction] = {}
    for condition in conditions:
        for registry, name in _used(condition):
            is_for_training = registry is CRITERIA or registry is SOURCES
            if not registry.is_shipped(name) and not (to_measure and is_for_training):
                found[f"{registry.kind} {name}"] = _own_function(registry, name)
    return found


def own_instruments(names: Iterable[str]) -> dict[str, str | None]:
    """Return the digests of the user's own among instruments, such as ``instrument signs``."""
    return {
        f"{registry.kind} {name}": _own_function(registry, name).sha256
        for registry, name in ((registry_of_instrument(name), name) for name in names)
        if not registry.is_shipped(name)
    }


def missing_functions(conditions: Iterable[Condition], *, to_measure: bool = False) -> list[str]:
    """Return the functions that conditions use and that are not registered in this process.

    Without criteria if levels are only to be measured.
    """
    used = [each for condition in conditions for each in _used(condition)]
    missing = {
        f"{registry.kind} {name}": None
        for registry, name in used
        if name not in registry and not (to_measure and registry is CRITERIA)
    }
    return list(missing)


def _used(condition: Condition) -> Iterator[tuple[Registry[Any], str]]:
    yield SOURCES, condition.data.source
    if condition.pruning.masks_from is None:  # else nothing is chosen
        yield CRITERIA, condition.pruning.criterion
    for name in condition.measure.instruments:
        yield registry_of_instrument(name), name


def _own_function(registry: Registry[Any], name: str) -> OwnFunction:
    function, file = registry.look_up(name), registry.file_of(name)
    if file is None:
        try:
            return OwnFunction(files={f"{name}.py": inspect.getsource(function).encode()})
        except (OSError, TypeError):
            return OwnFunction(files={})
    return OwnFunction(files=_with_imports(file))


def _with_imports(file: Path) -> dict[str, bytes]:
    """Return a file and what it imports from its own folder, directly or not, by relative path."""
    folder = file.resolve().parent
    found: dict[str, bytes] = {}
    waiting = [file.resolve()]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name in found:
            continue
        try:
            found[name] = path.read_bytes()
            tree = ast.parse(found[name])
        except OSError as error:
            raise InputError(f"plugin {path} cannot be read: {error.strerror}") from None
        except (SyntaxError, ValueError):  # a file that is imported under a condition that never holds
            continue
        waiting += _imported(tree, path, folder)
    return found


def _imported(tree: ast.Module, path: Path, folder: Path) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [(folder, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if node.level else folder
            start = f"{node.module}." if node.module else ""
            modules = [(base, f"{start}{alias.name}") for alias in node.names]
        else:
            continue
        for base, module in modules:
            parts = module.split(".")
            if parts[0] == "sparsight" and base == folder:
                continue  # its version is recorded
            for length in range(1, len(parts) + 1):
                stem = base.joinpath(*parts[:length])
                for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
                    if candidate.is_file() and candidate.resolve().is_relative_to(folder):
                        yield candidate.resolve()
