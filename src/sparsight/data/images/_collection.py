"""Collections of pictures with classes: pictures inside scikit-image's wheel, or those of a folder."""

import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsight.data.images._picture_file import Background, is_picture, read_picture
from sparsight.data.images._picture_folders import class_folders, inner_folders, picture_files
from sparsight.errors import InputError
from sparsight.registry import suggest

SHIPPED = {
    "astronaut": ("astronaut.png", "public domain (NASA)"),
    "brick": ("brick.png", "CC0 (CC0Textures, Bricks25)"),
    "camera": ("camera.png", "CC0 (Lav Varshney)"),
    "chelsea": ("chelsea.png", "CC0 (Stéfan van der Walt)"),
    "coffee": ("coffee.png", "CC0 (Rachel Michetti)"),
    "coins": ("coins.png", "no known copyright restrictions (Brooklyn Museum)"),
    "grass": ("grass.png", "CC0 (linolafett)"),
    "gravel": ("gravel.png", "CC0 (CC0Textures, Gravel04)"),
    "moon": ("moon.png", "as shipped with scikit-image, which states no licence for it"),
    "motorcycle": ("motorcycle_left.png", "left picture of the Middlebury 2014 stereo benchmark, as shipped"),
    "page": ("page.png", "as shipped with scikit-image, which states no licence for it"),
    "retina": ("retina.jpg", "CC0 (Mikael Häggström)"),
    "rocket": ("rocket.jpg", "public domain (SpaceX)"),
}
"""Name → file in scikit-image's ``data`` folder, and licence as scikit-image's documentation states it."""


@dataclass(frozen=True)
class Picture:
    """A picture file and its class; the name is unique in its collection."""

    name: str
    label: int
    path: Path

    def pixels(self, *, grey: bool, background: Background | None) -> np.ndarray:
        """Decode the file: uint8 or float32, 0 … 255, (height, width, 1 or 3)."""
        decoded = np.asarray(read_picture(self.path, grey=grey, background=background))
        if decoded.ndim == 2:
            decoded = np.repeat(decoded[:, :, None], 1 if grey else 3, axis=2)
        return decoded


@dataclass(frozen=True)
class Collection:
    """Pictures of several classes, and their licences in words."""

    classes: Sequence[str]
    pictures: Sequence[Picture]
    licence: str | dict[str, str]


def shipped_pictures(names: Sequence[str]) -> Collection:
    """Return pictures inside scikit-image, a class each, without its downloader.

    Raises
    ------
    InputError
        If a name is unknown or given twice, or the installed scikit-image lacks a file.
    """
    if len(set(names)) < len(names):
        raise InputError(f"data.pictures names a picture twice: {', '.join(names)}; name each once")
    for name in names:
        if name not in SHIPPED:
            raise InputError(
                f"data.pictures: {name!r:.80} is not in scikit-image{suggest(name, SHIPPED)}; choose from "
                f"{', '.join(SHIPPED)}, or set data.folder to use your own"
            )
    place = Path(str(importlib.resources.files("skimage.data")))
    pictures = [Picture(name, label, place / SHIPPED[name][0]) for label, name in enumerate(names)]
    for picture in pictures:
        if not picture.path.is_file():
            raise InputError(
                f"data.pictures: this scikit-image lacks {picture.path.name}, which its wheels hold; leave "
                f"{picture.name!r} out, or install scikit-image from PyPI"
            )
    return Collection(list(names), pictures, {name: SHIPPED[name][1] for name in names})


def pictures_in(folder: Path) -> Collection:
    """Return the pictures of a folder: a class each, or, if it holds folders instead, a class per folder.

    Raises
    ------
    InputError
        If the folder does not exist, holds pictures beside folders, or has fewer than two classes.
    """
    inner = inner_folders(folder)
    loose = sorted(path.name for path in folder.iterdir() if path.is_file() and is_picture(path))
    if inner and loose:
        raise InputError(
            f"data.folder {str(folder)!r} has {len(loose)} picture(s) ({loose[0]!r}) beside {len(inner)} "
            f"folder(s) ({inner[0].name!r}); give pictures, a class each, or a folder for each class"
        )
    classes = class_folders(folder) if inner else {path.name: [path] for path in picture_files(folder)}
    if len(classes) < 2:
        raise InputError(
            f"data.folder {str(folder)!r} has {len(classes)} picture(s); at least two, a class each, or a "
            "folder for each class are needed"
        )
    pictures = [
        Picture(str(path.relative_to(folder)), label, path)
        for label, paths in enumerate(classes.values())
        for path in paths
    ]
    return Collection(list(classes), pictures, "the user's own")
