"""Sealed JSON: files that hold the version of their format, and a digest of everything else in them."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sparsight.atomic import write_atomically
from sparsight.errors import InputError, NewerFormatError
from sparsight.regular_files import read_regular

FORMAT_VERSION = 3
"""1: without a digest. 2: with one. 3: a level with quantities that leave out classes without values,
or with masks that changed while it trained."""

_USUAL_VERSION = 2
"""What is written, so that older versions can read it, where nothing needs a newer one."""

_VERSION, _DIGEST = "format_version", "sha256"


def write_sealed(
    path: Path, content: Mapping[str, Any], *, inside: Path | None = None, version: int = _USUAL_VERSION
) -> None:
    """Write plain values as JSON, together with ``format_version`` and the ``sha256`` of the content.

    `inside` is a folder that may come from somebody else, as in `write_atomically`. `version` is that of the
    format which readers must know.

    Raises
    ------
    NewerFormatError
        If a newer version wrote the file that would be replaced.
    OSError
        If the file cannot be written; its previous content is intact.
    ValueError
        If a number is NaN or infinite, which JSON cannot hold.
    """
    refuse_newer(path)
    sealed = {key: content[key] for key in content if key != _DIGEST} | {_VERSION: version}
    sealed[_DIGEST] = _digest(sealed)
    write_atomically(path, json.dumps(sealed, indent=1, allow_nan=False).encode(), inside=inside)


def read_sealed(path: Path) -> dict[str, Any]:
    """Return the content that `write_sealed` wrote. Files of version 1 hold no digest, and are not verified.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    NewerFormatError
        If a newer version wrote it.
    """
    try:
        content = json.loads(read_regular(path), parse_constant=_refuse_constant)
        version = content.get(_VERSION, 1)
    # AttributeError: not an object. RecursionError: nested too deep, as only a hostile file is.
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is missing or damaged ({type(error).__name__}: {error})") from None
    if not isinstance(version, int):
        raise InputError(f"{path} is damaged: its {_VERSION} is {version!r}, not a number")
    # Before the digest: a newer version may compute it another way, and that would look like damage.
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path} has format {version}; this sparsight reads up to {FORMAT_VERSION}: install a newer one"
        )
    # A flipped bit may have made 1 of the version's 2, or renamed the digest: either is enough to verify.
    is_sealed = version > 1 or _DIGEST in content
    try:
        is_whole = not is_sealed or content.pop(_DIGEST, None) == _digest(content)
    # 1e999 is read as infinity, which no writer of ours stores.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error})") from None
    if not is_whole:
        raise InputError(f"{path} is damaged: its {_DIGEST} is not that of its content")
    return dict(content)


def refuse_newer(path: Path) -> None:
    """Raise `NewerFormatError` if a newer version wrote a file; a missing or damaged file may be replaced."""
    with suppress(InputError):
        read_sealed(path)


def _digest(content: Mapping[str, Any]) -> str:
    # Independent of the order of keys and of white space, which carry no meaning.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
