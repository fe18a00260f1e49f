"""Arrays, dtypes and scalars of a pickle, rebuilt by functions that check every argument first."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16)")
"""Booleans, whole numbers, floats, complex numbers: no objects, no strings, no fields."""

_MAX_AXES = 32
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_BUILTINS = ("__builtin__", "builtins")
_LATIN1 = ("latin1", b"latin1")
_BYTE_ORDERS: dict[Any, Any] = {key: order for order in "<>|=" for key in (order, order.encode())}


@dataclass(frozen=True)
class Rebuilder:
    """A name that a pickle may call, and the function that stands in for it."""

    rebuild: Callable[..., Any]


@dataclass(eq=False)
class Unfinished:
    """An array or dtype that a pickle has announced but not yet given its state."""

    finish: Callable[..., Any]
    memo_keys: list[int] = field(default_factory=list)


def rebuilders(num_bytes: int) -> dict[str, Rebuilder]:
    """Return the stand-ins, by ``"module name"``.

    The file's size limits all arrays together, and all encoded strings. Without it, one stored string that is
    used repeatedly could fill the memory.
    """
    arrays, strings = _Budget(num_bytes), _Budget(num_bytes)

    def array(shape: Any, dtype: Any, content: Any, order: str) -> np.ndarray:
        return _array(shape, dtype, content, order, arrays)

    def reconstruct(kind: Any, shape: Any, code: Any) -> Unfinished:
        # numpy always writes _reconstruct(ndarray, (0,), b"b") and the real shape and dtype as state.
        if kind is not ndarray or type(code) not in (str, bytes) or code not in (b"b", "b") or shape != (0,):
            raise ValueError("an array of an unknown kind")
        return Unfinished(
            lambda _version, shape, dtype, fortran, content: array(
                shape, dtype, content, "F" if fortran else "C"
            )
        )

    def from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        return array(shape, dtype, content, order)

    def encode(text: Any, encoding: Any = "latin1") -> bytes:
        if type(text) is not str or type(encoding) not in (str, bytes) or encoding not in _LATIN1:
            raise ValueError("an unknown encoding")
        strings.spend(len(text))
        return text.encode("latin1")

    def members(values: Any = ()) -> set[Any]:
        if values and (type(values) is not list or not all(type(v) in (str, bytes, int) for v in values)):
            raise ValueError("a set of values other than numbers and strings")
        arrays.spend(len(values))
        return set(values)

    def refuse(*_: Any) -> None:
        raise ValueError("numpy.ndarray called")

    ndarray = Rebuilder(refuse)  # numpy only names it, as an argument of _reconstruct
    return {
        "numpy ndarray": ndarray,
        "numpy dtype": Rebuilder(_dtype),
        "_codecs encode": Rebuilder(encode),
        **{f"{module} _reconstruct": Rebuilder(reconstruct) for module in _MULTIARRAY},
        **{f"{module} scalar": Rebuilder(_scalar) for module in _MULTIARRAY},
        **{f"{module} _frombuffer": Rebuilder(from_buffer) for module in _NUMERIC},
        **{f"{module} bytes": Rebuilder(lambda: b"") for module in _BUILTINS},  # b"" in old protocols
        **{f"{module} set": Rebuilder(members) for module in _BUILTINS},
        **{f"{module} frozenset": Rebuilder(lambda *v: frozenset(members(*v))) for module in _BUILTINS},
    }


@dataclass
class _Budget:
    left: int

    def spend(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise ValueError("it would unpack to more than its own size")


def _dtype(code: Any, _align: Any = False, _copy: Any = True) -> Unfinished:
    # Types first: printing, comparing or hashing nested tuples can take time exponential in the file's size.
    if type(code) not in (str, bytes):
        raise ValueError("a dtype without a code")
    text = code.decode("ascii") if type(code) is bytes else code
    if not _NUMBERS.fullmatch(text):
        raise ValueError(f"an array of {text[:20]!r}, not of numbers")

    def finish(_version: Any, byte_order: Any, subarray: Any, names: Any, fields: Any, *_: Any) -> Any:
        is_plain = subarray is None and names is None and fields is None
        if not is_plain or type(byte_order) not in (str, bytes) or byte_order not in _BYTE_ORDERS:
            raise ValueError("an array of compound values, not of numbers")
        return np.dtype(text).newbyteorder(_BYTE_ORDERS[byte_order])

    return Unfinished(finish)


def _array(shape: Any, dtype: Any, content: Any, order: Any, budget: _Budget) -> np.ndarray:
    if not isinstance(dtype, np.dtype) or type(content) not in (bytes, bytearray):
        raise ValueError("an array without dtype or content")
    if type(order) is not str or order not in ("C", "F"):
        raise ValueError("an array in an unknown order")
    if type(shape) is not tuple or len(shape) > _MAX_AXES or not all(map(_is_extent, shape)):
        raise ValueError("an array without shape")
    # math.prod, not numpy's: whole numbers of Python do not overflow to a size that fits.
    declared = math.prod(shape) * dtype.itemsize
    if declared != len(content):
        raise ValueError(f"an array declares {declared} bytes and has {len(content)}")
    budget.spend(declared)
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="C" if order == "C" else "F")


def _is_extent(extent: Any) -> bool:
    return type(extent) is int and extent >= 0


def _scalar(dtype: Any, content: Any) -> Any:
    return _array((1,), dtype, content, "C", _Budget(32))[0]
