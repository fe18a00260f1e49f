"""CIFAR-10 from a folder of the user's: the python or the binary version."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight.data.restricted_pickle import read_restricted_pickle
from sparsight.data.sources import data_source
from sparsight.data.standardise import image_task
from sparsight.data.task import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILES = ("test_batch",)
_FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
_NUM_PIXELS = 3 * 32 * 32


@data_source("cifar10")
def cifar10(
    *,
    folder: str = "cifar10",
    num_train: Annotated[int, Field(ge=2)] | None = None,
    num_test: Annotated[int, Field(ge=2)] | None = None,
    seed: int,
) -> Task:
    """Read CIFAR-10 (Krizhevsky 2009): 32 × 32 colour, ten classes, 50 000 and 10 000 images.

    Parameters
    ----------
    folder : str
        Holds ``data_batch_1`` … ``data_batch_5`` and ``test_batch`` (python version, read without running
        anything that is in them), or the same names with ``.bin``; or the folder that the archive unpacks to.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    seed : int

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    train, test = (_read_all(Path(folder), names) for names in (TRAIN_FILES, TEST_FILES))
    return image_task(
        "cifar10",
        Geometry(3, (32, 32)),
        10,
        train,
        test,
        {"source": f"CIFAR-10 in {folder}", "licence": "as published by the University of Toronto"},
        num_train=num_train,
        num_test=num_test,
        seed=seed,
    )


def _read_all(folder: Path, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    paths = [_find(folder, name) for name in names]
    missing = [name for name, path in zip(names, paths, strict=True) if path is None]
    if missing:
        raise InputError(
            f"data.folder {str(folder)!r} has no {', '.join(missing)} (or .bin): get CIFAR-10 from Alex "
            "Krizhevsky's page at the University of Toronto and name its folder"
        )
    batches = [_read_batch(path) for path in paths if path is not None]
    return np.concatenate([images for images, _ in batches]), np.concatenate(
        [labels for _, labels in batches]
    )


def _find(folder: Path, name: str) -> Path | None:
    candidates = [folder / inner / each for inner in _FOLDERS for each in (name, f"{name}.bin")]
    return next((path for path in candidates if path.is_file()), None)


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.suffix == ".bin":
        rows = np.fromfile(path, dtype=np.uint8)
        if not rows.size or rows.size % (1 + _NUM_PIXELS):
            raise InputError(
                f"{path} has {rows.size} bytes, no multiple of {1 + _NUM_PIXELS}: it is truncated"
            )
        rows = rows.reshape(-1, 1 + _NUM_PIXELS)
        images, labels = rows[:, 1:], rows[:, 0].astype(np.int64)
    else:
        batch = read_restricted_pickle(path)
        images, labels = batch_arrays(batch, path, _NUM_PIXELS)
    if labels.min() < 0 or labels.max() > 9:
        raise InputError(f"{path} holds labels {labels.min()} to {labels.max()}; 0 to 9 is allowed")
    return np.ascontiguousarray(images).reshape(-1, 3, 32, 32), labels


def batch_arrays(batch: object, path: Path, num_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, num_pixels) of uint8 and labels (n,) of int64 of a pickled batch.

    Raises
    ------
    InputError
        If ``data`` and ``labels`` are not there or do not fit each other.
    """
    if not isinstance(batch, dict):
        raise InputError(f"{path} holds no dictionary with data and labels; is it another file?")
    fields = {key.decode() if isinstance(key, bytes) else str(key): value for key, value in batch.items()}
    if not {"data", "labels"} <= fields.keys():
        raise InputError(
            f"{path} has no data and labels, but {', '.join(sorted(fields))}; is it another file?"
        )
    images, labels = np.asarray(fields["data"]), np.asarray(fields["labels"])
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != num_pixels or not len(images):
        raise InputError(f"{path}: data are {images.dtype}{images.shape}; uint8 (n, {num_pixels}) is needed")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: labels are {labels.dtype}{labels.shape}; one whole number an image is needed"
        )
    return np.asarray(images), labels.astype(np.int64)
