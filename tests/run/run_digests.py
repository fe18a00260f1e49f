"""Everything in which two runs must agree, bit for bit."""

import hashlib
import json
from pathlib import Path

TIMES = ("train_seconds", "measure_seconds", "trained_by", "sha256")
"""Keys that may differ between two runs of one recipe: durations, the condition that trained a level which
several begin with, and the digest that covers them."""


def digests(path: Path, except_for: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the SHA-256 of everything that a run computes, `TIMES` and these keys excepted, by file."""
    found = {}
    for file in sorted(path.rglob("level_???/*")):
        content = file.read_bytes()
        if file.suffix == ".json":
            page = json.loads(content)
            content = json.dumps(
                {key: page[key] for key in page if key not in (*TIMES, *except_for)}
            ).encode()
        found[str(file.relative_to(path))] = hashlib.sha256(content).hexdigest()
    return found
