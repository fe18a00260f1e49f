"""IDX files: MNIST, Fashion-MNIST and their like, gzipped or not."""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.images._cache import kept_array
from sparsight.data.images._published_sets import folder_or_downloaded
from sparsight.data.images._standardise import image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""The four standard names; each may end in ``.gz``."""

FASHION_MNIST_FOLDER = "/usr/share/datasets/fashion-mnist"
MAX_BYTES = 2**31
"""A file that declares more is refused, and no more than it declares is ever unpacked."""

DEFLATE_RATIO = 1032
"""The most that the compression of gzip and zip can expand: 258 bytes for two bits."""

_UNSIGNED_BYTE = 0x08


@data_source("fashion-mnist")
def fashion_mnist(
    *,
    folder: str = FASHION_MNIST_FOLDER,
    num_train: Annotated[int, Field(ge=2)] | None = None,
    num_test: Annotated[int, Field(ge=2)] | None = None,
    seed: int,
) -> Task:
    """Read Fashion-MNIST (Xiao, Rasul & Vollgraf, arXiv 1708.07747): 28 × 28 grey, ten classes.

    Parameters
    ----------
    folder : str
        Holds the four IDX files, gzipped or not. The default is where Debian's package
        ``dataset-fashion-mnist`` puts them, or else where ``sparsight data fashion-mnist --download`` does.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all 60 000 and 10 000.
    seed : int

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    found = folder_or_downloaded(folder, FASHION_MNIST_FOLDER, "fashion-mnist")
    missing = [name for pair in FILES.values() for name in pair if _find(found, name) is None]
    if missing:
        raise InputError(
            f"data.folder {folder!r} has no {', '.join(missing)} (or .gz): sparsight data fashion-mnist "
            "--download gets them where Zalando Research publishes Fashion-MNIST, or install Debian's "
            "package dataset-fashion-mnist"
        )
    return idx_task("fashion-mnist", found, 10, num_train, num_test, seed)


@data_source("idx")
def idx(
    *,
    folder: str,
    num_classes: Annotated[int, Field(ge=2)] = 10,
    num_train: Annotated[int, Field(ge=2)] | None = None,
    num_test: Annotated[int, Field(ge=2)] | None = None,
    seed: int,
) -> Task:
    """Read any data set in the four files of MNIST (LeCun, Cortes & Burges).

    Parameters
    ----------
    folder : str
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, gzipped or not.
    num_classes : int
        Labels are 0 … num_classes − 1.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    seed : int

    Raises
    ------
    InputError
        If a file is missing or damaged, or a label is out of range.
    """
    return idx_task(f"idx in {Path(folder).name}", Path(folder), num_classes, num_train, num_test, seed)


def idx_task(
    name: str, folder: Path, num_classes: int, num_train: int | None, num_test: int | None, seed: int
) -> Task:
    """Make a task of the four IDX files in a folder; see `idx`."""
    splits = {}
    for split, (images_name, labels_name) in FILES.items():
        images_path, labels_path = _existing(folder, images_name), _existing(folder, labels_name)
        images, labels = _kept_idx(images_path, 3), _kept_idx(labels_path, 1)
        if len(images) != len(labels):
            raise InputError(
                f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels; "
                "they must be files of one data set"
            )
        if labels.size and labels.max() >= num_classes:
            raise InputError(
                f"{labels_path} holds the label {labels.max()}; 0 to {num_classes - 1} is allowed: "
                "raise data.num_classes or replace the file"
            )
        splits[split] = (images[:, None], labels.astype(np.int64))
    size = splits["train"][0].shape[2:]
    card = {"source": f"IDX files in {folder}", "licence": "as of the files"}
    return image_task(
        name,
        Geometry(1, size),
        num_classes,
        splits["train"],
        splits["test"],
        card,
        num_train=num_train,
        num_test=num_test,
        seed=seed,
    )


def _kept_idx(path: Path, num_axes: int) -> np.ndarray:
    """Return what `read_idx` does; a gzipped file is unpacked once, and found in the cache by its content."""
    if path.suffix != ".gz":
        return read_idx(path, num_axes)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check its permissions") from None
    return kept_array(f"idx-{num_axes}-{digest}", lambda: read_idx(path, num_axes))


def read_idx(path: Path, num_axes: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes.

    The header (two zero bytes, a type code, the number of axes, then one big-endian uint32 an axis) is
    checked, and the declared size is compared with what is there, before anything of that size is made.

    Parameters
    ----------
    path : Path
        Gzipped if it ends in ``.gz``.
    num_axes : int
        3 for images, 1 for labels.

    Returns
    -------
    numpy.ndarray of uint8

    Raises
    ------
    InputError
        If the file is no IDX file of that kind, is shorter or longer than it declares, or declares more
        than `MAX_BYTES`.
    """
    header_size = 4 + 4 * num_axes
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _declared_shape(path, file.read(header_size), num_axes)
            declared = math.prod(shape)
            if declared > MAX_BYTES:
                raise InputError(
                    f"{path} declares {declared} bytes of data; more than {MAX_BYTES} are no such data set"
                )
            _check_file_can_hold(path, header_size, declared)
            content = file.read(declared + 1)  # one more: at the end, gzip compares its checksum
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({error}): it is truncated or damaged, get it again"
        ) from None
    if declared != len(content):
        found = f"{len(content)}" if len(content) < declared else "more"
        raise InputError(
            f"{path} declares {declared} bytes of data and holds {found}: "
            "it is truncated or damaged, get it again"
        )
    if not declared:
        raise InputError(f"{path} is empty; get it again")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _declared_shape(path: Path, header: bytes, num_axes: int) -> tuple[int, ...]:
    if len(header) < 4 + 4 * num_axes or header[:2] != b"\0\0":
        raise InputError(f"{path} is no IDX file: it should begin with two zero bytes and a header")
    if header[2] != _UNSIGNED_BYTE or header[3] != num_axes:
        raise InputError(
            f"{path} has the IDX magic 0x{header[2]:02x}{header[3]:02x}; "
            f"0x08{num_axes:02x} (unsigned bytes, {num_axes} axes) is needed: is it another file?"
        )
    return struct.unpack(f">{num_axes}I", header[4:])


def _check_file_can_hold(path: Path, header_size: int, declared: int) -> None:
    """Refuse a file that cannot hold what it declares, before memory is taken for it."""
    size = path.stat().st_size
    is_gzipped = path.suffix == ".gz"
    if declared > size * DEFLATE_RATIO or (not is_gzipped and declared != size - header_size):
        held = f"has {size} bytes in all" if is_gzipped else f"holds {size - header_size}"
        raise InputError(
            f"{path} declares {declared} bytes of data and {held}: it is truncated or damaged, get it again"
        )


def _find(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _existing(folder: Path, name: str) -> Path:
    path = _find(folder, name)
    if path is None:
        raise InputError(f"data.folder {str(folder)!r} has no {name} or {name}.gz; name the folder that has")
    return path
