"""What a file is that cannot be read as a state dict, and what to do about it."""

import io
import json
import pickletools
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from sparsight.regular_files import open_regular

_MAX_NAMES = 3
_MOST_NAMES = 1000
_HARMLESS = ("torch.", "collections.OrderedDict", "numpy.", "_codecs.", "builtins.", "__builtin__.")
"""Beginnings of names that files of torch and numpy ask for; those of ``torch.nn`` are whole objects."""

_LARGEST_HEADER = 2**27
_TORCHSCRIPT = ("constants.pkl", "code/")
_PICKLE_PROTOCOL = b"\x80"
_ZIP = b"PK\x03\x04"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as ``.safetensors`` files do: the size of a header of JSON, and that."""
    with open_regular(path) as file:
        start = file.read(9)
        size = file.seek(0, io.SEEK_END)
    declared = int.from_bytes(start[:8], "little")
    return len(start) == 9 and start[8:] == b"{" and 2 <= declared <= min(size - 8, _LARGEST_HEADER)


def why_unreadable(path: Path, error: BaseException) -> str:
    """Say what a file is that `torch.load` with ``weights_only=True`` refused, and what to do.

    Parameters
    ----------
    error : Exception
        What was raised. Its own words are used only for errors of the system: torch advises to execute files
        of unknown origin, and prints control codes.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}; check its name and permissions"
    try:
        with open_regular(path) as file:
            start = file.read(64)
            is_archive = zipfile.is_zipfile(file)
    except OSError as cause:
        return f"{cause.strerror}; check its name and permissions"
    except ValueError as cause:  # a NUL in its name
        return f"{cause}; check its name"
    if not start:
        return "it is empty; get it again"
    if start.startswith(_HDF5):
        return (
            "it is an HDF5 file, as Keras writes; load it there and save the arrays with torch or safetensors"
        )
    if start.startswith(b"version https://git-lfs"):
        return "it is the pointer of Git LFS and not the file itself; get that with git lfs pull"
    if is_archive:
        return _why_archive(path)
    if start.startswith(_ZIP):
        return "it is truncated or damaged; get it again"
    if start.startswith(_PICKLE_PROTOCOL):
        return _why_pickle(path)
    if start.lstrip()[:1] in (b"{", b"["):
        return "it is text, such as JSON, and holds no tensors; name the file with the weights"
    return "it is damaged, or no file of torch.save or of safetensors; get it again, or name another file"


def _why_archive(path: Path) -> str:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return "it is truncated or damaged; get it again"
    if any(name.startswith(_TORCHSCRIPT) for name in names):
        return (
            "it is a TorchScript program; save its weights where you trust it: "
            "torch.save(torch.jit.load(path).state_dict(), 'weights.pt')"
        )
    if any(name.endswith(".npy") for name in names) or "data.pkl" not in names:
        return "it is an archive of another kind (a .npz file?); name a file of torch.save or of safetensors"
    try:
        with open_regular(path) as file:
            found = torch.serialization.get_unsafe_globals_in_checkpoint(file)
    except Exception:  # torch does not document what its scanner raises on a damaged file
        return "it is damaged; get it again"
    return _why_objects(found)


def _why_pickle(path: Path) -> str:
    """Say why a pickle that is in no archive, as torch before 1.6 wrote them, is refused."""
    found: list[str] = []
    try:
        with open_regular(path) as file:
            while len(found) < _MOST_NAMES and file.read(1) == _PICKLE_PROTOCOL:
                file.seek(-1, 1)
                found += _names_in_pickle(file)  # the old format is several pickles, one after the other
    except (ValueError, IndexError, EOFError, OverflowError):
        if not found:
            return "it is truncated or damaged; get it again"
    objects = [name for name in dict.fromkeys(found) if ".nn." in name or not name.startswith(_HARMLESS)]
    if objects:
        return _why_objects(objects)
    return "it is a pickle that torch did not write, or is damaged; save the state dict with torch.save"


def _names_in_pickle(file: BinaryIO) -> list[str]:
    """Return the names that a pickle asks for, without executing it."""
    found: list[str] = []
    pushed: list[str | None] = []  # the texts that were put on the stack last, for STACK_GLOBAL
    memo: list[str | None] = []
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "GLOBAL":
            found.append(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            found.append(".".join(each or "?" for each in pushed[-2:]))
        if opcode.name == "MEMOIZE":
            memo.append(pushed[-1] if pushed else None)
        elif opcode.name in ("BINGET", "LONG_BINGET") and isinstance(argument, int):
            pushed = [*pushed[-1:], memo[argument] if argument < len(memo) else None]
        else:
            pushed = [*pushed[-1:], argument if isinstance(argument, str) else None]
    return found


def _why_objects(names: list[str]) -> str:
    if not names:
        return "it is damaged, or a newer torch wrote it; get it again, or update torch"
    if all(name.startswith("numpy.") for name in names):
        return (
            f"it holds numbers of numpy ({', '.join(names[:_MAX_NAMES])}) beside tensors, and these are not "
            "read; where it was made, save module.state_dict() alone, or float(number) in place of each"
        )
    shown = ", ".join(ascii(name).strip("'")[:80] for name in names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return (
        f"it holds whole Python objects ({shown}{more}) and not tensors alone, and rebuilding these would "
        "run code from the file: where you trust it, load it with the project that wrote it, and save "
        "torch.save(module.state_dict(), 'weights.pt') there"
    )


def facts_of(metadata: Any) -> dict[str, Any]:
    """Return what `write_state` recorded beside tensors; empty if nothing readable."""
    try:
        found = json.loads(metadata) if isinstance(metadata, str) else metadata
    except (ValueError, RecursionError):
        return {}
    return dict(found) if isinstance(found, dict) else {}
