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
from sparsight.interchange._state_layouts import plain_state
from sparsight.interchange._unreadable_states import facts_of, is_safetensors, why_unreadable
from sparsight.regular_files import open_regular

_COPIES = 4
"""Names that a weight may have, such as one that an encoder and a decoder share."""

SAFETENSORS = ".safetensors"
TORCH = (".pt", ".pth", ".ckpt", ".bin")
"""Names that files of `torch.save` have."""

_FACTS = "sparsight"


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a ``.safetensors`` file, or from one that ``torch.save`` wrote.

    Which of the two a file is, its content says and not its name. If it is a checkpoint (a dictionary with a
    ``"state_dict"``, as Lightning writes, or with a ``"model_state_dict"`` or another single state dict),
    that part is returned. The prefixes that torch.compile (``_orig_mod.``) and DataParallel (``module.``)
    put in front of names are removed.

    Raises
    ------
    InputError
        If the file is missing or damaged, or holds anything but tensors and plain values; the message says
        what it is and what to do.
    """
    path = Path(path)
    state = plain_state(_content(path), str(path))
    _refuse_more_numbers_than_bytes(path, state)
    return state


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
    except (OSError, ValueError, SafetensorError) as error:
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
    if path.suffix not in (SAFETENSORS, *TORCH):
        raise InputError(
            f"{path} does not say in which format to write: end its name in {SAFETENSORS}, or in "
            f"{', '.join(TORCH)} for a file of torch.save"
        )
    try:
        content = _encoded(path.suffix, state, facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not save_file, which writes under the final name or with mode 0600, depending on its version.
        write_atomically(path, content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another --out") from None
    except SafetensorError as error:
        raise InputError(f"{path} cannot be written: {error}") from None


def _encoded(suffix: str, state: Mapping[str, Tensor], facts: Mapping[str, Any] | None) -> bytes:
    """Return the content of a file in the format that a suffix stands for."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    if suffix == SAFETENSORS:
        return bytes(save(tensors, None if facts is None else {_FACTS: json.dumps(facts)}))
    file = io.BytesIO()
    torch.save(tensors if facts is None else {"state_dict": tensors, _FACTS: dict(facts)}, file)
    return file.getvalue()


def _content(path: Path) -> Any:
    """Return what a file holds, restricted to tensors, containers and plain values."""
    try:
        if is_safetensors(path):
            return load_file(path)
        # By its content and not by its name, and without torch's warnings: what it refuses is explained.
        with open_regular(path) as file, warnings.catch_warnings(action="ignore"):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch does not document what its unpickler raises on a damaged file
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as a state dict: {why_unreadable(path, error)}")


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
