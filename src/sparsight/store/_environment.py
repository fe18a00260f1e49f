"""The machine and the versions that made a run: ``environment.json``, and an extract with every level."""

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from sparsight.streams import streams_digest

_RECORDED = ("sparsight", "torch", "numba", "numpy", "scipy", "scikit-image", "pydantic", "safetensors")


def environment() -> dict[str, Any]:
    """Return versions, machine and, in a checkout, the git revision of this package."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **made_with(),
        "platform": platform.platform(),
        "num_cores": os.cpu_count(),
        "revision": _revision(),
    }


@functools.cache
def made_with() -> dict[str, Any]:
    """Return what decides on the last digits of results, and on draws: versions, processor, GPU, streams."""
    import torch  # here: it takes two seconds, and records are read without it

    return {
        "python": sys.version.split()[0],
        "packages": {name: metadata.version(name) for name in _RECORDED},
        "processor": platform.processor() or platform.machine(),
        "cpu": _cpu_model(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "streams": streams_digest(),
    }


def with_later_entry(facts: Mapping[str, Any], changes: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Return recorded facts with one more entry in their list ``later``: what is now other than it was."""
    entry = {"since": datetime.now(UTC).isoformat(timespec="seconds")}
    entry |= {name: now for name, (_, now) in changes.items()}
    return {**facts, "later": [*facts.get("later", []), entry]}


def latest_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return versions and machine of the last call that computed something; packages by name."""
    packages, later = facts.get("packages"), facts.get("later")
    latest = {**facts, **(packages if isinstance(packages, dict) else {})}
    for entry in later if isinstance(later, list) else ():
        latest |= {key: value for key, value in dict(entry).items() if key != "since"}
    return latest


def environment_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two results of `made_with`: name → (before, now).

    What `before` did not record is not compared.
    """
    flat = [dict(facts) for facts in (before, now)]
    for facts in flat:
        packages = facts.get("packages")
        facts |= packages if isinstance(packages, dict) else {}
    return {
        name: (flat[0][name], flat[1][name])
        for name in flat[1]
        if name != "packages" and name in flat[0] and flat[0][name] != flat[1][name]
    }


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system than Linux
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
