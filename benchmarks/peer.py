"""Timing of the ancestors' TensorFlow network (a clone of SiftingFeatures or IMPforFCN)."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import step
from benchmarks.report import table

_NAMES = ("SiftingFeatures", "IMPforFCN")
_TIMEOUT = 600


def what_is_missing(clone: Path, python: str = sys.executable) -> list[str]:
    """Return what this machine lacks to time the ancestors' network, one sentence each.

    Parameters
    ----------
    clone : Path
        A clone of one of the two repositories.
    python : str
        The interpreter of the environment that the ancestor runs in.
    """
    missing = []
    if not clone.is_dir():
        missing.append(f"{clone} is not a folder; clone {' or '.join(_NAMES)} there")
    elif not any(clone.rglob("Network.py")):
        missing.append(f"{clone} has no Network.py; is it a clone of {' or '.join(_NAMES)}?")
    try:
        subprocess.run([python, "-c", "import tensorflow"], check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError):
        missing.append(f"{python} cannot import tensorflow; name one that can with --peer-python")
    return missing


def peer_lines(
    clone: Path, python: str, threads: int, densities: Sequence[float] = (1.0, 0.1, 0.01), repeats: int = 9
) -> list[str]:
    """Time steps of both networks, BatchNorm on every layer's input; return a table or what is missing."""
    missing = what_is_missing(clone, python)
    if missing:
        return ["", f"Peer not timed: {'; '.join(missing)}."]
    torch.set_num_threads(threads)
    mine = {row.density: row for row in step.step_rows(densities, repeats, batch_norm="input")}
    theirs = _peer_seconds(clone, python, threads, densities, repeats)
    rows = []
    for density in densities:
        ours, median = mine[density].ours, statistics.median(theirs[density])
        span = f"{1e3 * median:.0f} ({1e3 * min(theirs[density]):.0f} to {1e3 * max(theirs[density]):.0f})"
        rows.append([f"{density:g}", f"{1e3 * ours[0]:.1f}", span, f"{median / ours[0]:.1f}"])
    return [
        "",
        f"Against the network of the clone {clone.name} (TensorFlow; BatchNorm on every layer's input, "
        f"here also in ours), with {threads} thread(s):",
        "",
        *table(["density", "ours, ms", "theirs, ms", "theirs / ours"], rows),
    ]


def _peer_seconds(
    clone: Path, python: str, threads: int, densities: Sequence[float], repeats: int
) -> dict[float, list[float]]:
    script = Path(__file__).with_name("peer_step.py")
    command = [python, str(script), str(clone), str(threads), str(repeats), *map(str, densities)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT)
    return {float(density): times for density, times in json.loads(done.stdout.splitlines()[-1]).items()}
