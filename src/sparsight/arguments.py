"""Checks of array arguments at every call, for users; errors name the argument."""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
from jaxtyping import AbstractArray

from sparsight.errors import InputError
from sparsight.geometry import Geometry

LARGEST = 1e75
"""Where an argument has to be finite, this is the most it may be: its fourth power is a float64."""

_P = ParamSpec("_P")
_R = TypeVar("_R")
_WORDS = {"floats": "f", "real": "iuf", "float64": "f", "whole": "iu", "bool": "b", "numbers": "biuf"}
_IN_FULL = {"whole": "whole numbers", "real": "real numbers", "numbers": "numbers or bool"}
_OF_JAXTYPING = {
    "Float": "floats",
    "Float64": "float64",
    "Int": "whole",
    "Int64": "whole",
    "Bool": "bool",
    "Shaped": "numbers",
}


@dataclass(frozen=True)
class _Wanted:
    """What an array argument has to be."""

    word: str
    axes: tuple[str, ...]
    takes_tensors: bool
    takes_batches: bool = False

    def __str__(self) -> str:
        kind = _IN_FULL.get(self.word, self.word)
        axes = f" with axes ({', '.join(self.axes)})" if "..." not in self.axes else ""
        return f"an array of {kind}{axes}{', or batches of such,' if self.takes_batches else ''}"


def checked(
    *, finite: Sequence[str] = (), bounded: Sequence[str] = (), **arrays: str
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Check the array arguments of a function at every call.

    An argument annotated ``Float[np.ndarray, "out in"]`` must be a numpy array of that kind and number of
    axes. Axes of the same name must be of the same length in all arguments, and where there is a `Geometry`,
    the axis ``in`` must have as many entries as it has inputs.

    Parameters
    ----------
    finite : sequence of str
        Arguments that may not hold NaN, infinite values or values beyond `LARGEST`.
    bounded : sequence of str
        Arguments in which NaN stands for "undefined", and other values are as in `finite`.
    **arrays : str
        The same for arguments that may be tensors, too: ``weight="floats out in"``. The first word is one of
        floats, float64, whole, real, bool and numbers; ``batches`` before it admits an iterable of such
        arrays, which is not looked into. None is left to the function.

    Returns
    -------
    callable
        A decorator. The function then raises `InputError`, which names the argument, what was found and
        what is needed.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function, eval_str=True)
        wanted: dict[str, _Wanted] = {}
        geometries = []
        for name, parameter in signature.parameters.items():
            annotation = parameter.annotation
            if name in arrays:
                wanted[name] = _from_words(arrays[name])
            elif isinstance(annotation, type) and issubclass(annotation, AbstractArray):
                wanted[name] = _from_annotation(annotation)
            elif annotation is Geometry:
                geometries.append(name)

        @functools.wraps(function)
        def check(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            given = signature.bind(*args, **kwargs).arguments
            for name in geometries:
                if not isinstance(given[name], Geometry):
                    raise InputError(f"{name} is {described(given[name])}; a sparsight.Geometry is needed")
            lengths = {"in": ("geometry", given["geometry"].num_inputs)} if "geometry" in geometries else {}
            for name, what in wanted.items():
                if given.get(name) is not None or name not in arrays:
                    _check_array(name, given.get(name), what, lengths)
            for name in finite:
                _check_finite(name, given.get(name))
            for name in bounded:
                _check_finite(name, given.get(name), may_be_nan=True)
            return function(*args, **kwargs)

        return check

    return decorate


def described(value: Any) -> str:
    """Return what a wrong argument is, in a few words: its dtype and shape, or its type."""
    if isinstance(value, np.ndarray | np.generic) or _is_tensor(value):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def _from_words(text: str) -> _Wanted:
    words = text.split()
    takes_batches = words[0] == "batches"
    word, *axes = words[1:] if takes_batches else words
    return _Wanted(word, tuple(axes), takes_tensors=True, takes_batches=takes_batches)


def _from_annotation(annotation: Any) -> _Wanted:
    axes = ["..." if axis.startswith(("*", ".")) else axis for axis in annotation.dim_str.split()]
    return _Wanted(_OF_JAXTYPING[annotation.dtype.__name__], tuple(axes), takes_tensors=False)


def _check_array(name: str, value: Any, wanted: _Wanted, lengths: dict[str, tuple[str, int]]) -> None:
    is_array = isinstance(value, np.ndarray) or _is_tensor(value)
    if wanted.takes_batches and isinstance(value, Iterable) and not is_array:
        if isinstance(value, str | bytes | dict):
            raise InputError(f"{name} is {described(value)}; {wanted} is needed")
        return
    if not _is_kind(value, wanted):
        raise InputError(f"{name} is {described(value)}; {wanted} is needed")
    is_open = "..." in wanted.axes
    if value.ndim < len(wanted.axes) - is_open or (value.ndim > len(wanted.axes) and not is_open):
        raise InputError(f"{name} is {described(value)}; {wanted} is needed")
    for axis, length in zip(wanted.axes, value.shape, strict=False):
        if axis == "...":
            break
        other, expected = lengths.setdefault(axis, (name, length))
        if length != expected:
            raise InputError(
                f"{name} has shape {tuple(value.shape)}, but {other} has {expected} along the axis {axis!r}; "
                "they must be equal"
            )


def _is_kind(value: Any, wanted: _Wanted) -> bool:
    if _is_tensor(value) and wanted.takes_tensors:
        kind = np.dtype(str(value.dtype).removeprefix("torch.").replace("bfloat", "float")).kind
    elif isinstance(value, np.ndarray):
        kind = value.dtype.kind
    else:
        return False
    return kind in _WORDS[wanted.word] and (wanted.word != "float64" or value.dtype == np.float64)


def _check_finite(name: str, value: Any, may_be_nan: bool = False) -> None:
    if _is_tensor(value) and value.is_floating_point():
        value, highest = value.detach().abs(), sys.modules["torch"].finfo(value.dtype).max
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        value, highest = np.abs(value), float(np.finfo(value.dtype).max)
    else:
        return
    is_good = value <= min(LARGEST, highest)  # a larger limit would itself be infinite in a narrow dtype
    if may_be_nan:
        is_good |= value != value
    if not bool(is_good.all()):
        raise InputError(
            f"{name} hold {'' if may_be_nan else 'NaN or '}infinite values, or values beyond ±{LARGEST:g}; "
            "remove or rescale them"
        )


def _is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")  # not imported here: it takes two seconds, and arrays do without it
    return torch is not None and isinstance(value, torch.Tensor)
