"""State dicts as files; nothing in a file is executed."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sparsight.errors import InputError
from sparsight.interchange._state_layouts import plain_state


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file, or from one that ``torch.save`` wrote.

    If the file is a checkpoint (a dictionary with a ``"state_dict"``, as Lightning writes, or with a
    ``"model_state_dict"`` or another single state dict), that part is returned. The prefixes that
    torch.compile (``_orig_mod.``) and DataParallel (``module.``) put in front of names are removed.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds anything but tensors and plain values.
    """
    try:
        if path.suffix == ".safetensors":
            return plain_state(load_file(path), str(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch does not document what its unpickler raises on a damaged file
        reason = (str(error).splitlines() or ["it ends too early"])[0]
        raise InputError(f"{path} cannot be read as a state dict: {reason}") from None
    return plain_state(content, str(path))


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
