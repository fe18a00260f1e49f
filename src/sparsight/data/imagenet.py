"""Downsampled ImageNet from a folder of the user's, kept on disk as bytes."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir
from pydantic import Field

from sparsight.data.cifar import batch_arrays
from sparsight.data.npz import read_npz
from sparsight.data.restricted_pickle import read_restricted_pickle
from sparsight.data.sources import data_source
from sparsight.data.standardise import image_task
from sparsight.data.task import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

TRAIN_FILES = tuple(f"train_data_batch_{number}" for number in range(1, 11))
TEST_FILES = ("val_data",)
NUM_CLASSES = 1000
_MAX_BATCH_BYTES = 2**33
_HEAD = 2**20

Groups = Annotated[int, Field(ge=2, le=NUM_CLASSES)]
Number = Annotated[int, Field(ge=2)]


@data_source("imagenet32")
def imagenet32(
    *,
    folder: str = "imagenet32",
    num_groups: Groups | None = None,
    groups_file: str | None = None,
    num_train: Number | None = None,
    num_test: Number | None = None,
    seed: int,
) -> Task:
    """Read ImageNet32 (Chrabaszcz, Loshchilov & Hutter, arXiv 1707.08819): 32 × 32 colour, 1000 classes.

    Parameters
    ----------
    folder : str
        Holds ``train_data_batch_1`` … ``train_data_batch_10`` and ``val_data``, as pickles (read without
        running anything that is in them) or as ``.npz``.
    num_groups : int, optional
        Merge classes: class c becomes c modulo num_groups (c counted from 0).
    groups_file : str, optional
        Merge classes: a text file of 1000 whole numbers from 0, the super-class of each class.
    num_train, num_test : int, optional
        A random subset, drawn from the seed, held in memory. Default: all, memory-mapped.
    seed : int

    Raises
    ------
    InputError
        If a file is missing or damaged, or both groupings are given.

    Notes
    -----
    The first use converts the batches, one at a time, into plain arrays under the user's cache folder
    (``SPARSIGHT_CACHE`` names another). Images stay bytes and are standardised per channel, batch by batch.
    """
    return _downsampled("imagenet32", 32, folder, num_groups, groups_file, num_train, num_test, seed)


@data_source("imagenet64")
def imagenet64(
    *,
    folder: str = "imagenet64",
    num_groups: Groups | None = None,
    groups_file: str | None = None,
    num_train: Number | None = None,
    num_test: Number | None = None,
    seed: int,
) -> Task:
    """Read ImageNet64: 64 × 64 colour, 1000 classes; all else as `imagenet32`."""
    return _downsampled("imagenet64", 64, folder, num_groups, groups_file, num_train, num_test, seed)


def _downsampled(
    name: str,
    size: int,
    folder: str,
    num_groups: int | None,
    groups_file: str | None,
    num_train: int | None,
    num_test: int | None,
    seed: int,
) -> Task:
    groups = _class_groups(num_groups, groups_file)
    train_images, train_labels = converted(_batch_paths(Path(folder), TRAIN_FILES, name), size)
    test_images, test_labels = converted(_batch_paths(Path(folder), TEST_FILES, name), size)
    return image_task(
        name,
        Geometry(3, (size, size)),
        int(groups.max()) + 1,
        (train_images, groups[train_labels]),
        (test_images, groups[test_labels]),
        {"source": f"{name} in {folder}", "licence": "ImageNet's terms of access"},
        num_train=num_train,
        num_test=num_test,
        seed=seed,
    )


def converted(paths: Sequence[Path], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of batch files, as memory-mapped arrays in the cache.

    Parameters
    ----------
    paths : sequence of Path
    size : int
        Height and width.

    Returns
    -------
    images : numpy.memmap of uint8, (n, 3, size, size)
    labels : numpy.ndarray of int64, (n,)
        From 0.
    """
    cache = Path(os.environ.get("SPARSIGHT_CACHE") or user_cache_dir("sparsight"))
    cache.mkdir(parents=True, exist_ok=True)
    stem = cache / f"images-{size}-{_key(paths)}"
    images_path, labels_path = stem.with_suffix(".images.npy"), stem.with_suffix(".labels.npy")
    with FileLock(stem.with_suffix(".lock")):
        if not labels_path.exists():  # written last: it vouches for the images
            labels = _convert(paths, size, images_path)
            _save_atomically(labels_path, labels)
    return np.load(images_path, mmap_mode="r"), np.load(labels_path)


def _convert(paths: Sequence[Path], size: int, target: Path) -> np.ndarray:
    temporary = target.with_suffix(".tmp")
    labels: list[np.ndarray] = []
    try:
        with temporary.open("wb") as raw:
            for path in paths:
                images, batch_labels = _read_batch(path, 3 * size * size)
                raw.write(np.ascontiguousarray(images).tobytes())
                labels.append(batch_labels)
        total = sum(map(len, labels))
        pixels = np.memmap(temporary, dtype=np.uint8, mode="r", shape=(total, 3, size, size))
        _save_atomically(target, pixels)
    finally:
        temporary.unlink(missing_ok=True)
    return np.concatenate(labels)


def _save_atomically(path: Path, array: np.ndarray) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read_batch(path: Path, num_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    batch: Any
    if path.suffix == ".npz":
        batch = read_npz(path, ("data", "labels"), _MAX_BATCH_BYTES)
    else:
        batch = read_restricted_pickle(path)
    images, labels = batch_arrays(batch, path, num_pixels)
    if labels.min() < 1 or labels.max() > NUM_CLASSES:
        raise InputError(
            f"{path} holds labels {labels.min()} to {labels.max()}; 1 to {NUM_CLASSES} is allowed"
        )
    return images, labels - 1


def _batch_paths(folder: Path, names: Sequence[str], data_set: str) -> list[Path]:
    found = [
        next((path for path in (folder / name, folder / f"{name}.npz") if path.is_file()), None)
        for name in names
    ]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        raise InputError(
            f"data.folder {str(folder)!r} has no {', '.join(missing)} (or .npz): get {data_set} from the "
            "download page of the ImageNet project, where it is called downsampled ImageNet"
        )
    return [path for path in found if path is not None]


def _key(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(f"{path.name} {path.stat().st_size}".encode())
            digest.update(file.read(_HEAD))
    return digest.hexdigest()[:16]


def _class_groups(num_groups: int | None, groups_file: str | None) -> np.ndarray:
    if num_groups is not None and groups_file is not None:
        raise InputError("data.num_groups and data.groups_file are both given; give one")
    if groups_file is None:
        return np.arange(NUM_CLASSES) % (num_groups or NUM_CLASSES)
    try:
        numbers = np.array([int(word) for word in Path(groups_file).read_text(encoding="utf-8").split()])
    except (OSError, ValueError) as error:
        raise InputError(f"data.groups_file {groups_file!r} cannot be read: {error}") from None
    if len(numbers) != NUM_CLASSES or numbers.min() < 0:
        raise InputError(
            f"data.groups_file {groups_file!r} holds {len(numbers)} numbers; "
            f"{NUM_CLASSES} from 0 up are needed"
        )
    return numbers
