"""TOML from anybody: what could exhaust the parser, or harm later, is refused."""

import re
import tomllib
from typing import Any

from sparsight.errors import InputError

MAX_TOML_BYTES = 2**18
MAX_DEPTH = 16
"""Tables in tables or lists in lists; and parts of a dotted key."""

_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
# A key of n parts takes the parser memory and time of order n².
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_DEPTH}}}")
_INT64 = 2**63


def parse_toml(content: bytes, origin: str) -> dict[str, Any]:
    """Return the values of a TOML text, if it is small and shallow.

    Parameters
    ----------
    content : bytes
        At most `MAX_TOML_BYTES`, UTF-8.
    origin : str
        Where it comes from, for messages.

    Raises
    ------
    InputError
        If it is no TOML, is too large or too deep, or holds a whole number of more than 64 bits.
    """
    if len(content) > MAX_TOML_BYTES:
        raise InputError(f"{origin} has more than {MAX_TOML_BYTES} bytes; no recipe is so long")
    try:
        text = content.decode()
        if _LONG_KEY.search(text):
            raise InputError(f"{origin} has a key of more than {MAX_DEPTH} parts; no recipe has")
        values = tomllib.loads(text)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{origin} is nested more than {MAX_DEPTH} deep; no recipe is") from None
    except ValueError as error:  # no UTF-8, no TOML, or a number of thousands of digits
        raise InputError(f"{origin} is no valid TOML: {' '.join(str(error).split()):.200}") from None
    _check_values(values, origin)
    return values


def _check_values(values: dict[str, Any], origin: str) -> None:
    level: list[Any] = [values]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, int) and not -_INT64 <= value < _INT64:
                raise InputError(f"{origin} holds a whole number of more than 64 bits; TOML has none")
        level = inner
    if level:
        raise InputError(f"{origin} is nested more than {MAX_DEPTH} deep; no recipe is")
