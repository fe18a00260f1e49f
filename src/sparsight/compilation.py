"""How loops over numbers are compiled: for this machine's processor, when first called, and kept on disk."""

from collections.abc import Callable
from functools import partial
from typing import Any, overload

import numba

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
    """Compile a function with numba; it is kept on disk where that may be written.

    NaN and infinity behave as ever.

    Parameters
    ----------
    function : callable
    keeps_order : bool
        Whether sums are taken in the order written. If not, in another one, the same every time.
    is_inlined : bool
        For functions that other compiled functions call: put their code into each caller. Otherwise there are
        two machine codes of such a function, its own and the caller's copy. A process that has just compiled
        them calls the first, one that loads them from disk the second, and sums that may be reordered can
        differ in the last digit between the two.
    """
    if function is None:
        return partial(compiled, keeps_order=keeps_order, is_inlined=is_inlined)
    fastmath = {"contract", "nsz"} if keeps_order else {"reassoc", "contract", "nsz"}
    options = {**_OPTIONS, "fastmath": fastmath, "forceinline": is_inlined}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache folder is writable
        return numba.njit(**options)(function)
