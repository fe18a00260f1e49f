"""State dicts as files; nothing in a file is executed."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sparsight.errors import InputError


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file, or from one that ``torch.save`` wrote.

    If the file is a checkpoint (a dictionary with a ``"state_dict"``, as Lightning writes), that part is
    returned.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds anything but tensors and plain values.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch does not document what its unpickler raises on a damaged file
        reason = (str(error).splitlines() or ["it ends too early"])[0]
        raise InputError(f"{path} cannot be read as a state dict: {reason}") from None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} does not hold a state dict: a dictionary of tensors by name is needed")
    return dict(content)


def write_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict as ``.safetensors``.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous().clone() for name, value in state.items()}, path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be written: {error}") from None
