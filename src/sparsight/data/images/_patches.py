"""Patches of any pictures: those inside scikit-image, or a folder of one's own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from sparsight.data._sources import Count, data_source
from sparsight.data._task import Draw, Task
from sparsight.data.images._collection import Collection, Picture, pictures_in, shipped_pictures
from sparsight.data.images._picture_file import Background
from sparsight.data.images._regions import (
    FLAT_SD,
    TRAIN_SHARE,
    Split,
    draw_patches,
    kept_region,
    pixel_digest,
    windows_of,
)
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

DEFAULT_PICTURES = (
    "brick",
    "grass",
    "gravel",
    "camera",
    "astronaut",
    "chelsea",
    "coffee",
    "motorcycle",
    "coins",
    "retina",
)
"""The pictures inside scikit-image's wheel that are used if no others are named; class k is the k-th."""

Scale = Annotated[float, Field(gt=0, le=1)]
Standardise = Literal["channel", "pixel", "patch"]
_Standardiser = Callable[[np.ndarray], np.ndarray]


@data_source("patches")
def patches(
    *,
    pictures: Annotated[Sequence[str], Field(min_length=2)] | None = None,
    folder: str | None = None,
    size: Annotated[int, Field(ge=2)] = 28,
    scales: Annotated[Sequence[Scale], Field(min_length=1)] = (1.0, 0.5),
    grey: bool = True,
    background: Background | None = None,
    standardise: Standardise = "channel",
    num_train: Count = 20_000,
    num_test: Count = 5_000,
    online: bool = False,
    seed: int,
) -> Task:
    """Make the task of telling which picture, or which class of pictures, a patch was cut from.

    **Split**: training patches come from the left 60 % of the width of each picture, test patches from the
    rest. Both parts are shrunk separately, so that no test patch shares a source pixel with any training
    patch, at any scale. Positions are drawn from the seed; patches may overlap others of their split. Flat
    patches (sd below 0.02 of full scale) are replaced and counted. A class has the same number of patches at
    each scale and of each of its pictures, up to one.

    Parameters
    ----------
    pictures : sequence of str, optional
        Names of pictures inside scikit-image, a class each: those of `DEFAULT_PICTURES` (the default), moon,
        page or rocket. They need no download.
    folder : str, optional
        Pictures of one's own instead: a folder with pictures, a class each, or with a folder per class. PNG,
        JPEG, WebP, TIFF or BMP.
    size : int
        Height and width of a patch, in pixels.
    scales : sequence of float
        Each region is shrunk by these factors, with anti-aliasing, before patches are cut. In (0, 1].
    grey : bool
        One channel (luma of ITU-R BT.601) instead of three.
    background : {"black", "white"}, optional
        What transparent pixels are laid on. Default: a picture with transparent pixels is refused.
    standardise : {"channel", "pixel", "patch"}
        Mean 0 and sd 1 over the training patches for each channel; for each pixel of each channel; or over
        all values of each patch by itself, which removes differences of brightness and contrast.
    num_train, num_test : int
        Total numbers of patches, spread evenly over classes.
    online : bool
        Fresh training patches at every step. The training split then gives the moments of `standardise` and
        serves measurements.
    seed : int
        Seeds the choice of patches.

    Returns
    -------
    Task
        Inputs float32, (n, 1 or 3, size, size).

    Raises
    ------
    InputError
        If a picture cannot be read or is too small for `size` and `scales`, almost all patches of a region
        are flat, or there are fewer than two classes.
    """
    if folder is not None and pictures is not None:
        raise InputError("data.pictures and data.folder are both given; give one of them")
    if folder is None:
        collection = shipped_pictures(pictures or DEFAULT_PICTURES)
    else:
        collection = pictures_in(Path(folder))
    numbers: dict[Split, int] = {"train": num_train, "test": num_test}
    for split, number in numbers.items():
        if number < len(collection.classes):
            raise InputError(
                f"data.num_{split} is {number}; at least one for each of {len(collection.classes)} classes "
                "is needed"
            )
    cut = _Cut(size=size, scales=tuple(scales), grey=grey, background=background, keeps_windows=online)
    drawn = _drawn(collection, cut, numbers, seed)
    inputs = {split: np.concatenate(drawn.inputs[split]) for split in numbers}
    labels = {split: np.concatenate(drawn.labels[split]) for split in numbers}
    standardised, moments = _standardiser(standardise, inputs["train"])
    return Task(
        name="patches" if folder is None else f"patches of {Path(folder).resolve().name}",
        geometry=Geometry(1 if grey else 3, (size, size)),
        num_classes=len(collection.classes),
        train_inputs=standardised(inputs["train"]),
        train_labels=labels["train"],
        test_inputs=standardised(inputs["test"]),
        test_labels=labels["test"],
        draw=_online_draw(drawn.train_windows, standardised) if online else None,
        card={
            "source": "pictures inside scikit-image" if folder is None else folder,
            "licence": collection.licence,
            "classes": list(collection.classes),
            "picture_digests": drawn.digests,
            "grey": grey,
            "background": background,
            "scales": list(scales),
            "split": f"left {TRAIN_SHARE:.0%} of each picture for training, the rest for testing",
            "flat_sd": FLAT_SD,
            "rejected_flat_patches": {split: sum(drawn.rejected[split].values()) for split in numbers},
            "rejected_by_picture": drawn.rejected,
            "standardise": standardise,
            **moments,
            "online": online,
        },
    )


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """How patches are cut from a picture."""

    size: int
    scales: tuple[float, ...]
    grey: bool
    background: Background | None
    keeps_windows: bool

    def windows(self, picture: Picture, pixels: np.ndarray, digest: str, split: Split) -> list[np.ndarray]:
        """Return the patches of one part of a picture at each scale, as views."""
        found = []
        for scale in self.scales:
            part = kept_region(pixels, digest, split, scale)
            height, width, _ = part.shape
            if min(height, width) < self.size:
                raise InputError(
                    f"data.size is {self.size}, but the {split} part of {picture.name} at scale {scale:g} is "
                    f"{height} × {width} pixels; choose a smaller size, larger scales or larger pictures"
                )
            found.append(windows_of(part, self.size))
        return found


