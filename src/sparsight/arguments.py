"""Checks of array arguments on every call, for users: errors name the argument."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np
from jaxtyping import AbstractArray

from sparsight.errors import InputError
from sparsight.geometry import Geometry

LARGEST = 1e75
"""Largest absolute value of an argument that must be finite: its fourth power still fits a float64."""

_P = ParamSpec("_P")
_R = TypeVar("_R")

# jaxtyping's class → words for an error message, and the kinds of numpy dtype that it admits. Shaped admits
# any dtype for jaxtyping; here it means numbers, since text and objects cannot be calculated with.
_KINDS = {
    "Bool": ("bool", "b"),
    "Float": ("floats", "f"),
    "Int": ("whole numbers", "iu"),
    "Integer": ("whole numbers", "iu"),
    "Real": ("real numbers", "iuf"),
    "Shaped": ("numbers or bool", "biuf"),
}


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Requirements on an array argument, read from its annotation."""

    words: str
    dtype_kinds: str
    axes: tuple[str, ...]
    takes_tensors: bool
    takes_batches: bool
    takes_none: bool

    def __str__(self) -> str:
        axes = f" with axes ({', '.join(self.axes)})" if "..." not in self.axes else ""
        return f"an array of {self.words}{axes}{', or batches of them,' if self.takes_batches else ''}"


def checked(
    *, finite: Sequence[str] = (), bounded: Sequence[str] = ()
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Check the array arguments of a function on every call, as their annotations describe them.

    ``Float[np.ndarray, "out in"]`` asks for a numpy array of floats with two axes;
    ``Float[np.ndarray | Tensor, "out in"] | None`` also accepts a tensor or None. If the annotation also
    admits an ``Iterable``, the argument may be an iterable of batches; the function has to check those when
    it reads them. Axes of the same name must have the same length in all arguments. If the function takes a
    `Geometry`, the axis ``in`` must be as long as the geometry has inputs. Arguments with other annotations
    are not checked.

    Parameters
    ----------
    finite : sequence of str
        Arguments that must not contain NaN, infinite values or values beyond ±`LARGEST`.
    bounded : sequence of str
        The same, but NaN is allowed and stands for "undefined".

    Returns
    -------
    callable
        A decorator. The decorated function raises `InputError`, which names the argument, what was found
        and what is needed.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function, eval_str=True)
        annotations = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        geometries = [name for name, annotation in annotations.items() if annotation is Geometry]
        wanted = {name: _read(annotation) for name, annotation in annotations.items()}

        @functools.wraps(function)
        def check(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = signature.bind(*args, **kwargs).arguments
            for name in geometries:
                if not isinstance(given[name], Geometry):
                    raise InputError(f"{name} is {described(given[name])}; a sparsight.Geometry is needed")
            lengths = {"in": ("geometry", given["geometry"].num_inputs)} if "geometry" in geometries else {}
            for name, what in wanted.items():
                if what is not None and name in given:
                    _check_array(name, given[name], what, lengths)
            for name in finite:
                _check_finite(name, given.get(name))
            for name in bounded:
                _check_finite(name, given.get(name), may_be_nan=True)
            return function(*args, **kwargs)

        return check

    return decorate


def described(value: Any) -> str:
    """Return a few words on a wrong argument: its dtype and shape if it is an array, otherwise its type."""
    if isinstance(value, np.ndarray | np.generic) or _is_tensor(value):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"


def _read(annotation: Any) -> _Wanted | None:
    """Return what an annotation asks of an array; None if it is not about arrays."""
    alternatives = list(_alternatives(annotation))
    arrays = [each for each in alternatives if isinstance(each, type) and issubclass(each, AbstractArray)]
    if not arrays:
        return None
    first = arrays[0]
    words, dtype_kinds = _KINDS[first.dtype.__name__]
    axes = ["..." if axis.startswith(("*", ".")) else axis for axis in first.dim_str.split()]
    return _Wanted(
        words=words,
        dtype_kinds=dtype_kinds,
        axes=tuple(axes),
        takes_tensors=any(each.array_type is not np.ndarray for each in arrays),
        takes_batches=any(Iterable in (each, get_origin(each)) for each in alternatives),
        takes_none=type(None) in alternatives,
    )


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union; yield anything else as it is."""
    if get_origin(annotation) in (Union, UnionType):  # Float[A | B, …] becomes the former, A | B the latter
        for member in get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation


def _check_array(name: str, value: Any, wanted: _Wanted, lengths: dict[str, tuple[str, int]]) -> None:
    if value is None and wanted.takes_none:
        return
    is_array = isinstance(value, np.ndarray) or _is_tensor(value)
    if wanted.takes_batches and not is_array and isinstance(value, Iterable):
        if isinstance(value, str | bytes | dict):  # iterable, but never of batches
            raise InputError(f"{name} is {described(value)}; {wanted} is needed")
        return
    is_open = "..." in wanted.axes
    if (
        not (isinstance(value, np.ndarray) or (is_array and wanted.takes_tensors))
        or _dtype_kind(value) not in wanted.dtype_kinds
        or value.ndim < len(wanted.axes) - is_open
        or (value.ndim > len(wanted.axes) and not is_open)
    ):
        raise InputError(f"{name} is {described(value)}; {wanted} is needed")
    for axis, length in zip(wanted.axes, value.shape, strict=False):
        if axis == "...":  # axes after it cannot be told from those it stands for
            break
        other, expected = lengths.setdefault(axis, (name, length))
        if length != expected:
            raise InputError(
                f"{name} has shape {tuple(value.shape)}, but {other} has {expected} along the axis {axis!r}; "
                "they must be equal"
            )


def _dtype_kind(array: Any) -> str:
    """Return the letter of numpy for the kind of an array's or a tensor's dtype."""
    if isinstance(array, np.ndarray):
        kind: str = array.dtype.kind
        return kind
    # not by way of numpy's dtype of the same name: numpy has no bfloat16
    if array.is_floating_point():
        return "f"
    if array.is_complex():
        return "c"
    return "b" if str(array.dtype) == "torch.bool" else "i"


def _check_finite(name: str, value: Any, may_be_nan: bool = False) -> None:
    if _is_tensor(value) and value.is_floating_point():
        value, highest = value.detach().abs(), sys.modules["torch"].finfo(value.dtype).max
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        value, highest = np.abs(value), float(np.finfo(value.dtype).max)
    else:
        return
    # LARGEST is infinite in float32: without the dtype's own limit an infinite value would pass
    is_good = value <= min(LARGEST, highest)
    if may_be_nan:
        is_good |= value != value
    if not bool(is_good.all()):
        raise InputError(
            f"{name} holds {'' if may_be_nan else 'NaN or '}infinite values, or values beyond ±{LARGEST:g}; "
            "remove or rescale them"
        )


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")  # not imported here: that takes two seconds, and arrays do without it
    return torch is not None and isinstance(value, torch.Tensor)
