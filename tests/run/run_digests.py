"""What two runs must agree in, bit for bit."""

import hashlib
import json
from pathlib import Path

TIMES = ("train_seconds", "measure_seconds", "sha256")
"""What may differ between two runs of one recipe: how long it took, and the seal over that."""


def digests(path: Path) -> dict[str, str]:
    """SHA-256 of everything that a run computes (times left out), by file."""
    found = {}
    for file in sorted(path.rglob("level_???/*")):
        content = file.read_bytes()
        if file.suffix == ".json":
            page = json.loads(content)
            content = json.dumps({key: page[key] for key in page if key not in TIMES}).encode()
        found[str(file.relative_to(path))] = hashlib.sha256(content).hexdigest()
    return found
