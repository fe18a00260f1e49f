"""Colour patches of the photographs that ship inside scikit-image."""

import functools
from collections.abc import Callable
from typing import Annotated

import numpy as np
import skimage.data
from pydantic import Field

from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.images._regions import (
    TRAIN_SHARE,
    Split,
    draw_patches,
    kept_region,
    pixel_digest,
    windows_of,
)
from sparsight.data.images._resampling import Resampling
from sparsight.geometry import Geometry
from sparsight.streams import generator

PHOTOGRAPHS: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": skimage.data.astronaut,
    "chelsea": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "rocket": skimage.data.rocket,
}
"""The colour photographs inside scikit-image's wheel; class k is the k-th. (``camera`` is grey.)"""

_LICENCES = {
    "astronaut": "public domain (NASA)",
    "chelsea": "CC0 (Stéfan van der Walt)",
    "coffee": "CC0 (Rachel Michetti)",
    "rocket": "public domain (SpaceX)",
}
SCALES = (1.0, 0.5, 0.25)


@data_source("photographs")
def photographs(
    *,
    size: Annotated[int, Field(ge=2, le=40)] = 32,
    num_train: Annotated[int, Field(ge=8)] = 8000,
    num_test: Annotated[int, Field(ge=4)] = 2000,
    resampling: Resampling | None = None,
    seed: int,
) -> Task:
    """Make the task of telling which photograph a patch was cut from.

    Patches are cut at scales 1, ½ and ¼ (each region shrunk with anti-aliasing), at positions drawn from
    the seed; they may overlap others of their split. **Split**: training patches come from the left
    60 % of the width of each photograph, test patches from the other 40 %. Both parts are shrunk
    separately, so that no test patch shares a source pixel with any training patch, at any scale. Test
    patches therefore show things not seen in training: test accuracy measures transfer within a photograph.
    Flat patches are replaced and counted. Pixels are standardised per channel, with mean and standard
    deviation of the training patches.

    Parameters
    ----------
    size : int
        Height and width of a patch, in pixels; at most 40, as the smallest region at scale ¼ is 45 wide.
    num_train, num_test : int
        Total numbers of patches, spread over the four classes as evenly as possible.
    resampling : {"area", "nearest", "bilinear", "bicubic", "lanczos", "fsmr"}, optional
        Kernel that shrinks regions, see `sparsight.data.resampled`. Default: a Gaussian, and then bilinear.
        Positions of patches are the same for all kernels, unless one makes other patches flat.
    seed : int
        Seeds the choice of patches.

    Returns
    -------
    Task
        Inputs float32, (n, 3, size, size); four classes.

    Raises
    ------
    InputError
        If almost all patches of a region are flat (for patches of a few pixels).
    """
    train, train_labels, train_rejected = _patches("train", num_train, size, seed, resampling)
    test, test_labels, test_rejected = _patches("test", num_test, size, seed, resampling)
    mean = train.mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)[:, None, None]
    sd = train.std(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)[:, None, None]
    return Task(
        name="photographs",
        geometry=Geometry(3, (size, size)),
        num_classes=len(PHOTOGRAPHS),
        train_inputs=(train - mean) / sd,
        train_labels=train_labels,
        test_inputs=(test - mean) / sd,
        test_labels=test_labels,
        card={
            "source": "photographs inside scikit-image (skimage.data)",
            "licence": dict(_LICENCES),
            "classes": list(PHOTOGRAPHS),
            "scales": list(SCALES),
            **({} if resampling is None else {"resampling": resampling}),
            "split": f"left {TRAIN_SHARE:.0%} of each photograph for training, the rest for testing",
            "rejected_flat_patches": {"train": train_rejected, "test": test_rejected},
            "channel_mean": mean.ravel().tolist(),
            "channel_sd": sd.ravel().tolist(),
        },
    )


@functools.cache
def _photograph(name: str) -> tuple[np.ndarray, str]:
    """Return a photograph, decoded once per process, and the digest of its pixels."""
    pixels = np.ascontiguousarray(PHOTOGRAPHS[name]())
    return pixels, pixel_digest(pixels)


def _patches(
    split: Split, number: int, size: int, seed: int, resampling: Resampling | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return patches (n, 3, size, size), labels (n,) and the number of flat patches rejected."""
    cells = [(label, scale) for scale in SCALES for label in range(len(PHOTOGRAPHS))]
    pieces, labels, rejected = [], [], 0
    for index, (label, scale) in enumerate(cells):
        # The first cells take the remainder. Classes vary fastest, so their counts differ by at most one.
        share = number // len(cells) + (index < number % len(cells))
        name = list(PHOTOGRAPHS)[label]
        windows = windows_of(kept_region(*_photograph(name), split, scale, resampling), size)
        stream = generator(seed, "photographs", split, name, str(scale))
        found, flat = draw_patches(windows, share, stream, f"{name} at scale {scale:g}")
        pieces.append(found)
        labels.append(np.full(share, label, dtype=np.int64))
        rejected += flat
    return np.concatenate(pieces), np.concatenate(labels), rejected
