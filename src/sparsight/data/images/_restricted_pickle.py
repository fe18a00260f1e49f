"""Pickled data sets read by an interpreter that knows arrays, containers and numbers, and nothing else."""

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sparsight.data.images._pickled_array import Rebuilder, Unfinished, rebuilders
from sparsight.errors import InputError

MAX_FILE_BYTES = 2**32
MAX_OPERATIONS = 2**22
"""A batch with a list of 10⁶ labels needs about 10⁶; each may make an object of some 200 bytes."""

_MAX_PROTOCOL = 5
_KEY_TYPES = (str, bytes, int, float, bool, type(None))
_MARK = object()


def read_restricted_pickle(path: Path) -> Any:
    """Read a pickle that holds numpy arrays, built-in containers, strings, bytes and numbers only.

    Nothing that a hostile file names is imported or called: the file is not given to Python's unpickler
    but to an interpreter of the operations that data need. What it can call are five functions of its own
    that rebuild numpy arrays, dtypes and scalars of numbers, and the byte strings and sets that python 3
    writes as calls in old protocols. Memory is bounded by a few times the file's size, and by
    `MAX_OPERATIONS` small objects.

    Parameters
    ----------
    path : Path
        Written by python 2 or 3, numpy 1 or 2, protocol 0 to 5. Strings of python 2 come out as bytes.

    Returns
    -------
    object
        Arrays may be read-only.

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
        raise InputError(f"{path} cannot be read: {error.strerror}; check its name and permissions") from None
    return unpickle_restricted(content, str(path))


def unpickle_restricted(content: bytes, origin: str) -> Any:
    """Read a pickle from memory; see `read_restricted_pickle`. `origin` is for messages."""
    try:
        return _Interpreter(len(content)).run(content)
    except _Refused as refusal:
        raise InputError(
            f"{origin} {refusal}: only numpy arrays and plain values are read; do not open it otherwise"
        ) from None
    except Exception as error:  # a damaged pickle may fail in any way
        reason = f"{type(error).__name__}: {error!s:.80}".replace("\n", " ")
        raise InputError(f"{origin} is no pickle of arrays or is damaged ({reason}); get it again") from None


class _Refused(Exception):  # noqa: N818 (never leaves this file)
    pass


class _Interpreter:
    """The stack machine of the pickle protocols, less everything that reaches outside."""

    def __init__(self, num_bytes: int) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}  # not a list: the file chooses the numbers
        self.rebuilders = rebuilders(num_bytes)

    def run(self, content: bytes) -> Any:
        last: int | None = None
        for count, (opcode, argument, position) in enumerate(pickletools.genops(content)):
            last = position
            if count > MAX_OPERATIONS:
                raise _Refused(f"has more than {MAX_OPERATIONS} operations")
            name = opcode.name
            if name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name](argument))
            elif name in _CONTAINERS:
                _CONTAINERS[name](self)
            elif name in _WITH_ARGUMENT:
                _WITH_ARGUMENT[name](self, argument)
            elif name == "PROTO" and int(argument or 0) > _MAX_PROTOCOL:
                raise _Refused(f"is of protocol {argument}; up to {_MAX_PROTOCOL} is known")
            elif name not in ("PROTO", "FRAME", "STOP"):
                raise _Refused(f"uses the pickle operation {name}")
        value = self.stack.pop()
        if self.stack or not _is_value(value):
            raise ValueError("it ends in the middle of a value")
        if last != len(content) - 1:
            raise ValueError("something follows its end")
        return value

    def pop(self, kind: type) -> Any:
        value = self.stack.pop()
        if type(value) is not kind:
            raise ValueError(f"{kind.__name__} expected, {type(value).__name__} found")
        return value

    def pop_values(self) -> list[Any]:
        """Pop everything above the last mark."""
        position = len(self.stack) - 1
        while self.stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise ValueError("mark expected")
        values = self.stack[position + 1 :]
        del self.stack[position:]
        return values

    def push_tuple(self, length: int) -> None:
        values = [self.stack.pop() for _ in range(length)]
        self.stack.append(tuple(reversed(values)))

    def extend(self, kind: type, values: list[Any]) -> None:
        target = self.stack[-1]
        fits = type(target) is kind and all(map(_is_value, values))
        if not fits:
            raise ValueError(f"values for a {kind.__name__} expected")
        if kind is list:
            target.extend(values)
        elif kind is set:
            target.update(map(_key, values))
        else:
            target.update(_dictionary(values))

    def extend_by_one(self, kind: type, number: int) -> None:
        values = [self.stack.pop() for _ in range(number)][::-1]
        self.extend(kind, values)

    def store(self, key: int | None) -> None:
        key = len(self.memo) if key is None else int(key)
        self.memo[key] = self.stack[-1]
        if isinstance(self.stack[-1], Unfinished):
            self.stack[-1].memo_keys.append(key)

    def look_up(self, name: str) -> None:
        if name not in self.rebuilders:
            raise _Refused(f"asks for {name.replace(' ', '.')!r:.80}")
        self.stack.append(self.rebuilders[name])

    def look_up_from_stack(self) -> None:
        name, module = self.pop(str), self.pop(str)
        self.look_up(f"{module} {name}")

    def call(self) -> None:
        arguments, function = self.pop(tuple), self.pop(Rebuilder)
        self.stack.append(function.rebuild(*arguments))

    def finish(self) -> None:
        """Give an array or dtype its state: the finished one takes the place of the announced one."""
        state, announced = self.pop(tuple), self.stack.pop()
        if not isinstance(announced, Unfinished):
            raise ValueError("state for something that has none")
        finished = announced.finish(*state)
        for key in announced.memo_keys:
            self.memo[key] = finished
        self.stack.append(finished)


def _is_value(value: Any) -> bool:
    return value is not _MARK and not isinstance(value, Rebuilder | Unfinished)


def _key(value: Any) -> Any:
    # Nested tuples would be hashed by recursion, in a time exponential in the file's size.
    if type(value) not in _KEY_TYPES:
        raise ValueError(f"{type(value).__name__} as a key")
    return value


def _dictionary(values: list[Any]) -> dict[Any, Any]:
    return {_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


def _whole_number(number: int) -> int:
    if abs(number) > 2**64:
        raise _Refused("holds a whole number of more than 64 bits")
    return number


def _python_2_string(text: str) -> bytes:
    return text.encode("latin1")  # genops decoded it so


def _same(value: Any) -> Any:
    return value


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "MARK": lambda _: _MARK,
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_DICT": lambda _: {},
    "EMPTY_SET": lambda _: set(),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), _whole_number),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), _same),
    **dict.fromkeys(("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _same),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), _same),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _python_2_string),
}

_CONTAINERS: dict[str, Callable[[_Interpreter], None]] = {
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.pop_values())),
    "TUPLE1": lambda machine: machine.push_tuple(1),
    "TUPLE2": lambda machine: machine.push_tuple(2),
    "TUPLE3": lambda machine: machine.push_tuple(3),
    "LIST": lambda machine: _collect(machine, list),
    "DICT": lambda machine: _collect(machine, dict),
    "FROZENSET": lambda machine: machine.stack.append(frozenset(map(_key, machine.pop_values()))),
    "APPEND": lambda machine: machine.extend_by_one(list, 1),
    "APPENDS": lambda machine: _extend_by_marked(machine, list),
    "SETITEM": lambda machine: machine.extend_by_one(dict, 2),
    "SETITEMS": lambda machine: _extend_by_marked(machine, dict),
    "ADDITEMS": lambda machine: _extend_by_marked(machine, set),
    "POP": lambda machine: machine.stack.pop(),
    "POP_MARK": lambda machine: machine.pop_values().clear(),
    "DUP": lambda machine: machine.stack.append(machine.stack[-1]),
    "MEMOIZE": lambda machine: machine.store(None),
    "STACK_GLOBAL": lambda machine: machine.look_up_from_stack(),
    "REDUCE": lambda machine: machine.call(),
    "BUILD": lambda machine: machine.finish(),
}

_WITH_ARGUMENT: dict[str, Callable[[_Interpreter, Any], None]] = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Interpreter.store),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"),
        lambda machine, key: machine.stack.append(machine.memo[int(key)]),
    ),
    "GLOBAL": _Interpreter.look_up,
}


def _collect(machine: _Interpreter, kind: type) -> None:
    values = machine.pop_values()
    machine.stack.append(kind())
    machine.extend(kind, values)


def _extend_by_marked(machine: _Interpreter, kind: type) -> None:
    values = machine.pop_values()
    machine.extend(kind, values)
