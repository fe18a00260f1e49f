"""A user's own arrays: one .npz file."""

import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.lib import format as npy_format
from pydantic import Field

from sparsight.data._arrays import Reading, channels_first, geometry_of
from sparsight.data._given_labels import facts_of_map, numbered_labels
from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.images._idx import DEFLATE_RATIO
from sparsight.data.images._standardise import LARGEST_PIXEL, Subset, exact_floats, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.regular_files import open_regular

_EXPANSION = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: DEFLATE_RATIO}
_ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels")


@data_source("npz")
def npz(
    *,
    path: str,
    wraps: bool = False,
    channels: Annotated[int, Field(gt=0)] | None = None,
    channels_last: bool = False,
    num_train: Count | None = None,
    num_test: Count | None = None,
    max_bytes: Annotated[int, Field(gt=0)] = 2**34,
    seed: int,
) -> Task:
    """Read a task from an ``.npz`` file, as ``numpy.savez`` writes it.

    Parameters
    ----------
    path : str
        Holds the arrays ``train_inputs`` and ``test_inputs``, float or uint8 of shape (n, channels,
        length) or (n, channels, height, width), and ``train_labels`` and ``test_labels``: whole numbers from
        anywhere, bool, text or one-hot rows. Classes are numbered 0, 1, … in sorted order; the card keeps the
        map if that changes labels. Inputs are standardised per channel with training statistics.
    wraps : bool
        Whether opposite borders touch.
    channels : int, optional
        Number of channels, which tells readings of a shape apart; 1 also for grey pictures (n, height,
        width).
    channels_last : bool
        Whether the last axis holds the channels, instead of the second.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    max_bytes : int
        Limit on the unpacked size of all arrays together; a file that declares more is refused before it
        is unpacked.
    seed : int
        Seeds the choice of samples for a subset; unused for the complete set.

    Raises
    ------
    InputError
        If the file or an array is missing, damaged, too large or of the wrong kind, or holds NaN; or if the
        shape of the inputs can be read in two ways.
    """
    arrays = read_npz(Path(path), _ARRAYS, max_bytes)
    train, test = (_checked_inputs(path, split, arrays) for split in ("train", "test"))
    if train.dtype != test.dtype:
        raise InputError(f"{path}: train_inputs and test_inputs must have the same dtype")
    geometry = _geometry(path, train.shape, channels, channels_last, wraps)
    reading = Reading(geometry=geometry, channels_last=channels_last)
    labels, label_map = numbered_labels(
        arrays["train_labels"],
        arrays["test_labels"],
        (len(train), len(test)),
        names=(f"{path}: train_labels", f"{path}: test_labels"),
    )
    return image_task(
        name=Path(path).stem,
        geometry=geometry,
        num_classes=max(len(label_map), 2),
        train=(_arranged(path, "train", train, geometry, reading), labels[0]),
        test=(_arranged(path, "test", test, geometry, reading), labels[1]),
        card={"source": path, "licence": "the user's own", **facts_of_map(label_map)},
        subset=Subset(num_train, num_test, seed),
    )


def _geometry(
    path: str, shape: tuple[int, ...], channels: int | None, channels_last: bool, wraps: bool
) -> Geometry:
    if len(shape) == 3 and channels is None and not channels_last and shape[1] < min(shape[2], 5):
        channels = shape[1]  # a few long lines, as this format always had them
    try:
        return geometry_of(shape, Reading(channels=channels, channels_last=channels_last, wraps=wraps))
    except InputError as error:
        raise InputError(
            f"{path}: train_{error} (in a recipe: data.channels and data.channels_last)"
        ) from None


def _arranged(path: str, split: str, inputs: np.ndarray, geometry: Geometry, reading: Reading) -> np.ndarray:
    try:
        return channels_first(inputs, geometry, reading)
    except InputError as error:
        raise InputError(f"{path}: {split}_{error}") from None


def _checked_inputs(path: str, split: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return inputs as uint8, float32 or float64, after checking what `Task` would not explain."""
    inputs = arrays[f"{split}_inputs"]
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
    inputs = inputs if inputs.dtype == np.uint8 else exact_floats(inputs)
    if inputs.dtype.kind == "f" and np.abs(inputs).max() > LARGEST_PIXEL:
        raise InputError(
            f"{where} hold {np.abs(inputs).max():g}; up to {LARGEST_PIXEL:g} is allowed: rescale them"
        )
    return inputs


def read_npz(path: Path, names: tuple[str, ...], max_bytes: int) -> dict[str, np.ndarray]:
    """Read named arrays, after checking that the sizes the file declares can be true.

    Before memory is allocated, the shapes of arrays are compared with the sizes of their members, these with
    the largest expansion of deflate (1032 times), and the sum of the compressed sizes with the size of the
    file (so that members cannot share bytes). All arrays together may unpack to `max_bytes`. Arrays of Python
    objects and wrong checksums are refused as well; members with other names are ignored.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            members = {name: _member(path, archive, name, names) for name in names}
            declared = sum(_declared_bytes(path, archive, name, member) for name, member in members.items())
            if declared > max_bytes:
                raise InputError(
                    f"{path} would unpack to {declared} bytes; data.max_bytes is {max_bytes}: raise it if "
                    "you trust the file"
                )
            if sum(member.compress_size for member in members.values()) > path.stat().st_size:
                raise InputError(f"{path} has members that overlap: it is damaged or malicious")
            return {name: _read_member(archive, member) for name, member in members.items()}
    except FileNotFoundError:
        raise InputError(f"data.path {str(path)!r} does not exist; name an .npz file") from None
    except InputError:
        raise
    except Exception as error:  # a damaged zip fails in many ways: zlib, encryption, header syntax
        reason = f"{type(error).__name__}: {error!s:.80}".replace("\n", " ")
        raise InputError(f"{path} is not an .npz file or is damaged ({reason}); get it again") from None


def _member(path: Path, archive: zipfile.ZipFile, name: str, names: tuple[str, ...]) -> zipfile.ZipInfo:
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise InputError(f"{path} has no array {name!r}; it needs {', '.join(names)}") from None
    if member.compress_type not in _EXPANSION:
        raise InputError(f"{path}: {name} is not compressed as numpy does it; save it with numpy")
    if member.file_size > member.compress_size * _EXPANSION[member.compress_type]:
        raise InputError(
            f"{path}: {name} declares {member.file_size} bytes and cannot hold them: get it again"
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
        raise InputError(
            f"{path}: {name} holds Python objects; save plain numbers, or text as "
            "numpy.array(names, dtype=str)"
        )
    size = int(dtype.itemsize)
    for extent in shape:
        size *= int(extent)
    if size != held:
        raise InputError(f"{path}: {name} declares {size} bytes and holds {held}: get it again")
    return size


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        array: np.ndarray = npy_format.read_array(file, allow_pickle=False)
        file.read(1)  # zipfile compares the checksum only when the end is read
        return array
