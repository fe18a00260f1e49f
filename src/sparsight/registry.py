"""Registries: criteria, instruments and data sources by the names that recipes use.

A file in the right package is enough to add one: `import_modules_of` imports every module of a package, and
the decorators in those modules do the rest.
"""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from sparsight.errors import InputError

_T = TypeVar("_T", bound=Callable[..., Any])
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Registry(dict[str, _T]):
    """A dictionary of functions in which every name belongs to one function.

    Parameters
    ----------
    kind : str
        What its functions are called in messages: ``"criterion"``.

    Examples
    --------
    >>> shapes: Registry = Registry("shape")
    >>> @shapes.register("disc")
    ... def disc(radius): ...
    >>> shapes.look_up("disk")
    Traceback (most recent call last):
    sparsight.errors.InputError: no shape is called 'disk'; did you mean disc? (registered: disc)
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._files: dict[str, Path] = {}

    def register(self, name: str) -> Callable[[_Function], _Function]:
        """Return a decorator that registers a function under a name.

        Raises
        ------
        InputError
            By the decorator, if another function has the name. The same function may be registered twice.
        """

        def decorate(function: _Function) -> _Function:
            if self.get(name, function) is not function:
                raise InputError(f"{self.kind} {name!r} is registered already; choose another name")
            # A decorator that returned _T would hide the signature of every data source from type checkers.
            self[name] = function  # type: ignore[assignment]
            return function

        return decorate

    def look_up(self, name: str) -> _T:
        """Return the function of a name.

        Raises
        ------
        InputError
            If there is none. The message suggests the closest name and lists all of them.
        """
        if name not in self:
            known = ", ".join(sorted(self))
            raise InputError(
                f"no {self.kind} is called {name!r:.80}{suggest(name, self)} (registered: {known})"
            )
        return self[name]

    def is_shipped(self, name: str) -> bool:
        """Return whether a name belongs to a function of sparsight itself, and to none of the user's."""
        return (
            name in self
            and name not in self._files
            and self[name].__module__.partition(".")[0] == __name__.partition(".")[0]
        )

    def note_file(self, name: str, path: Path) -> None:
        """Record which file of the user's registered a name."""
        self._files[name] = path

    def file_of(self, name: str) -> Path | None:
        """Return the file in which a function of the user's is written; None if there is none.

        Functions typed at a prompt or in a notebook have none.
        """
        if name in self._files:
            return self._files[name]
        try:
            found = inspect.getsourcefile(self.look_up(name))
        except TypeError:  # an object with __call__, and no function
            found = None
        return Path(found) if found and Path(found).is_file() else None


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``"; did you mean X?"`` for the closest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def import_modules_of(name: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that its criteria, instruments or sources are registered.

    `name` and `path` are the ``__name__`` and the ``__path__`` of the package.
    """
    for module in pkgutil.iter_modules(path, name + "."):
        importlib.import_module(module.name)
