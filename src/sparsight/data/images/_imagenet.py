"""Downsampled ImageNet from a folder that the user names, converted once to arrays in the cache."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy_format
from pydantic import Field

from sparsight.atomic import remove_temporaries
from sparsight.data._given_labels import facts_of_map
from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.images._batches import batch_arrays, check_labels
from sparsight.data.images._cache import HashedFile, cache_folder, content_digest, is_whole, sealed_file
from sparsight.data.images._files import check_num_images, existing_files, reading
from sparsight.data.images._npz import read_npz
from sparsight.data.images._standardise import Subset, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.pickles import read_restricted_pickle
from sparsight.regular_files import read_regular
from sparsight.text_encoding import decoded_text

TRAIN_FILES = tuple(f"train_data_batch_{number}" for number in range(1, 11))
TEST_FILES = ("val_data",)
_NUM_CLASSES = 1000
NUM_TRAIN, NUM_TEST = 1_281_167, 50_000
_MAX_BATCH_BYTES = 2**32
_MAX_GROUPS_BYTES = 2**17

_Groups = Annotated[int, Field(ge=2, le=_NUM_CLASSES)]


@data_source("imagenet32")
def imagenet32(
    *,
    folder: str = "imagenet32",
    num_groups: _Groups | None = None,
    groups_file: str | None = None,
    num_train: Count | None = None,
    num_test: Count | None = None,
    seed: int,
) -> Task:
    """Read ImageNet32 (Chrabaszcz, Loshchilov & Hutter, arXiv 1707.08819): 32 × 32 colour, 1000 classes.

    Parameters
    ----------
    folder : str
        Holds ``train_data_batch_1`` … ``train_data_batch_10`` and ``val_data``, as pickles (read without
        running anything in them) or as ``.npz``.
    num_groups : int, optional
        Merge classes: class c (from 0) becomes c modulo num_groups.
    groups_file : str, optional
        Merge classes: a text file of 1000 whole numbers, separated by spaces, lines or commas, the
        super-class of each class. Super-classes are numbered 0, 1, … in sorted order; the card keeps the map
        if that changes them.
    num_train, num_test : int, optional
        A random subset, drawn from the seed, held in memory. Default: all, memory-mapped.
    seed : int
        Seeds the choice of images for a subset; unused for the complete set.

    Raises
    ------
    InputError
        If a file is missing or damaged, or both groupings are given.

    Notes
    -----
    The first use converts the batches, one at a time, into plain arrays under the user's cache folder
    (set ``SPARSIGHT_CACHE`` to use another). Images remain bytes and are standardised per channel, batch by
    batch.
    """
    groups = _class_groups(num_groups, groups_file)
    return _downsampled("imagenet32", 32, folder, groups, Subset(num_train, num_test, seed))


@data_source("imagenet64")
def imagenet64(
    *,
    folder: str = "imagenet64",
    num_groups: _Groups | None = None,
    groups_file: str | None = None,
    num_train: Count | None = None,
    num_test: Count | None = None,
    seed: int,
) -> Task:
    """Read ImageNet64: 64 × 64 colour, 1000 classes; otherwise as `imagenet32`."""
    groups = _class_groups(num_groups, groups_file)
    return _downsampled("imagenet64", 64, folder, groups, Subset(num_train, num_test, seed))


def _downsampled(name: str, size: int, folder: str, groups: np.ndarray, subset: Subset) -> Task:
    paths = existing_files(
        Path(folder),
        (*TRAIN_FILES, *TEST_FILES),
        ".npz",
        f"get {name} from the ImageNet project's download page, where it is published as downsampled "
        "ImageNet, and name its folder",
    )
    train_images, train_labels = converted(paths[:-1], size, NUM_TRAIN)
    test_images, test_labels = converted(paths[-1:], size, NUM_TEST)
    # Super-classes numbered from 1 or with gaps would leave outputs of the network without a class.
    names, groups = np.unique(groups, return_inverse=True)
    facts = facts_of_map({str(name): number for number, name in enumerate(names.tolist())})
    return image_task(
        name=name,
        geometry=Geometry(3, (size, size)),
        num_classes=len(names),
        train=(train_images, groups[train_labels]),
        test=(test_images, groups[test_labels]),
        card={"source": f"{name} in {folder}", "licence": "ImageNet's terms of access", **facts},
        subset=subset,
    )


def converted(paths: Sequence[Path], size: int, num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of batch files as arrays in the cache, converting them if necessary.

    Images are a memory map of uint8, (num_images, 3, size, size), and labels int64 from 0. Batch files are
    read one at a time. A second process waits until the first has converted. Files in the cache are complete:
    see `sparsight.atomic.open_atomically`.
    """
    cache = cache_folder()
    stem = cache / f"images-{size}-{_key(paths)}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(stem.with_suffix(".lock")):
            found = _cached(stem, size, num_images)
            if found is None:
                remove_temporaries(cache, stem.name)
                _convert(paths, stem, size, num_images)
                found = _cached(stem, size, num_images)
    except OSError as error:
        raise InputError(
            f"the converted images ({num_images * 3 * size**2} bytes) cannot be kept in {cache} "
            f"({error.strerror}): free some space, or set SPARSIGHT_CACHE to another folder"
        ) from None
    if found is None:
        raise InputError(
            f"{cache} does not keep what is written to it; set SPARSIGHT_CACHE to another folder"
        )
    return found


