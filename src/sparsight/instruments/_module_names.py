"""Which names of instruments can be sparsight's own, told without importing one of them."""

import functools
import pkgutil

from sparsight import instruments


def may_be_shipped(name: str) -> bool:
    """Return whether a module of this package has the name of an instrument; that of every shipped one has.

    If none has, the instrument is the user's.
    """
    return f"_{name}" in _modules()


@functools.cache
def _modules() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(instruments.__path__))