class _Drawn:
    """Patches in pieces, their labels, and the flat ones rejected; class → windows of the training part."""

    def __init__(self, num_classes: int) -> None:
        self.inputs: dict[Split, list[np.ndarray]] = {"train": [], "test": []}
        self.labels: dict[Split, list[np.ndarray]] = {"train": [], "test": []}
        self.rejected: dict[Split, dict[str, int]] = {"train": {}, "test": {}}
        self.digests: dict[str, str] = {}
        self.train_windows: list[list[tuple[str, np.ndarray]]] = [[] for _ in range(num_classes)]


def _drawn(collection: Collection, cut: _Cut, numbers: Mapping[Split, int], seed: int) -> _Drawn:
    """Draw the patches of both splits, picture by picture, so that only one is in memory."""
    drawn = _Drawn(len(collection.classes))
    shares = {split: _shares(collection, len(cut.scales), number) for split, number in numbers.items()}
    for picture in collection.pictures:
        pixels = picture.pixels(grey=cut.grey, background=cut.background)
        digest = pixel_digest(pixels)
        drawn.digests[picture.name] = digest
        for split in numbers:
            drawn.rejected[split][picture.name] = 0
            windows = cut.windows(picture, pixels, digest, split)
            for index, scale in enumerate(cut.scales):
                where = f"{picture.name} at scale {scale:g}"
                stream = generator(seed, "patches", split, picture.name, str(scale))
                number = shares[split][picture.name, index]
                found, flat = draw_patches(windows[index], number, stream, where)
                drawn.inputs[split].append(found)
                drawn.labels[split].append(np.full(number, picture.label, dtype=np.int64))
                drawn.rejected[split][picture.name] += flat
                if split == "train" and cut.keeps_windows:
                    drawn.train_windows[picture.label].append((where, windows[index]))
    return drawn


def _shares(collection: Collection, num_scales: int, number: int) -> dict[tuple[str, int], int]:
    """Return (picture, scale) → number of patches: even over classes, and within a class over its cells."""
    num_classes = len(collection.classes)
    shares = {}
    for label in range(num_classes):
        cells = [
            (picture.name, index)
            for index in range(num_scales)
            for picture in collection.pictures
            if picture.label == label
        ]
        of_class = number // num_classes + (label < number % num_classes)
        for position, cell in enumerate(cells):
            shares[cell] = of_class // len(cells) + (position < of_class % len(cells))
    return shares


def _online_draw(windows: list[list[tuple[str, np.ndarray]]], standardised: _Standardiser) -> Draw:
    """Return the draw of fresh training patches: balanced classes in random order, a random cell for each."""

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        rng = generator(seed, "patches", "online", step)
        # Classes are permuted, or those that get one patch more than the others would always be the first.
        labels = rng.permutation(np.resize(rng.permutation(len(windows)), batch_size)).astype(np.int64)
        inputs: np.ndarray | None = None
        for label, cells in enumerate(windows):
            rows = np.flatnonzero(labels == label)
            cell_of = rng.integers(len(cells), size=len(rows))
            for index in np.unique(cell_of):
                where, part = cells[index]
                chosen = rows[cell_of == index]
                found, _ = draw_patches(part, len(chosen), rng, where)
                if inputs is None:
                    inputs = np.empty((batch_size, *found.shape[1:]), dtype=np.float32)
                inputs[chosen] = found
        assert inputs is not None
        return standardised(inputs), labels

    return draw


def _standardiser(kind: Standardise, train: np.ndarray) -> tuple[_Standardiser, dict[str, Any]]:
    """Return the function that standardises patches (n, channels, size, size), and facts for the card."""
    if kind == "patch":  # no patch is flat
        return _by_patch, {}
    axes = (0, 2, 3) if kind == "channel" else (0,)
    mean = train.mean(axis=axes, dtype=np.float64, keepdims=True).astype(np.float32)
    sd = train.std(axis=axes, dtype=np.float64, keepdims=True).astype(np.float32)
    if not (sd > 0).all():
        raise InputError(
            "data.num_train: a pixel has the same value in all training patches, which standardise = "
            f"{kind!r} cannot divide by; take more patches"
        )

    def by_moments(inputs: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (inputs - mean) / sd
        return scaled

    if kind == "pixel":
        return by_moments, {}
    return by_moments, {"channel_mean": mean.ravel().tolist(), "channel_sd": sd.ravel().tolist()}


def _by_patch(inputs: np.ndarray) -> np.ndarray:
    mean = inputs.mean(axis=(1, 2, 3), keepdims=True)
    scaled: np.ndarray = (inputs - mean) / inputs.std(axis=(1, 2, 3), keepdims=True)
    return scaled
