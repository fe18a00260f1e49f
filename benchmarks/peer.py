"""Whether an ancestor's network can be timed here: a clone of SiftingFeatures or IMPforFCN."""

import subprocess
import sys
from pathlib import Path

_NAMES = ("SiftingFeatures", "IMPforFCN")


def what_is_missing(clone: Path, python: str = sys.executable) -> list[str]:
    """Return what stands between this machine and a timing of the ancestor's network; never nothing.

    Parameters
    ----------
    clone : Path
        A clone of one of the two repositories.
    python : str
        The interpreter of the environment that the ancestor runs in.
    """
    missing = []
    if not clone.is_dir():
        missing.append(f"{clone} is no folder; clone {' or '.join(_NAMES)} there")
    elif not any(clone.rglob("*.py")) and not any(clone.rglob("*.ipynb")):
        missing.append(f"{clone} holds no Python files: is it a clone of {' or '.join(_NAMES)}?")
    try:
        subprocess.run([python, "-c", "import tensorflow"], check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError):
        missing.append(f"{python} cannot import tensorflow; name one that can with --peer-python")
    missing.append("no driver of the ancestor's training step is written yet")
    return missing
