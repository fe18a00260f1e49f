"""Compilation of loops over numbers, at their first call and for this machine's processor.

Why numba: docs/decisions.md, "The loops are compiled by numba, their innermost parts written as vectors".
"""

from collections.abc import Callable
from functools import partial
from typing import Any, overload

import numba

# numpy's error model divides without a test for 0, which would keep a loop from being vectorised.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False}


@overload
def compiled(function: Callable[..., None]) -> Callable[..., None]: ...
@overload
def compiled(
    *, keeps_order: bool = False, is_inlined: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]: ...
def compiled(
    function: Callable[..., None] | None = None, *, keeps_order: bool = False, is_inlined: bool = False
) -> Any:
    """Compile a function with numba and cache the result on disk if possible.

    NaN and infinity keep IEEE semantics.

    Parameters
    ----------
    function : callable
        A function that writes its results into arrays and returns None.
    keeps_order : bool
        Whether sums are taken in the order in which they are written. Otherwise the order is chosen for
        speed, but is the same every time.
    is_inlined : bool
        For functions that other compiled functions call: put their code into each caller. Otherwise there are
        two machine codes of such a function, its own and the caller's copy. A process that has just compiled
        them calls the first, one that loads them from disk the second, and sums that may be reordered can
        differ in the last digit between the two.
    """
    if function is None:
        return partial(compiled, keeps_order=keeps_order, is_inlined=is_inlined)
    # Not fastmath=True: its flags nnan and ninf let the compiler assume that there is no NaN or infinity, and
    # a diverged training would go unnoticed. "reassoc" lets sums be vectorised.
    fastmath = {"contract", "nsz"} if keeps_order else {"reassoc", "contract", "nsz"}
    options = {**_OPTIONS, "fastmath": fastmath, "forceinline": is_inlined}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written to
        return numba.njit(**options)(function)
