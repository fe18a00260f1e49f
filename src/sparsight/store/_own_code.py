"""The user's own code in a run: the source of criteria, instruments and data sources that it was made with.

A run keeps a copy of the source and its digest, so that it can be read without the plugin, and notices at
resuming that the plugin has changed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, TypeAdapter, ValidationError

from sparsight.atomic import make_folder, remove_temporaries, write_atomically
from sparsight.errors import InputError
from sparsight.store._containment import refuse_link, refuse_links
from sparsight.store._sealed_json import read_sealed, write_sealed

OWN_CODE = "own_code"
"""Folder of the copies, and stem of the file that lists them."""

_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class OwnFunction:
    """The source of one function of the user's.

    Attributes
    ----------
    files : mapping of str to bytes
        The file that registers the function, and those beside it that it imports, by path relative to its
        folder. Empty if Python does not know the source, as of functions typed at a prompt.
    """

    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str | None:
        """Digest of names and contents; None without a source."""
        if not self.files:
            return None
        lines = [f"{name}\0{digest}\n" for name, digest in sorted(self.digests.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}

    @property
    def folder(self) -> str:
        """Where a run keeps the files."""
        return f"{OWN_CODE}/{(self.sha256 or 'unknown')[:_DIGITS]}"


class RecordedFunction(BaseModel, extra="forbid", frozen=True):
    """What a run records of one function of the user's; `files` are digests by path below `folder`."""

    folder: str | None
    files: dict[str, str]
    sha256: str | None


_RECORDED = TypeAdapter(dict[str, RecordedFunction])


def read_own_code(path: Path) -> dict[str, RecordedFunction]:
    """Return the functions that a run recorded, by kind and name; empty if there is no such file.

    Raises
    ------
    InputError
        If the file is damaged, or names files outside the run.
    """
    if not path.is_file():
        return {}
    try:
        recorded = _RECORDED.validate_python(read_sealed(path).get("functions"), strict=True)
    except ValidationError as error:
        raise InputError(f"{path} is damaged: {error.errors()[0]['msg']}") from None
    for function in recorded.values():
        for file in function.files:
            place = PurePosixPath(function.folder or "", file)
            if place.is_absolute() or ".." in place.parts or place.parts[0] != OWN_CODE:
                raise InputError(f"{path} is damaged: it names {str(place)!r:.80}, outside {OWN_CODE}/")
    return recorded


def write_own_code(run: Path, functions: Mapping[str, OwnFunction]) -> None:
    """Keep copies of the source of functions in a run, and list them; earlier copies stay."""
    refuse_link(run / OWN_CODE)
    refuse_links(run / OWN_CODE)
    listed = run / f"{OWN_CODE}.json"
    known = {name: function.model_dump() for name, function in read_own_code(listed).items()}
    if not functions:
        return
    # Not its parents: the run may have been moved away.
    make_folder(run / OWN_CODE, inside=run, parents=False)
    for name, function in functions.items():
        for file, content in function.files.items():
            path = run / function.folder / file
            make_folder(path.parent, inside=run)
            remove_temporaries(path.parent)
            write_atomically(path, content, inside=run)
        known[name] = {
            "folder": function.folder if function.files else None,
            "files": function.digests,
            "sha256": function.sha256,
        }
    write_sealed(listed, {"functions": known})
