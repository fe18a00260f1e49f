"""A user's own pictures: a folder with a folder per class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.images._picture_file import Background
from sparsight.data.images._picture_folders import class_folders, inner_folders, left_out
from sparsight.data.images._resized import Resize, Resizing, files_digest, resized_pictures
from sparsight.data.images._standardise import Subset, image_task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

_TEST_SHARE = 0.2
_SPLITS = ("train", "test")

Side = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
_Files = list[tuple[Path, int]]  # a picture and the number of its class


@data_source("images")
def image_folder(
    *,
    folder: str,
    size: Annotated[Sequence[Side], Field(min_length=2, max_length=2)] = (32, 32),
    grey: bool = False,
    resize: Resize = "area",
    aspect: Literal["crop", "stretch"] = "crop",
    background: Background | None = None,
    test_share: Share | None = None,
    split_seed: int = 0,
    num_train: Count | None = None,
    num_test: Count | None = None,
    seed: int,
) -> Task:
    """Read pictures from a folder with a folder per class.

    Parameters
    ----------
    folder : str
        Holds a folder for each class, with its PNG, JPEG, WebP, TIFF or BMP files; or ``train`` and ``test``,
        each with the same class folders. Classes are numbered by name. Hidden files are left out; so are
        other files and links to folders inside a class, and the card counts them.
    size : (int, int)
        Height and width to which pictures are resized.
    grey : bool
        One channel (luma of ITU-R BT.601) instead of three. Grey pictures have three equal channels
        otherwise.
    resize : {"area", "bilinear", "bicubic", "lanczos"}
        The filter; all average over the pixels that they shrink (Pillow: area is ``BOX``). A picture that has
        the size already is not filtered.
    aspect : {"crop", "stretch"}
        Whether a picture of other proportions is cut around its centre, or stretched.
    background : {"black", "white"}, optional
        What transparent pixels are laid on. Default: a picture with transparent pixels is refused.
    test_share : float, optional
        Share of the files of each class that are for testing, in (0, 1). Default: the folder ``test``, or
        0.2 if there is none.
    split_seed : int
        Seeds the choice of these files. It is not the seed of the run, so that all replicates have the same
        split.
    num_train, num_test : int, optional
        A random subset, drawn from the seed. Default: all.
    seed : int
        Seeds the choice of pictures for a subset; unused for the complete set.

    Returns
    -------
    Task
        Inputs (n, 1 or 3, height, width), standardised per channel with training statistics: uint8, or
        float32 if a file has 16 bits.

    Raises
    ------
    InputError
        If the folder is laid out otherwise, a class has too few pictures, or files cannot be read or have
        transparent pixels; the message names them.
    """
    place = Path(folder)
    split = _split(place, test_share, split_seed)
    resizing = Resizing(
        size=(size[0], size[1]), grey=grey, resize=resize, aspect=aspect, background=background
    )
    samples = split.train + split.test
    paths = [path for path, _ in samples]
    digest = files_digest(place, paths)
    pixels, modes = resized_pictures(paths, digest, resizing)
    boundary = len(split.train)
    labels = np.array([label for _, label in samples], dtype=np.int64)
    train, test = pixels[:boundary], pixels[boundary:]
    return image_task(
        name=place.resolve().name,
        geometry=Geometry(1 if grey else 3, resizing.size),
        num_classes=len(split.classes),
        train=(train, labels[:boundary]),
        test=(test, labels[boundary:]),
        card={
            "source": folder,
            "licence": "the user's own",
            "classes": split.classes,
            "digest": digest,
            "modes": dict(sorted(modes.items())),
            "left_out": left_out(split.class_folders),
            "size": list(resizing.size),
            "grey": grey,
            "resize": resize,
            "aspect": aspect,
            "background": background,
            "split": split.words,
            "test_pictures_equal_to_training_pictures": _num_repeated(train, test),
        },
        subset=Subset(num_train, num_test, seed),
    )


@dataclass(frozen=True, kw_only=True)
class _Split:
    """Classes by name, the pictures of both splits, how they were split in words, and the class folders."""

    classes: list[str]
    train: _Files
    test: _Files
    words: str
    class_folders: list[Path]


def _split(folder: Path, test_share: float | None, split_seed: int) -> _Split:
    inner = inner_folders(folder)
    names = {path.name for path in inner}
    if names.isdisjoint(_SPLITS):
        share = _TEST_SHARE if test_share is None else test_share
        by_class = class_folders(folder)
        train, test = _by_share(by_class, share, split_seed)
        return _Split(
            classes=list(by_class),
            train=train,
            test=test,
            words=f"by file, {share:g} of each class for testing",
            class_folders=inner,
        )
    if names != set(_SPLITS):
        raise InputError(
            f"data.folder {str(folder)!r} holds {', '.join(sorted(names)[:5])}; give folders train and test "
            "and no other, or a folder for each class, none of them called train or test"
        )
    if test_share is not None:
        raise InputError(
            f"data.test_share is {test_share}, but {folder} has the folders train and test, which are the "
            "split; leave test_share out, or name another folder"
        )
    found = {name: class_folders(folder / name) for name in _SPLITS}
    unequal = sorted(found["train"].keys() ^ found["test"].keys())
    if unequal:
        raise InputError(
            f"data.folder {str(folder)!r}: class {unequal[0]!r} is in only one of train and test; both need "
            "the same class folders"
        )
    train, test = (_numbered(found[name]) for name in _SPLITS)
    return _Split(
        classes=list(found["train"]),
        train=train,
        test=test,
        words="folders train and test",
        class_folders=[path for name in _SPLITS for path in inner_folders(folder / name)],
    )


def _by_share(by_class: dict[str, list[Path]], share: float, split_seed: int) -> tuple[_Files, _Files]:
    """Return the pictures for training and for testing, at least one of each class in both."""
    train: _Files = []
    test: _Files = []
    for label, (name, paths) in enumerate(by_class.items()):
        if len(paths) < 2:
            raise InputError(
                f"class {name!r} has 1 picture ({paths[0]}); at least one for training and one for testing "
                "are needed: add some or remove the class"
            )
        num_test = min(max(round(share * len(paths)), 1), len(paths) - 1)
        order = generator(split_seed, "images", "split", name).permutation(len(paths))
        test += [(paths[row], label) for row in np.sort(order[:num_test])]
        train += [(paths[row], label) for row in np.sort(order[num_test:])]
    return train, test


def _numbered(by_class: dict[str, list[Path]]) -> _Files:
    return [(path, label) for label, paths in enumerate(by_class.values()) for path in paths]


def _num_repeated(train: np.ndarray, test: np.ndarray) -> int:
    """Return the number of test pictures whose pixels are those of a training picture."""
    known = {picture.tobytes() for picture in train}
    return sum(picture.tobytes() in known for picture in test)
