"""Names that become folders: they mean the same on every system and cannot lead elsewhere."""

import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-])?", re.ASCII)

# Folders of conditions stand beside the files of a run, which other code finds by these endings.
_RUN_FILES = (".toml", ".json", ".html", ".safetensors", ".csv", ".png", ".svg", ".lock", ".tmp", ".damaged")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))}


def folder_name(name: str) -> str:
    """Return the name unchanged if it can name a folder on every system; a ValueError says why not."""
    if not _PLAIN.fullmatch(name):
        raise ValueError(
            "a name has up to 64 ASCII letters, digits, '_', '-' and '.', begins with a letter or digit, and "
            "does not end with '.'"
        )
    if name.lower().endswith(_RUN_FILES):
        raise ValueError(f"a name must not end like a file of a run ({', '.join(_RUN_FILES)})")
    if name.lower().partition(".")[0] in _DEVICES:
        raise ValueError("Windows reserves this name for a device; choose another")
    return name


def distinct_folders(names: Iterable[str]) -> None:
    """Refuse names that differ only in upper and lower case: some file systems make one folder of them."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"{other!r} and {name!r} are one folder on some systems; choose another name")
