"""An interpreter of pickles that knows arrays, containers and numbers, and nothing else.

An allow-list in `pickle.Unpickler.find_class` stops foreign code but not files of bytes: Python's unpickler
allocates 32 GiB for the memo number in an 8-byte file, hashes nested tuples for a time that doubles with
every 2 bytes (9 s for 64 bytes), and overflows the stack on a key of 200 000 nested tuples.
"""

import ast
import io
import pickletools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sparsight.errors import InputError
from sparsight.pickles._rebuilders import Rebuilder, Unfinished, rebuilders
from sparsight.regular_files import read_regular

MAX_FILE_BYTES = 2**32
MAX_OPERATIONS = 2**22
"""A batch with a list of 10⁶ labels needs about 10⁶; each may make an object of about 200 bytes."""

_MAX_PROTOCOL = 5
_KEY_TYPES = (str, bytes, int, float, bool, type(None))
_MARK = object()


def read_restricted_pickle(path: Path) -> Any:
    """Read a pickle that holds only numpy arrays, built-in containers, strings, bytes and numbers.

    Nothing that the file names is imported or called: the file is not given to Python's unpickler but to an
    interpreter of the operations that data need. This can call only its own functions, which rebuild numpy
    arrays, dtypes and scalars of numbers, and the byte strings and sets that python 3 writes as calls in old
    protocols. Memory is bounded by a few times the file's size, plus `MAX_OPERATIONS` small objects.

    Parameters
    ----------
    path : Path
        Written by python 2 or 3, numpy 1 or 2, protocol 0 to 5. Strings of python 2 become bytes.

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
        content = read_regular(path, MAX_FILE_BYTES)
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
        raise InputError(
            f"{origin} is not a pickle of arrays or is damaged ({reason}); get it again"
        ) from None


class _Refused(Exception):  # noqa: N818 (never leaves this file)
    pass


_BY_CODE = {operation.code.encode("latin1"): operation for operation in pickletools.opcodes}


def _operations(content: bytes) -> Iterator[tuple[str, Any, int]]:
    """Yield name, argument and position of every operation up to the first STOP."""
    # Not pickletools.genops, which takes strings of protocol 0 for ASCII: python 2 wrote arrays into them.
    file = io.BytesIO(content)
    while True:
        position = file.tell()
        operation = _BY_CODE.get(file.read(1))
        if operation is None:
            raise ValueError(f"no operation at byte {position}")
        argument: Any
        if operation.name == "STRING":
            argument = _quoted(file.readline())
        else:
            argument = None if operation.arg is None else operation.arg.reader(file)
        yield operation.name, argument, position
        if operation.name == "STOP":
            return


def _quoted(line: bytes) -> bytes:
    """Return the content of a string of protocol 0, which python 2 wrote as it prints it."""
    text = line.decode("ascii").strip()
    if not line.endswith(b"\n") or len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:
        raise ValueError("a string without quotes")
    value = ast.literal_eval(f"b{text}")
    if type(value) is not bytes:
        raise ValueError("a string that is none")
    return value


class _Interpreter:
    """The stack machine of the pickle protocols, without everything that reaches outside."""

    def __init__(self, num_bytes: int) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}  # not a list: the file chooses the numbers, and 2³¹ would need 16 GiB
        self.rebuilders = rebuilders(num_bytes)

    def run(self, content: bytes) -> Any:
        last: int | None = None
        for count, (opcode, argument, position) in enumerate(_operations(content)):
            last = position
            if count > MAX_OPERATIONS:
                raise _Refused(f"has more than {MAX_OPERATIONS} operations")
            if opcode not in _OPERATIONS:
                raise _Refused(f"uses the pickle operation {opcode}")
            _OPERATIONS[opcode](self, argument)
        value = self.stack.pop()
        if self.stack or not _is_value(value):
            raise ValueError("it ends in the middle of a value")
        if last != len(content) - 1:
            raise ValueError("something follows its end")
        return value

    def check_protocol(self, protocol: int) -> None:
        if protocol > _MAX_PROTOCOL:
            raise _Refused(f"has protocol {protocol}; up to {_MAX_PROTOCOL} is known")

    def pop(self, kind: type) -> Any:
        value = self.stack.pop()
        if type(value) is not kind:
            raise ValueError(f"{kind.__name__} expected, {type(value).__name__} found")
        return value

    def pop_number(self, number: int) -> list[Any]:
        return [self.stack.pop() for _ in range(number)][::-1]

    def pop_to_mark(self) -> list[Any]:
        position = len(self.stack) - 1
        while self.stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise ValueError("mark expected")
        values = self.stack[position + 1 :]
        del self.stack[position:]
        return values

    def extend(self, kind: type, values: list[Any]) -> None:
        """Add values to the container on top of the stack."""
        target = self.stack[-1]
        fits = type(target) is kind and all(map(_is_value, values))
        if not fits:
            raise ValueError(f"values for a {kind.__name__} expected")
        if kind is list:
            target.extend(values)
        elif kind is set:
            target.update(_keys(values))
        else:
            target.update(zip(_keys(values[::2]), values[1::2], strict=True))

    def collect(self, kind: type) -> None:
        """Replace the values above the mark by a container of them."""
        values = self.pop_to_mark()
        self.stack.append(kind())
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
        """Give an array or dtype its state: the finished object replaces the unfinished one everywhere."""
        state, announced = self.pop(tuple), self.stack.pop()
        if not isinstance(announced, Unfinished):
            raise ValueError("state for an object that has none")
        finished = announced.finish(*state)
        for key in announced.memo_keys:
            self.memo[key] = finished
        self.stack.append(finished)


def _is_value(value: Any) -> bool:
    return value is not _MARK and not isinstance(value, Rebuilder | Unfinished)


def _keys(values: Iterable[Any]) -> list[Any]:
    # Nested tuples would be hashed by recursion, in a time that is exponential in the file's size.
    for value in values:
        if type(value) not in _KEY_TYPES:
            raise ValueError(f"{type(value).__name__} as a key")
    return list(values)


def _whole_number(number: int) -> int:
    if abs(number) > 2**64:
        raise _Refused("holds a whole number of more than 64 bits")
    return number


_Operation = Callable[[_Interpreter, Any], None]


def _pushing(make: Callable[[Any], Any], names: str) -> dict[str, _Operation]:
    """Return operations that push a function of their argument."""
    return dict.fromkeys(names.split(), lambda machine, argument: machine.stack.append(make(argument)))


_OPERATIONS: dict[str, _Operation] = {
    "PROTO": _Interpreter.check_protocol,
    **dict.fromkeys(("FRAME", "STOP"), lambda *_: None),
    # constants
    **_pushing(lambda _: None, "NONE"),
    **_pushing(lambda _: True, "NEWTRUE"),
    **_pushing(lambda _: False, "NEWFALSE"),
    **_pushing(_whole_number, "INT BININT BININT1 BININT2 LONG LONG1 LONG4"),
    **_pushing(lambda number: number, "FLOAT BINFLOAT"),
    **_pushing(lambda text: text, "UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8"),
    **_pushing(lambda content: content, "SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8"),
    # byte strings of python 2, the last two decoded by pickletools
    **_pushing(lambda content: content, "STRING"),
    **_pushing(lambda text: text.encode("latin1"), "BINSTRING SHORT_BINSTRING"),
    # containers
    **_pushing(lambda _: _MARK, "MARK"),
    **_pushing(lambda _: [], "EMPTY_LIST"),
    **_pushing(lambda _: (), "EMPTY_TUPLE"),
    **_pushing(lambda _: {}, "EMPTY_DICT"),
    **_pushing(lambda _: set(), "EMPTY_SET"),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.pop_number(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.pop_number(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.pop_number(3))),
    "LIST": lambda machine, _: machine.collect(list),
    "DICT": lambda machine, _: machine.collect(dict),
    "FROZENSET": lambda machine, _: machine.stack.append(frozenset(_keys(machine.pop_to_mark()))),
    "APPEND": lambda machine, _: machine.extend(list, machine.pop_number(1)),
    "APPENDS": lambda machine, _: machine.extend(list, machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.extend(dict, machine.pop_number(2)),
    "SETITEMS": lambda machine, _: machine.extend(dict, machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(set, machine.pop_to_mark()),
    # the stack and the memo
    "POP": lambda machine, _: machine.pop_number(1).clear(),
    "POP_MARK": lambda machine, _: machine.pop_to_mark().clear(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Interpreter.store),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"),
        lambda machine, key: machine.stack.append(machine.memo[int(key)]),
    ),
    # calls
    "GLOBAL": _Interpreter.look_up,
    "STACK_GLOBAL": lambda machine, _: machine.look_up_from_stack(),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.finish(),
}
