"""CIFAR-10 from a folder of the user's: the python or the binary version."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.images._published_sets import folder_or_downloaded
from sparsight.data.images._restricted_pickle import read_restricted_pickle
from sparsight.data.images._standardise import image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

TRAIN_FILES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILES = ("test_batch",)
_DEFAULT_FOLDER = "cifar10"
_FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
_NUM_PIXELS = 3 * 32 * 32
_MAX_LABEL = 2**31
NUM_TRAIN, NUM_TEST = 50_000, 10_000


@data_source("cifar10")
def cifar10(
    *,
    folder: str = _DEFAULT_FOLDER,
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
        Where the default is not there: what ``sparsight data cifar10 --download`` got.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    seed : int

    Raises
    ------
    InputError
        If a file is missing or damaged, or a label is out of range.
    """
    paths = _batch_paths(folder_or_downloaded(folder, _DEFAULT_FOLDER, "cifar10"))
    train, test = _read_all(paths[:-1], NUM_TRAIN), _read_all(paths[-1:], NUM_TEST)
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


def _batch_paths(folder: Path) -> list[Path]:
    found = [_find(folder, name) for name in (*TRAIN_FILES, *TEST_FILES)]
    missing = [name for name, path in zip((*TRAIN_FILES, *TEST_FILES), found, strict=True) if path is None]
    if missing:
        raise InputError(
            f"data.folder {str(folder)!r} has no {', '.join(missing)} (or .bin): sparsight data cifar10 "
            "--download gets CIFAR-10 from Alex Krizhevsky's page at the University of Toronto"
        )
    return [path for path in found if path is not None]


def _find(folder: Path, name: str) -> Path | None:
    candidates = [folder / inner / each for inner in _FOLDERS for each in (name, f"{name}.bin")]
    return next((path for path in candidates if path.is_file()), None)


def _read_all(paths: list[Path], num_images: int) -> tuple[np.ndarray, np.ndarray]:
    batches = [_read_batch(path) for path in paths]
    images = np.concatenate([images for images, _ in batches])
    if len(images) != num_images:
        raise InputError(
            f"{', '.join(path.name for path in paths)} in {paths[0].parent} hold {len(images)} images; "
            f"CIFAR-10 has {num_images}: a file is truncated or another one, get the set again"
        )
    return images, np.concatenate([labels for _, labels in batches])


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if path.suffix == ".bin":
        images, labels = _read_binary(path)
    else:
        images, labels = batch_arrays(read_restricted_pickle(path), path, _NUM_PIXELS)
    if labels.min() < 0 or labels.max() > 9:
        raise InputError(
            f"{path} holds labels {labels.min()} to {labels.max()}; 0 to 9 is allowed: get it again"
        )
    return np.ascontiguousarray(images).reshape(-1, 3, 32, 32), labels


def _read_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read rows of one label byte and the pixels; the size is checked before anything is read."""
    row = 1 + _NUM_PIXELS
    try:
        size = path.stat().st_size
        if not size or size % row or size > row * NUM_TRAIN:
            raise InputError(
                f"{path} has {size} bytes, no multiple of {row} up to {row * NUM_TRAIN}: "
                "it is truncated or another file, get it again"
            )
        rows = np.fromfile(path, dtype=np.uint8).reshape(-1, row)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check its permissions") from None
    return rows[:, 1:], rows[:, 0].astype(np.int64)


def batch_arrays(batch: object, path: Path, num_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, num_pixels) of uint8 and labels (n,) of int64 of a pickled batch.

    Parameters
    ----------
    batch : object
        What the file held: a dictionary with an array ``data`` and an array or list ``labels``, whose
        keys are strings or, from python 2, bytes.
    path : Path
        For messages.
    num_pixels : int

    Raises
    ------
    InputError
        If ``data`` and ``labels`` are not there or do not fit each other.
    """
    if not isinstance(batch, dict):
        raise InputError(f"{path} holds no dictionary with data and labels; is it another file?")
    images, labels = (batch.get(name, batch.get(name.encode())) for name in ("data", "labels"))
    if images is None or labels is None:
        found = ", ".join(sorted(map(ascii, batch)))
        raise InputError(f"{path} has no data and labels, but {found:.100}; is it another file?")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (num_pixels,):
        raise InputError(f"{path}: data are {_description(images)}; uint8 (n, {num_pixels}) is needed")
    # Only a flat list becomes an array: what a nested one would unpack to has no bound.
    if isinstance(labels, list) and all(map(_is_label, labels)):
        labels = np.array(labels, dtype=np.int64)
    is_whole = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu"
    if not is_whole or labels.shape != images.shape[:1] or not len(images):
        raise InputError(
            f"{path}: labels are {_description(labels)}; one whole number for each of the "
            f"{len(images)} images (at least one) is needed"
        )
    return images, labels.astype(np.int64)


def _is_label(label: object) -> bool:
    is_whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
    return is_whole and abs(int(label)) < _MAX_LABEL  # type: ignore[call-overload]


def _description(found: object) -> str:
    return f"{found.dtype}{found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
