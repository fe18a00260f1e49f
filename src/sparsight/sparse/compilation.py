"""How the loops of the sparse step are compiled.

All take and fill NumPy arrays of one real dtype in the layout of `sparsight.sparse.tiles`, and most of them
the rows ``first … last − 1`` only, so that threads can share the rows out. They are compiled for this
machine's processor when first called, and kept on disk. Sums run in another order than written
(``reassoc``), the same one every time; NaN and infinity behave as ever.
"""

from collections.abc import Callable
from typing import Any

import numba

_OPTIONS: dict[str, Any] = {
    "fastmath": {"reassoc", "contract", "nsz"},
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": False,
}


def compiled(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function when it is first called, and keep it on disk where that may be written."""
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # neither the package's folder nor the user's cache folder is writable
        return numba.njit(**_OPTIONS)(function)  # type: ignore[no-any-return]
