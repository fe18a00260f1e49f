"""The file from which a level is gone on with in its middle."""

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

CHECKPOINT = "checkpoint.safetensors"


def write_checkpoint(folder: Path, progress: Progress) -> None:
    """Write where a replicate is, in place of the checkpoint before.

    Parameters
    ----------
    folder : Path
        Of the replicate.
    progress : Progress
    """
    tensors, facts = progress.trainer.state()
    arrays = {f"trainer/{name}": _array(value) for name, value in tensors.items()}
    arrays |= {f"rewind/{name}": _array(value) for name, value in (progress.rewind or {}).items()}
    facts |= {"level": progress.level, "has_rewind": progress.rewind is not None}
    described = json.dumps(facts)
    metadata = {"facts": described, "sha256": _digest(described, arrays)}
    write_atomically(folder / CHECKPOINT, serialise(arrays, metadata))


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the checkpoint of a replicate; None if there is none or it is damaged (the level starts again)."""
    path = folder / CHECKPOINT
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
            arrays = {name: file.get_tensor(name).copy() for name in sorted(file.keys())}
        if metadata["sha256"] != _digest(metadata["facts"], arrays):
            return None
        facts: dict[str, Any] = json.loads(metadata["facts"])
        level, has_rewind = int(facts.pop("level")), bool(facts.pop("has_rewind"))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Checkpoint(
        level, _under("trainer/", tensors), facts, _under("rewind/", tensors) if has_rewind else None
    )


def _under(prefix: str, arrays: State) -> State:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _array(value: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach().cpu().numpy())


def _digest(described: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(described.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
