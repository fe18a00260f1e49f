"""The user's own code in a run: the source of criteria, instruments and data sources that it was made with.

A run keeps a copy of the source and its digest, so that it can be read without the plugin, and notices at
resuming that the plugin has changed.
"""

import ast
import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from sparsight.atomic import remove_temporaries, write_atomically
from sparsight.data import SOURCES
from sparsight.errors import InputError
from sparsight.instruments import registry_of_instrument
from sparsight.prune import CRITERIA
from sparsight.recipe import Condition
from sparsight.registry import Registry
from sparsight.store._containment import refuse_link, refuse_links
from sparsight.store._sealed_json import read_sealed, write_sealed

OWN_CODE = "own_code"
"""Folder of the copies, and stem of the file that lists them."""

_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class OwnFunction:
    """The source of one function of the user's.

    Attributes
    ----------
    files : mapping of str to bytes
        The file that registers the function, and those beside it that it imports, by path relative to its
        folder. Empty if Python does not know the source, as of functions typed at a prompt.
    """

    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str | None:
        """Digest of names and contents; None without a source."""
        if not self.files:
            return None
        lines = [f"{name}\0{digest}\n" for name, digest in sorted(self.digests.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}

    @property
    def folder(self) -> str:
        """Where a run keeps the files."""
        return f"{OWN_CODE}/{(self.sha256 or 'unknown')[:_DIGITS]}"


class RecordedFunction(BaseModel, extra="forbid", frozen=True):
    """What a run records of one function of the user's; `files` are digests by path below `folder`."""

    folder: str | None
    files: dict[str, str]
    sha256: str | None


_RECORDED = TypeAdapter(dict[str, RecordedFunction])


def read_own_code(path: Path) -> dict[str, RecordedFunction]:
    """Return the functions that a run recorded, by kind and name; empty if there is no such file.

    Raises
    ------
    InputError
        If the file is damaged, or names files outside the run.
    """
    if not path.is_file():
        return {}
    try:
        recorded = _RECORDED.validate_python(read_sealed(path).get("functions"), strict=True)
    except ValidationError as error:
        raise InputError(f"{path} is damaged: {error.errors()[0]['msg']}") from None
    for function in recorded.values():
        for file in function.files:
            place = PurePosixPath(function.folder or "", file)
            if place.is_absolute() or ".." in place.parts or place.parts[0] != OWN_CODE:
                raise InputError(f"{path} is damaged: it names {str(place)!r:.80}, outside {OWN_CODE}/")
    return recorded


def write_own_code(run: Path, functions: Mapping[str, OwnFunction]) -> None:
    """Keep copies of the source of functions in a run, and list them; earlier copies stay."""
    refuse_link(run / OWN_CODE)
    refuse_links(run / OWN_CODE)
    listed = run / f"{OWN_CODE}.json"
    known = {name: function.model_dump() for name, function in read_own_code(listed).items()}
    if not functions:
        return
    (run / OWN_CODE).mkdir(exist_ok=True)  # not its parents: the run may have been moved away
    for name, function in functions.items():
        for file, content in function.files.items():
            path = run / function.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_temporaries(path.parent)
            write_atomically(path, content)
        known[name] = {
            "folder": function.folder if function.files else None,
            "files": function.digests,
            "sha256": function.sha256,
        }
    write_sealed(listed, {"functions": known})


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
