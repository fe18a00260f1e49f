"""One unpickler for data sets that are published as pickles: arrays, containers and numbers, nothing else."""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from sparsight.errors import InputError

MAX_FILE_BYTES = 2**32

_NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_ADMITTED = {
    *((module, name) for module in _NUMPY_MODULES for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("__builtin__", "bytes"),  # b"" in old protocols
}


def read_restricted_pickle(path: Path) -> Any:
    """Read a pickle that holds numpy arrays, built-in containers, strings, bytes and numbers only.

    Nothing that a hostile file names is imported or called: the only callables admitted are those that
    rebuild numpy arrays, dtypes and scalars, and the encoding of byte strings that python 3 uses in old
    protocols, each behind a check of its arguments. Declared lengths are compared with the file before
    anything of that size is made. Strings of python 2 come out as bytes.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, is too large, or asks for anything else.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path} has {size} bytes; more than {MAX_FILE_BYTES} is no batch of a data set")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return unpickle_restricted(content, str(path))


def unpickle_restricted(content: bytes, origin: str) -> Any:
    """Read a pickle from memory; see `read_restricted_pickle`. `origin` is for messages."""
    try:
        _check_opcodes(content, origin)
        return _Restricted(content, origin).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle may fail in any way
        raise InputError(f"{origin} is no pickle of arrays or is damaged ({error}); get it again") from None


def _check_opcodes(content: bytes, origin: str) -> None:
    """Walk through the file without building anything; a length beyond its end fails here."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER"):
            raise InputError(f"{origin} uses the pickle operation {opcode.name}, which no data set needs")
        if opcode.name in ("LONG", "LONG1", "LONG4") and abs(int(argument or 0)) > 2**64:
            raise InputError(f"{origin} holds a whole number of more than 64 bits, which no data set needs")


class _Restricted(pickle.Unpickler):
    def __init__(self, content: bytes, origin: str) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.origin = origin
        self.num_bytes = len(content)

    def find_class(self, module: str, name: str) -> Any:
        """Return a checked stand-in for what the file names, or refuse."""
        if (module, name) not in _ADMITTED:
            raise InputError(
                f"{self.origin} asks for {module}.{name}: only numpy arrays and plain values are read; "
                "do not open this file with anything else"
            )
        if name == "_reconstruct":
            return self._empty_array
        if name == "scalar":
            return self._scalar
        if name == "encode":
            return self._encode
        if name == "bytes":
            return self._no_bytes
        return _Array if name == "ndarray" else self._dtype

    def _dtype(self, code: Any, *_: Any) -> np.dtype[Any]:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        dtype = np.dtype(str(text))
        if dtype.hasobject:
            raise InputError(f"{self.origin} holds an array of Python objects; only numbers are read")
        return dtype

    def _empty_array(self, _kind: Any, _shape: Any, _code: Any) -> "_Array":
        array = np.ndarray.__new__(_Array, (0,))
        array.num_bytes, array.origin = self.num_bytes, self.origin
        return array

    def _no_bytes(self) -> bytes:
        return b""

    def _scalar(self, dtype: np.dtype[Any], content: bytes) -> Any:
        return np.frombuffer(content, dtype=dtype, count=1)[0]

    def _encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        name = encoding.decode() if isinstance(encoding, bytes) else encoding
        if name not in ("latin1", "ascii", "utf8", "utf-8") or not isinstance(text, str):
            raise InputError(f"{self.origin} encodes text as {name!r}, which no data set needs")
        return text.encode(name)


class _Array(np.ndarray):
    """An array while it is read: its declared size is checked before numpy makes room for it."""

    num_bytes: int
    origin: str

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, _, content = state
        declared = int(dtype.itemsize)
        for extent in shape:
            declared *= int(extent)
        if dtype.hasobject or declared != len(content):
            raise InputError(
                f"{self.origin} holds an array that declares {declared} bytes and has {len(content)}; "
                "get it again"
            )
        super().__setstate__(state)
