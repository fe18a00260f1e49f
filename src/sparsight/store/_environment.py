"""The machine and the versions that made a run, as ``environment.json`` records them."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

_RECORDED = ("sparsight", "torch", "numba", "numpy", "scipy", "scikit-image", "pydantic", "safetensors")


def environment() -> dict[str, Any]:
    """Return versions, machine and, in a checkout, the git revision of this package."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "packages": {name: metadata.version(name) for name in _RECORDED},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "num_cores": os.cpu_count(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "revision": _revision(),
    }


def _revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
