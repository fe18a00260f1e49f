"""State dicts as files, of safetensors or of torch; nothing in a file is executed."""

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.interchange._unreadable_states import facts_of, is_safetensors, why_unreadable

SAFETENSORS = ".safetensors"
TORCH = (".pt", ".pth", ".ckpt", ".bin")
"""Names that files of `torch.save` have."""

_FACTS = "sparsight"


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file, or from one that ``torch.save`` wrote.

    Which of the two a file is, its content says and not its name. If it is a checkpoint (a dictionary with a
    ``"state_dict"``, as Lightning writes), that part is returned.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds anything but tensors and plain values; the message says
        what it is and what to do.
    """
    path = Path(path)
    content = _content(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} does not hold a state dict: a dictionary of tensors by name is needed")
    return dict(content)


def read_facts(path: str | Path) -> dict[str, Any]:
    """Read what `write_state` recorded beside the tensors; empty if nothing was.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    path = Path(path)
    try:
        if is_safetensors(path):
            with safe_open(path, "pt") as file:
                return facts_of((file.metadata() or {}).get(_FACTS))
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None
    content = _content(path)
    return facts_of(content.get(_FACTS)) if isinstance(content, Mapping) else {}


def write_state(
    path: str | Path, state: Mapping[str, Tensor], facts: Mapping[str, Any] | None = None
) -> None:
    """Write a state dict, in the format that the file's name says.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors``, or in ``.pt``, ``.pth``, ``.ckpt`` or ``.bin`` for a file of ``torch.save``.
    facts : mapping, optional
        Plain values to record with it: in the metadata of ``.safetensors``, or in a checkpoint
        ``{"state_dict": …, "sparsight": facts}``. Without facts, ``torch.save`` gets the state dict alone.

    Raises
    ------
    InputError
        If the name ends otherwise, or the file cannot be written.
    """
    path = Path(path)
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    if path.suffix == SAFETENSORS:
        content = save(tensors, None if facts is None else {_FACTS: json.dumps(facts)})
    elif path.suffix in TORCH:
        file = io.BytesIO()
        torch.save(tensors if facts is None else {"state_dict": tensors, _FACTS: dict(facts)}, file)
        content = file.getvalue()
    else:
        raise InputError(
            f"{path} does not say in which format to write: end its name in {SAFETENSORS}, or in "
            f"{', '.join(TORCH)} for a file of torch.save"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _content(path: Path) -> Any:
    """Return what a file holds, restricted to tensors, containers and plain values."""
    try:
        if is_safetensors(path):
            return load_file(path)
        # By its content and not by its name, and without torch's warnings: what it refuses is explained.
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch does not document what its unpickler raises on a damaged file
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as a state dict: {why_unreadable(path, error)}")
