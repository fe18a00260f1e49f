"""A user's own arrays: one .npz file."""

import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.lib import format as npy_format
from pydantic import Field

from sparsight.data.sources import data_source
from sparsight.data.standardise import image_task
from sparsight.data.task import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


@data_source("npz")
def npz(
    *,
    path: str,
    wraps: bool = False,
    num_train: Annotated[int, Field(ge=2)] | None = None,
    num_test: Annotated[int, Field(ge=2)] | None = None,
    max_bytes: Annotated[int, Field(gt=0)] = 2**34,
    seed: int,
) -> Task:
    """Read a task from an ``.npz`` file, as ``numpy.savez`` writes it.

    Parameters
    ----------
    path : str
        Holds the arrays ``train_inputs`` and ``test_inputs``, float or uint8 of shape (n, channels,
        length) or (n, channels, height, width), and ``train_labels`` and ``test_labels``, whole numbers
        from 0. Inputs are standardised per channel with training statistics.
    wraps : bool
        Whether opposite borders touch.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    max_bytes : int
        The arrays together may unpack to so much; what declares more is refused before it is unpacked.
    seed : int

    Raises
    ------
    InputError
        If the file or an array is missing, damaged, too large or of the wrong kind, or holds NaN.
    """
    arrays = read_npz(Path(path), ARRAYS, max_bytes)
    splits = {}
    for split in ("train", "test"):
        inputs, labels = arrays[f"{split}_inputs"], arrays[f"{split}_labels"]
        where = f"{path}: {split}_inputs"
        if inputs.ndim not in (3, 4) or not inputs.size:
            raise InputError(
                f"{where} have shape {inputs.shape}; (n, channels, length) or (n, channels, height, width) "
                "is needed"
            )
        if inputs.dtype.kind not in "fu" or (inputs.dtype.kind == "u" and inputs.dtype != np.uint8):
            raise InputError(f"{where} have dtype {inputs.dtype}; floats or uint8 are allowed")
        if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
            raise InputError(f"{where} hold NaN or infinite pixels; remove those samples")
        if labels.dtype.kind not in "iu" or labels.shape != inputs.shape[:1]:
            raise InputError(
                f"{path}: {split}_labels are {labels.dtype}{labels.shape}; "
                f"whole numbers, one for each of the {len(inputs)} inputs, are needed"
            )
        inputs = inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32)
        splits[split] = (inputs, labels.astype(np.int64))
    if splits["train"][0].dtype != splits["test"][0].dtype:
        raise InputError(f"{path}: train_inputs and test_inputs must have the same dtype")
    shape = splits["train"][0].shape[1:]
    return image_task(
        Path(path).stem,
        Geometry(shape[0], shape[1:], wraps),
        max(int(splits["train"][1].max()) + 1, 2),
        splits["train"],
        splits["test"],
        {"source": path, "licence": "the user's own"},
        num_train=num_train,
        num_test=num_test,
        seed=seed,
    )


def read_npz(path: Path, names: tuple[str, ...], max_bytes: int) -> dict[str, np.ndarray]:
    """Read named arrays, after checking what their headers declare.

    Raises
    ------
    InputError
        If the file is no zip of npy files, an array is missing or holds Python objects, or they would
        unpack to more than `max_bytes`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(_declared_bytes(path, archive, name, names) for name in names)
            if declared > max_bytes:
                raise InputError(
                    f"{path} would unpack to {declared} bytes; data.max_bytes is {max_bytes}: raise it if "
                    "you trust the file"
                )
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in names}
    except FileNotFoundError:
        raise InputError(f"data.path {str(path)!r} does not exist; name an .npz file") from None
    except InputError:
        raise
    except Exception as error:  # a damaged zip fails in many ways: zlib, encryption, header syntax
        reason = f"{type(error).__name__}: {error!s:.80}".replace("\n", " ")
        raise InputError(f"{path} is no .npz file or is damaged ({reason}); get it again") from None


def _declared_bytes(path: Path, archive: zipfile.ZipFile, name: str, names: tuple[str, ...]) -> int:
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise InputError(f"{path} has no array {name!r}; it needs {', '.join(names)}") from None
    with archive.open(member) as file:
        version = npy_format.read_magic(file)
        read_header: Any = (
            npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise InputError(f"{path}: {name} holds Python objects; save plain numbers")
    size = int(dtype.itemsize)
    for extent in shape:
        size *= int(extent)
    if size > member.file_size:
        raise InputError(f"{path}: {name} declares {size} bytes and holds {member.file_size}: it is damaged")
    return size
