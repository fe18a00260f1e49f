"""IDX files: the format of MNIST, Fashion-MNIST and EMNIST, gzipped or not."""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight.atomic import sha256_of
from sparsight.data._given_labels import only_used_classes
from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.images._cache import kept_array
from sparsight.data.images._files import reading
from sparsight.data.images._idx_names import TORCHVISION_FOLDERS, idx_files
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

_MNIST_FOLDER = "mnist"
_GZIP_MAGIC = b"\x1f\x8b"
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
        Holds the four IDX files, gzipped or not, or is the root folder of torchvision's data sets. The
        default is where Debian's package ``dataset-fashion-mnist`` puts them; if it does not exist, files
        from ``sparsight data fashion-mnist --download`` are used.
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
        inner_folders=("", "raw", TORCHVISION_FOLDERS["fashion-mnist"]),
        hint="sparsight data fashion-mnist --download gets them from Zalando Research, who published "
        "Fashion-MNIST; or install Debian's package dataset-fashion-mnist",
    )


@data_source("mnist")
def mnist(
    *,
    folder: str = _MNIST_FOLDER,
    num_train: Count | None = None,
    num_test: Count | None = None,
    seed: int,
) -> Task:
    """Read MNIST (LeCun, Cortes & Burges): 28 × 28 grey handwritten digits, ten classes.

    Parameters
    ----------
    folder : str
        Holds the four IDX files, gzipped or not, or is the root folder of torchvision's data sets. If the
        default does not exist, files from ``sparsight data mnist --download`` are used.
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
        "mnist",
        folder_or_downloaded(folder, _MNIST_FOLDER, "mnist"),
        10,
        Subset(num_train, num_test, seed),
        inner_folders=("", "raw", TORCHVISION_FOLDERS["mnist"]),
        hint="sparsight data mnist --download gets them from a copy of Yann LeCun's page",
    )


@data_source("idx")
def idx(
    *,
    folder: str,
    prefix: str | None = None,
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
        ``t10k-labels-idx1-ubyte``, gzipped or not; ``train-images.idx3-ubyte`` and EMNIST's names
        (``emnist-letters-train-images-idx3-ubyte``) are read as well. It may also be the root folder of
        torchvision's data sets. EMNIST stores its pictures transposed, and they stay so.
    prefix : str, optional
        Beginning of the files' names, as in ``emnist-letters-``, for a folder that holds several sets.
    num_classes : int
        Number of different labels. Labels other than 0 … num_classes − 1, such as the 1 … 26 of EMNIST's
        letters, are numbered in sorted order; the card keeps the map.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    seed : int
        Seeds the choice of images for a subset; unused for the complete set.

    Raises
    ------
    InputError
        If a file is missing or damaged, the folder holds several sets, there are more or fewer classes than
        `num_classes`, or a class has no training images.
    """
    return _idx_task(
        f"idx in {Path(folder).name}",
        Path(folder),
        num_classes,
        Subset(num_train, num_test, seed),
        inner_folders=("", "raw", "gzip", *TORCHVISION_FOLDERS.values()),
        hint="name the folder that has all four files",
        prefix=prefix,
        field="data.num_classes",
    )


def _idx_task(
    name: str,
    folder: Path,
    num_classes: int,
    subset: Subset,
    *,
    inner_folders: Sequence[str],
    hint: str,
    prefix: str | None = None,
    field: str | None = None,
) -> Task:
    paths = idx_files(folder, inner_folders, prefix, hint)
    train, test = _read_split(*paths[:2]), _read_split(*paths[2:])
    labels, facts = only_used_classes(
        (train[1], test[1]), num_classes, where=f"{paths[1]} and {paths[3]}", field=field
    )
    train, test = (train[0], labels[0]), (test[0], labels[1])
    return image_task(
        name=name,
        geometry=Geometry(1, train[0].shape[2:]),
        num_classes=num_classes,
        train=train,
        test=test,
        card={"source": f"IDX files in {folder}", "licence": "as of the files", **facts},
        subset=subset,
    )


def _read_split(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _kept_idx(images_path, 3), _kept_idx(labels_path, 1)
    if len(images) != len(labels):
        raise InputError(
            f"{images_path} holds {len(images)} images, {labels_path} {len(labels)} labels; "
            "both files must belong to the same data set"
        )
    return images[:, None], labels.astype(np.int64)


def _kept_idx(path: Path, num_axes: int) -> np.ndarray:
    """Return what `read_idx` returns; a gzipped file is unpacked once, and then found by its content."""
    if not _is_gzipped(path):
        return read_idx(path, num_axes)
    with reading(path):
        digest = sha256_of(path)
    return kept_array(f"idx-{num_axes}-{digest}", lambda: read_idx(path, num_axes))


def read_idx(path: Path, num_axes: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or not; 3 axes for images, 1 for labels.

    The header is two zero bytes, a type code, the number of axes, and one big-endian uint32 per axis. The
    size it declares, at most `MAX_BYTES`, is compared with the file's before memory is allocated for it.
    """
    header_size = 4 + 4 * num_axes
    is_gzipped = _is_gzipped(path)
    try:
        with open_regular(path) as raw, gzip.open(raw) if is_gzipped else raw as file:
            shape = _declared_shape(path, file.read(header_size), num_axes)
            declared = math.prod(shape)
            if declared > MAX_BYTES:
                raise InputError(
                    f"{path} declares {declared} bytes of data; at most {MAX_BYTES} are allowed: is it an "
                    "IDX file?"
                )
            _check_file_can_hold(path, header_size, declared, is_gzipped)
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


def _is_gzipped(path: Path) -> bool:
    # By content: browsers unpack a file and keep its .gz, and others lose the ending.
    with reading(path), open_regular(path) as file:
        return file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def _check_file_can_hold(path: Path, header_size: int, declared: int, is_gzipped: bool) -> None:
    """Refuse a file that is too small for what it declares, before memory is allocated for that."""
    size = path.stat().st_size
    if declared > size * DEFLATE_RATIO or (not is_gzipped and declared != size - header_size):
        held = f"has {size} bytes in all" if is_gzipped else f"holds {size - header_size}"
        raise InputError(
            f"{path} declares {declared} bytes of data and {held}: it is truncated or damaged, get it again"
        )
