"""Picture files: PNG, JPEG, WebP, TIFF and BMP, decoded to grey or colour as a viewer would show them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from sparsight.errors import InputError
from sparsight.regular_files import open_regular

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""Suffixes of picture files, in lower case; upper case is read as well."""

Background = Literal["black", "white"]

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_picture(path: Path, *, grey: bool, background: Background | None) -> Image.Image:
    """Return a picture in mode "L" (grey) or "RGB", or "F" if it is grey with 16 bits: 0 … 255, float32.

    A rotation in the EXIF data is applied. Colours become grey by the luma of ITU-R BT.601. Colours of 16
    bits keep the upper 8.

    Parameters
    ----------
    path : Path
        The file; its content tells the format, whatever its suffix.
    grey : bool
        Whether to convert colours to grey; grey pictures of 8 bits become "RGB" otherwise.
    background : {"black", "white"} or None
        What transparent pixels are laid on. None refuses pictures with transparent pixels.

    Raises
    ------
    InputError
        If the file cannot be read or is damaged, has more than one page, holds floating-point pixels, is
        larger than Pillow's limit, or has transparent pixels without a background. The message names it.
    """
    with _opened(path) as file:
        picture = ImageOps.exif_transpose(file)
        picture.load()
        return _converted(path, picture, grey, background)


def picture_mode(path: Path) -> str:
    """Return the mode of a picture in Pillow's words ("L", "RGB", "P", "I;16", …), read from its header.

    Raises
    ------
    InputError
        As `read_picture`, for what the header tells.
    """
    with _opened(path) as file:
        return file.mode


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture file, and turn what its decoder raises inside the block into an `InputError`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata: the pixels are decoded, or fail below
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with open_regular(path) as content, Image.open(content, formats=_FORMATS) as file:
                _check(path, file)
                yield file
        except InputError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise InputError(
                f"{path} has more than {Image.MAX_IMAGE_PIXELS} pixels; shrink or cut it first"
            ) from None
        except Exception as error:  # Pillow's decoders fail in many ways: OSError, SyntaxError, struct.error
            reason = f"{type(error).__name__}: {error!s:.80}".replace("\n", " ")
            raise InputError(
                f"{path} is not a picture ({', '.join(_FORMATS)}) or is damaged ({reason}); get it again, or "
                "move it out of the folder"
            ) from None


def is_picture(path: Path) -> bool:
    """Return whether a file has the suffix of a picture and is not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _check(path: Path, file: Image.Image) -> None:
    # A JPEG of a telephone may hold a second, small picture; its first one is the picture.
    if file.format in ("TIFF", "PNG", "WEBP") and getattr(file, "n_frames", 1) > 1:
        raise InputError(f"{path} has more than one page or frame; save each as a file of its own")
    if file.mode == "F":
        raise InputError(
            f"{path} holds floating-point pixels of unknown scale; save it with 8 or 16 bits, or make a task "
            "with Task.from_arrays"
        )


def _converted(path: Path, picture: Image.Image, grey: bool, background: Background | None) -> Image.Image:
    if picture.mode in _SIXTEEN_BITS:
        # Not convert("L"), which clips at 255.
        return Image.fromarray(np.asarray(picture).astype(np.float32) / np.float32(257))
    if picture.has_transparency_data:
        layers = picture.convert("RGBA")
        lowest, _ = layers.getchannel("A").getextrema()
        if lowest != 255:
            if background is None:
                raise InputError(
                    f'{path} has transparent pixels; set data.background to "black" or "white", on which '
                    "they are laid"
                )
            ground = Image.new("RGBA", layers.size, background)
            layers = Image.alpha_composite(ground, layers)
        picture = layers.convert("RGB")
    return picture.convert("L" if grey else "RGB")