def _files(stem: Path) -> tuple[Path, Path]:
    return stem.with_suffix(".images.npy"), stem.with_suffix(".labels.npy")


def _cached(stem: Path, size: int, num_images: int) -> tuple[np.ndarray, np.ndarray] | None:
    images_path, labels_path = _files(stem)
    # Not read as a whole each time: the set is 4 GB at size 32, and more at 64.
    if not all(is_whole(path, by_traits=True) for path in (labels_path, images_path)):
        return None
    try:
        images, labels = np.load(images_path, mmap_mode="r"), np.load(labels_path)
    except (FileNotFoundError, ValueError, EOFError):  # absent or truncated: made again
        return None
    fits = images.shape == (num_images, 3, size, size) and images.dtype == np.uint8
    fits = fits and labels.shape == (num_images,) and labels.dtype == np.int64
    return (images, labels) if fits else None


def _convert(paths: Sequence[Path], stem: Path, size: int, num_images: int) -> None:
    images_path, labels_path = _files(stem)
    with sealed_file(images_path) as file:
        # The header comes first, so that batches can be appended one by one: the set is 4 GB at size 32.
        header = {"descr": "|u1", "fortran_order": False, "shape": (num_images, 3, size, size)}
        npy_format.write_array_header_1_0(file, header)
        labels = np.concatenate([_append(file, path, 3 * size**2) for path in paths])
        check_num_images(paths, len(labels), num_images)
    with sealed_file(labels_path) as file:  # last: a set counts as converted once both are sealed
        np.save(file, labels)


def _append(file: HashedFile, path: Path, num_pixels: int) -> np.ndarray:
    """Write the images of a batch, forget them, and return its labels."""
    images, labels = _read_batch(path, num_pixels)
    file.write(np.ascontiguousarray(images).reshape(-1).data)
    return labels


def _read_batch(path: Path, num_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    batch: Any
    if path.suffix == ".npz":
        batch = read_npz(path, ("data", "labels"), _MAX_BATCH_BYTES)
    else:
        batch = read_restricted_pickle(path)
    images, labels = batch_arrays(batch, path, num_pixels)
    check_labels(labels, path, 1, _NUM_CLASSES)
    return images, labels - 1


def _key(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with reading(path):
            digest.update(f"{path.name} {content_digest(path)}\n".encode())
    return digest.hexdigest()[:32]


def _class_groups(num_groups: int | None, groups_file: str | None) -> np.ndarray:
    if num_groups is not None and groups_file is not None:
        raise InputError("data.num_groups and data.groups_file are both given; give one")
    if groups_file is None:
        return np.arange(_NUM_CLASSES) % (num_groups or _NUM_CLASSES)
    with reading(f"data.groups_file {groups_file!r}"):
        content = read_regular(Path(groups_file), _MAX_GROUPS_BYTES)
    try:
        numbers = [int(word) for word in decoded_text(content).replace(",", " ").split()]
    except ValueError as error:
        raise InputError(
            f"data.groups_file {groups_file!r} cannot be read ({error!s:.80}): whole numbers are needed, "
            "separated by spaces, lines or commas"
        ) from None
    if len(numbers) != _NUM_CLASSES or not all(0 <= number <= _NUM_CLASSES for number in numbers):
        raise InputError(
            f"data.groups_file {groups_file!r} holds {len(numbers)} numbers, {min(numbers, default=None)} to "
            f"{max(numbers, default=None)}; {_NUM_CLASSES} from 0 to {_NUM_CLASSES} are needed"
        )
    if len(set(numbers)) < 2:
        raise InputError(
            f"data.groups_file {groups_file!r} names only one super-class; at least 2 are needed"
        )
    return np.array(numbers, dtype=np.int64)
