"""A user's own arrays: one .npz file."""

import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.lib import format as npy_format
from pydantic import Field

from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.images._idx import DEFLATE_RATIO
from sparsight.data.images._standardise import LARGEST_PIXEL, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

MAX_CLASSES = 2**16
"""A larger label is a mistake, or would make a network too large for any machine."""

_EXPANSION = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: DEFLATE_RATIO}
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
        if labels.size and labels.max() >= MAX_CLASSES:
            raise InputError(
                f"{path}: {split}_labels hold {labels.max()}; labels are class numbers from 0 to at most "
                f"{MAX_CLASSES - 1}"
            )
        if inputs.dtype.kind == "f" and np.abs(inputs).max() > LARGEST_PIXEL:
            raise InputError(
                f"{where} hold {np.abs(inputs).max():g}; up to {LARGEST_PIXEL:g} is allowed: rescale them"
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

    What the file says of itself is compared before memory is taken for it: the arrays' shapes with the
    members' sizes, those with what deflate can expand (1032 times), and the compressed sizes with the
    file's (so that members cannot share their bytes).

    Parameters
    ----------
    path : Path
    names : tuple of str
        Other members are not looked at.
    max_bytes : int

    Raises
    ------
    InputError
        If the file is no zip of npy files, an array is missing or holds Python objects, they would
        unpack to more than `max_bytes`, or anything does not fit or fails its checksum.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: _member(path, archive, name, names) for name in names}
            declared = sum(_declared_bytes(path, archive, name, member) for name, member in members.items())
            if declared > max_bytes:
                raise InputError(
                    f"{path} would unpack to {declared} bytes; data.max_bytes is {max_bytes}: raise it if "
                    "you trust the file"
                )
            if sum(member.compress_size for member in members.values()) > path.stat().st_size:
                raise InputError(f"{path} has members that overlap: it is damaged or made to harm")
            return {name: _read_member(archive, member) for name, member in members.items()}
    except FileNotFoundError:
        raise InputError(f"data.path {str(path)!r} does not exist; name an .npz file") from None
    except InputError:
        raise
    except Exception as error:  # a damaged zip fails in many ways: zlib, encryption, header syntax
        reason = f"{type(error).__name__}: {error!s:.80}".replace("\n", " ")
        raise InputError(f"{path} is no .npz file or is damaged ({reason}); get it again") from None


def _member(path: Path, archive: zipfile.ZipFile, name: str, names: tuple[str, ...]) -> zipfile.ZipInfo:
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise InputError(f"{path} has no array {name!r}; it needs {', '.join(names)}") from None
    if member.compress_type not in _EXPANSION:
        raise InputError(f"{path}: {name} is compressed in another way than numpy does; save it with numpy")
    if member.file_size > member.compress_size * _EXPANSION[member.compress_type]:
        raise InputError(
            f"{path}: {name} declares {member.file_size} bytes and cannot hold them: it is damaged"
        )
    return member


def _declared_bytes(path: Path, archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> int:
    with archive.open(member) as file:
        version = npy_format.read_magic(file)
        read_header: Any = (
            npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        held = member.file_size - file.tell()
    if dtype.hasobject:
        raise InputError(f"{path}: {name} holds Python objects; save plain numbers")
    size = int(dtype.itemsize)
    for extent in shape:
        size *= int(extent)
    if size != held:
        raise InputError(f"{path}: {name} declares {size} bytes and holds {held}: it is damaged")
    return size


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        array: np.ndarray = npy_format.read_array(file, allow_pickle=False)
        file.read(1)  # the end: here the checksum is compared
        return array
