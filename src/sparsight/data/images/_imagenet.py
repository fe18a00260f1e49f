"""Downsampled ImageNet from a folder of the user's, kept on disk as bytes."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy_format
from pydantic import Field

from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.images._cache import cache_folder
from sparsight.data.images._cifar import batch_arrays
from sparsight.data.images._npz import read_npz
from sparsight.data.images._restricted_pickle import read_restricted_pickle
from sparsight.data.images._standardise import image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry

TRAIN_FILES = tuple(f"train_data_batch_{number}" for number in range(1, 11))
TEST_FILES = ("val_data",)
NUM_CLASSES = 1000
NUM_TRAIN, NUM_TEST = 1_281_167, 50_000
_MAX_BATCH_BYTES = 2**32
_MAX_GROUPS_CHARACTERS = 2**16
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
    paths = _batch_paths(Path(folder), name)
    train_images, train_labels = converted(paths[:-1], size, NUM_TRAIN)
    test_images, test_labels = converted(paths[-1:], size, NUM_TEST)
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


def converted(paths: Sequence[Path], size: int, num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of batch files, as arrays in the cache, made there if need be.

    A second process waits until the first has converted. What is in the cache is complete: files are
    written under another name, flushed to disk and renamed, the labels last.

    Parameters
    ----------
    paths : sequence of Path
        Read one at a time.
    size : int
        Height and width.
    num_images : int
        So many must be in the files together.

    Returns
    -------
    images : numpy.memmap of uint8, (num_images, 3, size, size)
    labels : numpy.ndarray of int64, (num_images,)
        From 0.

    Raises
    ------
    InputError
        If a file is damaged, the number is another, or the cache cannot be written.
    """
    cache = cache_folder()
    stem = cache / f"images-{size}-{_key(paths)}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(stem.with_suffix(".lock")):
            found = _cached(stem, size, num_images)
            if found is None:
                _convert(paths, stem, size, num_images)
                found = _cached(stem, size, num_images)
    except OSError as error:
        raise InputError(
            f"the converted images ({num_images * 3 * size**2} bytes) cannot be kept in {cache} "
            f"({error.strerror}): make room, or name another folder in the variable SPARSIGHT_CACHE"
        ) from None
    if found is None:
        raise InputError(f"{cache} does not keep what is written there; name another in SPARSIGHT_CACHE")
    return found


def _files(stem: Path) -> tuple[Path, Path]:
    return stem.with_suffix(".images.npy"), stem.with_suffix(".labels.npy")


def _cached(stem: Path, size: int, num_images: int) -> tuple[np.ndarray, np.ndarray] | None:
    images_path, labels_path = _files(stem)
    try:
        images, labels = np.load(images_path, mmap_mode="r"), np.load(labels_path)
    except (FileNotFoundError, ValueError, EOFError):  # absent or cut short: made again
        return None
    fits = images.shape == (num_images, 3, size, size) and images.dtype == np.uint8
    fits = fits and labels.shape == (num_images,) and labels.dtype == np.int64
    return (images, labels) if fits else None


def _convert(paths: Sequence[Path], stem: Path, size: int, num_images: int) -> None:
    images_path, labels_path = _files(stem)
    # Under the lock nobody else writes these names; what a killed process left is overwritten.
    temporary = stem.with_suffix(".images.tmp")
    try:
        with temporary.open("wb") as file:
            shape = (num_images, 3, size, size)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            npy_format.write_array_header_1_0(file, header)
            labels = np.concatenate([_append(file, path, 3 * size**2) for path in paths])
            if len(labels) != num_images:
                raise InputError(
                    f"{', '.join(path.name for path in paths)} in {paths[0].parent} hold {len(labels)} "
                    f"images; the set has {num_images}: a file is truncated or another one, get it again"
                )
            _flush_to_disk(file)
        temporary.replace(images_path)
        temporary = stem.with_suffix(".labels.tmp")
        with temporary.open("wb") as file:
            np.save(file, labels)
            _flush_to_disk(file)
        temporary.replace(labels_path)  # last: it vouches for the images
        _flush_folder_to_disk(stem.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _append(file: BinaryIO, path: Path, num_pixels: int) -> np.ndarray:
    """Write the images of a batch, forget them, and return its labels."""
    images, labels = _read_batch(path, num_pixels)
    file.write(np.ascontiguousarray(images).data)
    return labels


def _flush_to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def _batch_paths(folder: Path, data_set: str) -> list[Path]:
    names = (*TRAIN_FILES, *TEST_FILES)
    found = [
        next((path for path in (folder / name, folder / f"{name}.npz") if path.is_file()), None)
        for name in names
    ]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        raise InputError(
            f"data.folder {str(folder)!r} has no {', '.join(missing)} (or .npz): get {data_set} where it is "
            "published, by the ImageNet project's download page as downsampled ImageNet, and name its folder"
        )
    return [path for path in found if path is not None]


def _key(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(f"{path.name} {path.stat().st_size}\n".encode())
                digest.update(file.read(_HEAD))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}; check its permissions") from None
    return digest.hexdigest()[:32]


def _class_groups(num_groups: int | None, groups_file: str | None) -> np.ndarray:
    if num_groups is not None and groups_file is not None:
        raise InputError("data.num_groups and data.groups_file are both given; give one")
    if groups_file is None:
        return np.arange(NUM_CLASSES) % (num_groups or NUM_CLASSES)
    try:
        with Path(groups_file).open(encoding="utf-8") as file:
            numbers = [int(word) for word in file.read(_MAX_GROUPS_CHARACTERS).split()]
    except OSError as error:
        raise InputError(f"data.groups_file {groups_file!r} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(
            f"data.groups_file {groups_file!r} cannot be read ({error!s:.80}): whole numbers are needed"
        ) from None
    if len(numbers) != NUM_CLASSES or not all(0 <= number < NUM_CLASSES for number in numbers):
        raise InputError(
            f"data.groups_file {groups_file!r} holds {len(numbers)} numbers, {min(numbers, default=None)} to "
            f"{max(numbers, default=None)}; {NUM_CLASSES} from 0 to {NUM_CLASSES - 1} are needed"
        )
    if len(set(numbers)) < 2:
        raise InputError(
            f"data.groups_file {groups_file!r} names one super-class only; at least 2 are needed"
        )
    return np.array(numbers, dtype=np.int64)
