"""IDX files: the format of MNIST and Fashion-MNIST, gzipped or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight.atomic import sha256_of
from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.images._cache import kept_array
from sparsight.data.images._files import existing_files, reading
from sparsight.data.images._published_sets import folder_or_downloaded
from sparsight.data.images._standardise import Subset, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.regular_files import open_regular

FASHION_MNIST_FOLDER = "/usr/share/datasets/fashion-mnist"

MAX_BYTES = 2**31
"""Files that declare more data are refused; never is more unpacked than declared."""

DEFLATE_RATIO = 1032
"""The largest expansion of gzip and zip: 258 bytes for two bits."""

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
          "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")  # fmt: skip
_UNSIGNED_BYTE = 0x08


@data_source("fashion-mnist")
def fashion_mnist(
    *,
    folder: str = FASHION_MNIST_FOLDER,
    num_train: Count | None = None,
    num_test: Count | None = None,
    seed: int,
) -> Task:
    """Read Fashion-MNIST (Xiao, Rasul & Vollgraf, arXiv 1708.07747): 28 × 28 grey, ten classes.

    Parameters
    ----------
    folder : str
        Holds the four IDX files, gzipped or not. The default is where Debian's package
        ``dataset-fashion-mnist`` puts them; if it does not exist, files from ``sparsight data fashion-mnist
        --download`` are used.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all 60 000 and 10 000.
    seed : int
        Seeds the choice of images for a subset; unused for the complete set.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    return _idx_task(
        "fashion-mnist",
        folder_or_downloaded(folder, FASHION_MNIST_FOLDER, "fashion-mnist"),
        10,
        Subset(num_train, num_test, seed),
        hint="sparsight data fashion-mnist --download gets them from Zalando Research, who published "
        "Fashion-MNIST; or install Debian's package dataset-fashion-mnist",
    )


@data_source("idx")
def idx(
    *,
    folder: str,
    num_classes: Annotated[int, Field(ge=2)] = 10,
    num_train: Count | None = None,
    num_test: Count | None = None,
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
        Seeds the choice of images for a subset; unused for the complete set.

    Raises
    ------
    InputError
        If a file is missing or damaged, or a label is out of range.
    """
    return _idx_task(
        f"idx in {Path(folder).name}",
        Path(folder),
        num_classes,
        Subset(num_train, num_test, seed),
        hint="name the folder that has all four files",
    )


def _idx_task(name: str, folder: Path, num_classes: int, subset: Subset, hint: str) -> Task:
    paths = existing_files(folder, _FILES, ".gz", hint)
    train = _read_split(paths[0], paths[1], num_classes)
    test = _read_split(paths[2], paths[3], num_classes)
    return image_task(
        name=name,
        geometry=Geometry(1, train[0].shape[2:]),
        num_classes=num_classes,
        train=train,
        test=test,
        card={"source": f"IDX files in {folder}", "licence": "as of the files"},
        subset=subset,
    )


def _read_split(images_path: Path, labels_path: Path, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _kept_idx(images_path, 3), _kept_idx(labels_path, 1)
    if len(images) != len(labels):
        raise InputError(
            f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels; "
            "both files must belong to the same data set"
        )
    if labels.size and labels.max() >= num_classes:
        raise InputError(
            f"{labels_path} holds the label {labels.max()}; 0 to {num_classes - 1} is allowed: "
            "raise data.num_classes or replace the file"
        )
    return images[:, None], labels.astype(np.int64)


def _kept_idx(path: Path, num_axes: int) -> np.ndarray:
    """Return what `read_idx` returns; a gzipped file is unpacked once, and then found by its content."""
    if path.suffix != ".gz":
        return read_idx(path, num_axes)
    with reading(path):
        digest = sha256_of(path)
    return kept_array(f"idx-{num_axes}-{digest}", lambda: read_idx(path, num_axes))


def read_idx(path: Path, num_axes: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped if it ends in ``.gz``; 3 axes for images, 1 for labels.

    The header is two zero bytes, a type code, the number of axes, and one big-endian uint32 per axis. The
    size it declares, at most `MAX_BYTES`, is compared with the file's before memory is allocated for it.
    """
    header_size = 4 + 4 * num_axes
    try:
        with open_regular(path) as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
            shape = _declared_shape(path, file.read(header_size), num_axes)
            declared = math.prod(shape)
            if declared > MAX_BYTES:
                raise InputError(
                    f"{path} declares {declared} bytes of data; at most {MAX_BYTES} are allowed: is it an "
                    "IDX file?"
                )
            _check_file_can_hold(path, header_size, declared)
            content = file.read(declared + 1)  # reading to the end makes gzip compare its checksum
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
        raise InputError(f"{path} is not an IDX file: it should begin with two zero bytes and a header")
    if header[2] != _UNSIGNED_BYTE or header[3] != num_axes:
        raise InputError(
            f"{path} has the IDX magic 0x{header[2]:02x}{header[3]:02x}; "
            f"0x08{num_axes:02x} (unsigned bytes, {num_axes} axes) is needed: is it another file?"
        )
    return struct.unpack(f">{num_axes}I", header[4:])


def _check_file_can_hold(path: Path, header_size: int, declared: int) -> None:
    """Refuse a file that is too small for what it declares, before memory is allocated for that."""
    size = path.stat().st_size
    is_gzipped = path.suffix == ".gz"
    if declared > size * DEFLATE_RATIO or (not is_gzipped and declared != size - header_size):
        held = f"has {size} bytes in all" if is_gzipped else f"holds {size - header_size}"
        raise InputError(
            f"{path} declares {declared} bytes of data and {held}: it is truncated or damaged, get it again"
        )
