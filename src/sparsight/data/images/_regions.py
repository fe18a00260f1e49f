"""Regions of pictures for training and for testing, shrunk, and patches drawn from them."""

import hashlib
from importlib.metadata import version
from typing import Literal

import numpy as np
import PIL
from jaxtyping import Float
from skimage.transform import rescale

from sparsight.data.images._cache import kept_array
from sparsight.data.images._frequency_selective import SETTINGS
from sparsight.data.images._resampling import Resampling, resampled
from sparsight.errors import InputError

TRAIN_SHARE = 0.6
"""Share of a picture's width, from the left, for training patches."""
FLAT_SD = 0.02
"""Patches with a smaller standard deviation over pixels and channels (in units of full scale) are flat."""

_MOST_DRAWS_PER_PATCH = 50

Split = Literal["train", "test"]


def region(
    picture: np.ndarray, split: Split, scale: float, resampling: Resampling | None = None
) -> Float[np.ndarray, "height width channels"]:
    """Return one part of a picture, shrunk by a scale of at most 1: float32 in units of full scale, 0 … 1.

    The training part is the left `TRAIN_SHARE` of the width, the test part the rest of it. `picture` holds
    values from 0 to 255, (height, width, channels). Without `resampling` a Gaussian smooths, and values
    between pixels are bilinear.
    """
    boundary = int(TRAIN_SHARE * picture.shape[1])
    part = picture[:, :boundary] if split == "train" else picture[:, boundary:]
    part = part.astype(np.float32) / 255
    if scale == 1:
        return part
    if resampling is not None:
        height, width = (max(1, round(scale * extent)) for extent in part.shape[:2])
        return resampled(part, (height, width), resampling)
    return np.asarray(rescale(part, scale, anti_aliasing=True, channel_axis=2), dtype=np.float32)


def pixel_digest(pixels: np.ndarray) -> str:
    """Return the SHA-256 of the shape and the values of a picture."""
    return hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def kept_region(
    picture: np.ndarray, digest: str, split: Split, scale: float, resampling: Resampling | None = None
) -> np.ndarray:
    """Return a `region` of a picture; a shrunk one is made once and kept in the cache."""
    if scale == 1:
        return region(picture, split, scale)
    # The version is in the key because another one may round differently.
    made_by = version("scikit-image")
    if resampling == "fsmr":
        made_by = f"fsmr-{SETTINGS}-{np.__version__}"
    elif resampling is not None:
        made_by = f"{resampling}-pillow-{PIL.__version__}"
    key = f"region-{digest}-{split}-{TRAIN_SHARE:g}-{scale:g}-{made_by}"
    return kept_array(key, lambda: region(picture, split, scale, resampling))


def windows_of(part: np.ndarray, size: int) -> Float[np.ndarray, "rows columns channels size size"]:
    """Return every patch of a region, as a view."""
    return np.lib.stride_tricks.sliding_window_view(part, (size, size), axis=(0, 1))


def draw_patches(
    windows: np.ndarray, number: int, stream: np.random.Generator, where: str
) -> tuple[np.ndarray, int]:
    """Return patches (number, channels, size, size) at random positions, and how many flat ones it rejected.

    Raises
    ------
    InputError
        If almost all patches are flat.
    """
    kept = np.empty((0, *windows.shape[2:]), np.float32)
    drawn = 0
    while len(kept) < number:
        missing = number - len(kept)
        # A batch asks for few patches of a region at a time: 50 draws for one of them would fail by chance.
        if drawn > _MOST_DRAWS_PER_PATCH * max(number, 100):
            raise InputError(f"data.size: almost all patches of {where} are flat; choose a larger size")
        rows = stream.integers(windows.shape[0], size=missing)
        columns = stream.integers(windows.shape[1], size=missing)
        patches = windows[rows, columns]
        drawn += missing
        kept = np.concatenate([kept, patches[patches.std(axis=(1, 2, 3)) >= FLAT_SD]])
    return kept, drawn - number
