"""CIFAR-10 from a folder that the user names: the python or the binary version."""

import os
from pathlib import Path

import numpy as np

from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.images._batches import batch_arrays, check_labels
from sparsight.data.images._files import check_num_images, existing_files, reading
from sparsight.data.images._published_sets import folder_or_downloaded
from sparsight.data.images._standardise import Subset, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.pickles import read_restricted_pickle
from sparsight.regular_files import open_regular

TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILES = ("test_batch",)
NUM_TRAIN, NUM_TEST = 50_000, 10_000
_DEFAULT_FOLDER = "cifar10"
_FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
NUM_PIXELS = 3 * 32 * 32


@data_source("cifar10")
def cifar10(
    *,
    folder: str = _DEFAULT_FOLDER,
    num_train: Count | None = None,
    num_test: Count | None = None,
    seed: int,
) -> Task:
    """Read CIFAR-10 (Krizhevsky 2009): 32 × 32 colour, ten classes, 50 000 and 10 000 images.

    Parameters
    ----------
    folder : str
        Holds ``data_batch_1`` … ``data_batch_5`` and ``test_batch`` (python version, read without running
        anything in them), or the same names with ``.bin``; or the folder that the archive unpacks to. If
        the default does not exist, files from ``sparsight data cifar10 --download`` are used.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    seed : int
        Seeds the choice of images for a subset; unused for the complete set.

    Raises
    ------
    InputError
        If a file is missing or damaged, or a label is out of range.
    """
    paths = existing_files(
        folder_or_downloaded(folder, _DEFAULT_FOLDER, "cifar10"),
        (*TRAIN_FILES, *TEST_FILES),
        ".bin",
        "sparsight data cifar10 --download gets CIFAR-10 from Alex Krizhevsky's page at the University of "
        "Toronto",
        inner_folders=_FOLDERS,
    )
    train, test = _read_all(paths[:-1], NUM_TRAIN), _read_all(paths[-1:], NUM_TEST)
    return image_task(
        name="cifar10",
        geometry=Geometry(3, (32, 32)),
        num_classes=10,
        train=train,
        test=test,
        card={"source": f"CIFAR-10 in {folder}", "licence": "as published by the University of Toronto"},
        subset=Subset(num_train, num_test, seed),
    )


def _read_all(paths: list[Path], num_images: int) -> tuple[np.ndarray, np.ndarray]:
    batches = [_read_batch(path) for path in paths]
    images = np.concatenate([images for images, _ in batches])
    check_num_images(paths, len(images), num_images)
    return images, np.concatenate([labels for _, labels in batches])


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.suffix == ".bin":
        images, label_bytes = read_binary(path, num_label_bytes=1, most_rows=NUM_TRAIN)
        labels = label_bytes[:, 0]
    else:
        images, labels = batch_arrays(read_restricted_pickle(path), path, NUM_PIXELS)
    check_labels(labels, path, 0, 9)
    return np.ascontiguousarray(images).reshape(-1, 3, 32, 32), labels


def read_binary(path: Path, *, num_label_bytes: int, most_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels, uint8 (n, 3072), and labels, int64 (n, num_label_bytes), of rows of labels and pixels.

    The size is checked before anything is read.
    """
    row = num_label_bytes + NUM_PIXELS
    with reading(path), open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if not size or size % row or size > row * most_rows:
            raise InputError(
                f"{path} has {size} bytes, not a multiple of {row} up to {row * most_rows}: "
                "it is truncated or another file, get it again"
            )
        content = file.read(size)  # no more, should it grow meanwhile
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, row)
    return rows[:, num_label_bytes:], rows[:, :num_label_bytes].astype(np.int64)
