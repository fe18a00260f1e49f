"""The file from which a level is gone on with in its middle."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from sparsight.prune.imp import Checkpoint, Progress, State
from sparsight.run.atomic import write_atomically

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
    write_atomically(folder / CHECKPOINT, serialise(arrays, {"facts": json.dumps(facts)}))


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the checkpoint of a replicate; None if there is none or it is damaged (the level starts again)."""
    path = folder / CHECKPOINT
    try:
        with safe_open(path, "numpy") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["facts"])
            arrays = {name: torch.from_numpy(file.get_tensor(name).copy()) for name in file.keys()}  # noqa: SIM118
        level, has_rewind = int(facts.pop("level")), bool(facts.pop("has_rewind"))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    return Checkpoint(
        level, _under("trainer/", arrays), facts, _under("rewind/", arrays) if has_rewind else None
    )


def _under(prefix: str, arrays: State) -> State:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _array(value: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach().cpu().numpy())
