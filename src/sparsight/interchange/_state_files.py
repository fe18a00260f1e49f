"""State dicts as files; nothing in a file is executed."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from sparsight.atomic import write_atomically
from sparsight.errors import InputError
from sparsight.interchange._state_layouts import plain_state
from sparsight.regular_files import open_regular, require_regular

_COPIES = 4
"""Names that a weight may have, such as one that an encoder and a decoder share."""


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
            require_regular(path)
            return plain_state(load_file(path), str(path))
        with open_regular(path) as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch does not document what its unpickler raises on a damaged file
        reason = (str(error).splitlines() or ["it ends too early"])[0]
        raise InputError(f"{path} cannot be read as a state dict: {reason}") from None
    state = plain_state(content, str(path))
    _refuse_more_numbers_than_bytes(path, state)
    return state


def _refuse_more_numbers_than_bytes(path: Path, state: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are larger than what the file holds: their copies could fill the memory.

    A file may give a tensor of any shape the strides 0, and use one storage for any number of tensors.
    """
    declared = 0
    for name, value in state.items():
        if (
            value.layout != torch.strided
            or value.numel() * value.element_size() > value.untyped_storage().nbytes()
        ):
            raise InputError(
                f"{path}: {name!r:.80} is not an ordinary tensor: its numbers are not in the file"
            )
        declared += value.numel() * value.element_size()
    size = path.stat().st_size
    if declared > _COPIES * size:
        raise InputError(
            f"{path} has {size} bytes and would unpack to {declared}: it is packed, or names a tensor many "
            "times; save it with torch.save or as .safetensors"
        )


def write_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict as ``.safetensors``.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not save_file, which writes under the final name or with mode 0600, depending on its version.
        write_atomically(path, save({name: value.contiguous().clone() for name, value in state.items()}))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
    except SafetensorError as error:
        raise InputError(f"{path} cannot be written: {error}") from None
