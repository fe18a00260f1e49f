"""CIFAR-100 from a folder that the user names: the python or the binary version, fine or coarse labels."""

from pathlib import Path
from typing import Literal

import numpy as np

from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.images._batches import batch_arrays, check_labels, entry
from sparsight.data.images._cifar import NUM_PIXELS, read_binary
from sparsight.data.images._files import check_num_images, existing_files, reading
from sparsight.data.images._published_sets import folder_or_downloaded
from sparsight.data.images._standardise import Subset, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.pickles import read_restricted_pickle
from sparsight.regular_files import read_regular

NUM_TRAIN, NUM_TEST = 50_000, 10_000
_DEFAULT_FOLDER = "cifar100"
_FOLDERS = ("", "cifar-100-python", "cifar-100-binary")
_MAX_NAMES_BYTES = 2**14

Classes = Literal["fine", "coarse"]
_NUM_CLASSES: dict[Classes, int] = {"fine": 100, "coarse": 20}


@data_source("cifar100")
def cifar100(
    *,
    folder: str = _DEFAULT_FOLDER,
    classes: Classes = "fine",
    num_train: Count | None = None,
    num_test: Count | None = None,
    seed: int,
) -> Task:
    """Read CIFAR-100 (Krizhevsky 2009): 32 × 32 colour, 100 or 20 classes, 50 000 and 10 000 images.

    Parameters
    ----------
    folder : str
        Holds ``train`` and ``test`` (python version, read without running anything in them), or ``train.bin``
        and ``test.bin``; or the folder that the archive unpacks to. Class names come from ``meta`` or
        ``fine_label_names.txt`` beside them, if there. If the default does not exist, files from ``sparsight
        data cifar100 --download`` are used.
    classes : {"fine", "coarse"}
        The 100 classes, or the 20 super-classes of five each.
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
        folder_or_downloaded(folder, _DEFAULT_FOLDER, "cifar100"),
        ("train", "test"),
        ".bin",
        "sparsight data cifar100 --download gets CIFAR-100 from Alex Krizhevsky's page at the University of "
        "Toronto",
        inner_folders=_FOLDERS,
    )
    train, test = (
        _read_split(path, classes, number) for path, number in zip(paths, (NUM_TRAIN, NUM_TEST), strict=True)
    )
    names = _class_names(paths[0].parent, classes)
    return image_task(
        name="cifar100" if classes == "fine" else "cifar100-coarse",
        geometry=Geometry(3, (32, 32)),
        num_classes=_NUM_CLASSES[classes],
        train=train,
        test=test,
        card={
            "source": f"CIFAR-100 in {folder}",
            "licence": "as published by the University of Toronto",
            "kind_of_classes": classes,
            **({"classes": names} if names else {}),
        },
        subset=Subset(num_train, num_test, seed),
    )


def _read_split(path: Path, classes: Classes, num_images: int) -> tuple[np.ndarray, np.ndarray]:
    if path.suffix == ".bin":
        pixels, both_labels = read_binary(path, num_label_bytes=2, most_rows=num_images)
        labels = both_labels[:, ("coarse", "fine").index(classes)]
    else:
        pixels, labels = batch_arrays(read_restricted_pickle(path), path, NUM_PIXELS, f"{classes}_labels")
    check_labels(labels, path, 0, _NUM_CLASSES[classes] - 1)
    check_num_images([path], len(pixels), num_images)
    return np.ascontiguousarray(pixels).reshape(-1, 3, 32, 32), labels


def _class_names(folder: Path, classes: Classes) -> list[str]:
    """Return the names of the classes; none if no file beside the images holds them."""
    text, meta = folder / f"{classes}_label_names.txt", folder / "meta"
    if text.is_file():
        with reading(text):
            found = read_regular(text, _MAX_NAMES_BYTES).split()
    elif meta.is_file():
        content = read_restricted_pickle(meta)
        names = entry(content, f"{classes}_label_names") if isinstance(content, dict) else None
        texts = names if isinstance(names, list) else []
        found = [
            each.encode() if isinstance(each, str) else each for each in texts if type(each) in (str, bytes)
        ]
    else:
        return []
    if len(found) != _NUM_CLASSES[classes]:
        raise InputError(
            f"{text if text.is_file() else meta} holds {len(found)} names of {classes} classes; "
            f"{_NUM_CLASSES[classes]} are needed: get it again, or remove it to do without names"
        )
    return [name.decode("utf-8", "replace") for name in found]
