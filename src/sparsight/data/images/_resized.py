"""Picture files decoded and resized to one array, kept in the cache."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import PIL
from PIL import ImageOps

from sparsight.atomic import sha256_of
from sparsight.data.images._cache import kept_array
from sparsight.data.images._files import reading
from sparsight.data.images._picture_file import Background, picture_mode, read_picture
from sparsight.data.images._resampling import FILTERS
from sparsight.errors import InputError

_Found = TypeVar("_Found")

Resize = Literal["area", "bilinear", "bicubic", "lanczos"]

_NAMES_IN_A_MESSAGE = 5


@dataclass(frozen=True, kw_only=True)
class Resizing:
    """How pictures become arrays of one shape: (height, width), channels, filter, cut or stretched."""

    size: tuple[int, int]
    grey: bool
    resize: Resize
    aspect: Literal["crop", "stretch"]
    background: Background | None

    def pixels(self, path: Path) -> np.ndarray:
        """Return one picture: uint8, or float32 for 16 bits, 0 … 255, (channels, height, width)."""
        picture = read_picture(path, grey=self.grey, background=self.background)
        wanted = (self.size[1], self.size[0])  # Pillow's order
        if picture.size != wanted:
            method = FILTERS[self.resize]
            if self.aspect == "crop":
                picture = ImageOps.fit(picture, wanted, method)
            else:
                picture = picture.resize(wanted, method)
        values = np.asarray(picture)
        if values.ndim == 2:
            values = np.repeat(values[:, :, None], 1 if self.grey else 3, axis=2)
        # Filters with negative lobes overshoot; Pillow clips them for 8 bits only.
        return np.moveaxis(values.clip(0, 255), 2, 0)


def files_digest(folder: Path, paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the names, below a folder, and the contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        with reading(path):
            content = sha256_of(path)
        digest.update(f"{path.relative_to(folder)}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def resized_pictures(
    paths: Sequence[Path], digest: str, resizing: Resizing
) -> tuple[np.ndarray, Counter[str]]:
    """Return pictures (n, channels, height, width) and the number of files of each of Pillow's modes.

    uint8, unless a picture has 16 bits: then float32 for all, 0 … 255. The array is made once and kept in the
    cache; `digest` stands for the contents of the files.

    Raises
    ------
    InputError
        If files cannot be used: the message gives the first, why, and the names of others.
    """
    # Pillow's version is in the key because another one may decode or round differently.
    facts = f"{digest} {resizing} {PIL.__version__}"
    key = f"pictures-{hashlib.sha256(facts.encode()).hexdigest()}"
    modes = Counter(_all_of(picture_mode, paths))
    return kept_array(key, lambda: _stacked(_all_of(resizing.pixels, paths))), modes


def _all_of(function: Callable[[Path], _Found], paths: Sequence[Path]) -> list[_Found]:
    """Return the results for all files, or raise one error that names all files that fail."""
    found: list[_Found] = []
    refusals: dict[Path, str] = {}
    for path in paths:
        try:
            found.append(function(path))
        except InputError as error:
            refusals[path] = str(error)
    if refusals:
        first, *others = refusals
        names = ", ".join(str(path) for path in others[:_NAMES_IN_A_MESSAGE])
        more = len(others) - _NAMES_IN_A_MESSAGE
        rest = f"; {len(others)} more cannot be used: {names}" if others else ""
        raise InputError(refusals[first] + rest + (f" and {more} others" if more > 0 else ""))
    return found


def _stacked(pictures: list[np.ndarray]) -> np.ndarray:
    stacked: np.ndarray = np.stack(pictures)  # float32 if one of them is
    return stacked
