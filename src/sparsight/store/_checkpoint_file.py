"""Checkpoint of a replicate: resume a level part-way through.

There is one per replicate. Each replaces the one before, and it is deleted once its level is stored.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from sparsight.atomic import write_atomically
from sparsight.prune import Checkpoint, Progress, State
from sparsight.regular_files import require_regular
from sparsight.store._containment import run_around
from sparsight.store._run_directory import CHECKPOINT


def write_checkpoint(folder: Path, progress: Progress) -> None:
    """Save the progress of a replicate in its folder, replacing the previous checkpoint."""
    tensors, facts = progress.trainer.state()
    arrays = {f"trainer/{name}": _array(value) for name, value in tensors.items()}
    # Within level 0, once the rewind step has passed, these weights exist nowhere else.
    arrays |= {f"rewind/{name}": _array(value) for name, value in (progress.rewind or {}).items()}
    facts |= {"level": progress.level, "has_rewind": progress.rewind is not None}
    described = json.dumps(facts)
    metadata = {"facts": described, "sha256": _digest(described, arrays)}
    write_atomically(folder / CHECKPOINT, serialise(arrays, metadata), inside=run_around(folder / "level"))


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a replicate, or None if there is none or it is damaged.

    A damaged checkpoint is not an error: its level starts again from the last stored one, and ends the same.
    """
    path = folder / CHECKPOINT
    try:
        require_regular(path)
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
            # Copied: the arrays are views of a memory map, and the file is replaced while training goes on.
            arrays = {name: file.get_tensor(name).copy() for name in sorted(file.keys())}
        if metadata["sha256"] != _digest(metadata["facts"], arrays):
            return None
        facts: dict[str, Any] = json.loads(metadata["facts"])
        level, has_rewind = int(facts.pop("level")), bool(facts.pop("has_rewind"))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Checkpoint(
        level=level,
        tensors=_under("trainer/", tensors),
        facts=facts,
        rewind=_under("rewind/", tensors) if has_rewind else None,
    )


def _under(prefix: str, arrays: State) -> State:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _array(value: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach().cpu().numpy())


def _digest(described: str, arrays: Mapping[str, np.ndarray]) -> str:
    # Over content, and not over the file: a file cannot hold its own digest.
    digest = hashlib.sha256(described.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
