"""JSON files that vouch for themselves: a version of the format, and a digest of all the rest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparsight.atomic import write_atomically
from sparsight.errors import InputError, NewerFormatError

FORMAT_VERSION = 2
"""1: no digest in the file itself. 2: with it."""


_VERSION, _DIGEST = "format_version", "sha256"


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain values as JSON, with ``format_version`` and the ``sha256`` of the content beside them.

    Raises
    ------
    OSError
        If the file cannot be written; what was there before is intact.
    ValueError
        If a number is not finite: JSON knows none.
    """
    sealed = {key: content[key] for key in content if key != _DIGEST} | {_VERSION: FORMAT_VERSION}
    sealed[_DIGEST] = _digest(sealed)
    write_atomically(path, json.dumps(sealed, indent=1, allow_nan=False).encode())


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote; files of version 1, which hold no digest, are read as they are.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    NewerFormatError
        If a newer version wrote it.
    """
    try:
        content = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
        version = content.get(_VERSION, 1)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is missing or damaged ({type(error).__name__}: {error})") from None
    if not isinstance(version, int):
        raise InputError(f"{path} is damaged: its {_VERSION} is {version!r}, not a number")
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path} has format {version}; this sparsight reads up to {FORMAT_VERSION}: install a newer one"
        )
    is_sealed = version > 1 or _DIGEST in content  # either could be what is damaged
    if is_sealed and content.pop(_DIGEST, None) != _digest(content):
        raise InputError(f"{path} is damaged: its content is not the one that its {_DIGEST} was taken of")
    return dict(content)


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
