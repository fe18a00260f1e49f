"""TOML from anybody: text that could exhaust the parser, or cause harm later, is refused."""

import re
import tomllib
from pathlib import Path
from typing import Any

from sparsight.errors import InputError
from sparsight.regular_files import open_regular
from sparsight.text_encoding import decoded_text

MAX_TOML_BYTES = 2**18
MAX_DEPTH = 16
"""Greatest depth of tables in tables or lists in lists, and most parts of a dotted key."""

# A key of n parts costs tomllib memory and time of order n²: long keys are refused before it sees them. The
# possessive quantifiers (++, *+) keep this search itself linear in the length of the text.
_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_DEPTH}}}")
_INT64 = 2**63


def read_toml(path: Path, origin: str) -> dict[str, Any]:
    """Return the values of a TOML file, which messages call `origin`.

    Raises
    ------
    InputError
        If the file is not valid TOML, is too large or too deep, or holds an integer of more than 64 bits.
    OSError
        If the file cannot be opened or read, or is a device or FIFO.
    """
    try:
        file = open_regular(path)
    except ValueError as error:
        raise InputError(f"{origin!r} cannot be read: {error}") from None  # a NUL in its name
    with file:
        # One byte more than allowed, so that a huge file is refused without having been read whole.
        content = file.read(MAX_TOML_BYTES + 1)
    return parse_toml(content, origin)


def parse_toml(content: bytes, origin: str) -> dict[str, Any]:
    """Return the values of a TOML text, which messages call `origin`.

    TOML is UTF-8; other encodings are read if they begin with a byte order mark.

    Raises `InputError` if the text is not valid TOML, has more than `MAX_TOML_BYTES` bytes, is too deep, or
    holds an integer of more than 64 bits.
    """
    if len(content) > MAX_TOML_BYTES:
        raise InputError(f"{origin} has more than {MAX_TOML_BYTES} bytes; a recipe never needs as many")
    try:
        text = decoded_text(content)
        if _LONG_KEY.search(text):
            raise InputError(f"{origin} has a key of more than {MAX_DEPTH} parts; a recipe never needs one")
        values = tomllib.loads(text)
    except InputError:  # it is a ValueError as well
        raise
    except RecursionError:
        raise InputError(f"{origin} is nested more than {MAX_DEPTH} deep; a recipe never is") from None
    except ValueError as error:  # not UTF-8, not TOML, or a number of thousands of digits
        raise InputError(f"{origin} is not valid TOML: {' '.join(str(error).split()):.200}") from None
    _check_values(values, origin)
    return values


def _check_values(values: dict[str, Any], origin: str) -> None:
    # Level by level and not by recursion, which the depth that is refused here would exhaust.
    level: list[Any] = [values]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            # tomllib reads integers of any size; NumPy, torch and other TOML readers do not.
            elif isinstance(value, int) and not -_INT64 <= value < _INT64:
                raise InputError(f"{origin} holds an integer of more than 64 bits, which TOML does not allow")
        level = inner
    if level:
        raise InputError(f"{origin} is nested more than {MAX_DEPTH} deep; a recipe never is")
