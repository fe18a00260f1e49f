"""Batch files of CIFAR and downsampled ImageNet: one array of images and one of labels."""

from pathlib import Path
from typing import Any

import numpy as np

from sparsight.errors import InputError

_MAX_LABEL = 2**31


def batch_arrays(
    batch: object, path: Path, num_pixels: int, labels_name: str = "labels"
) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, num_pixels) of uint8 and labels (n,) of int64 of a batch; `path` is for messages.

    The batch is a dictionary with an array ``data`` and an array or list of labels. Its keys are strings or,
    from python 2, bytes.
    """
    if not isinstance(batch, dict):
        raise InputError(f"{path} is not a dictionary with data and {labels_name}; is it another file?")
    images, labels = (entry(batch, name) for name in ("data", labels_name))
    if images is None or labels is None:
        found = ", ".join(sorted(map(ascii, batch)))
        raise InputError(f"{path} has no data and {labels_name}, but {found:.100}; is it another file?")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape[1:] != (num_pixels,):
        raise InputError(f"{path}: data are {_description(images)}; uint8 (n, {num_pixels}) is needed")
    # Only a flat list becomes an array: there is no bound on the size to which a nested one would unpack.
    if isinstance(labels, list) and all(map(_is_label, labels)):
        labels = np.array(labels, dtype=np.int64)
    is_whole = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu"
    if not is_whole or labels.shape != images.shape[:1] or not len(images):
        raise InputError(
            f"{path}: labels are {_description(labels)}; one whole number for each of the "
            f"{len(images)} images (at least one) is needed"
        )
    return images, labels.astype(np.int64)


def entry(batch: dict[Any, Any], name: str) -> Any:
    """Return an entry of a batch, whose key is a string or, from python 2, bytes; None if there is none."""
    return batch.get(name, batch.get(name.encode()))


def check_labels(labels: np.ndarray, path: Path, lowest: int, highest: int) -> None:
    """Raise an `InputError` that names the file if a label is out of range."""
    if labels.min() < lowest or labels.max() > highest:
        raise InputError(
            f"{path} holds labels {labels.min()} to {labels.max()}; {lowest} to {highest} is allowed: "
            "get it again"
        )


def _is_label(label: object) -> bool:
    is_whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
    return is_whole and abs(int(label)) < _MAX_LABEL  # type: ignore[call-overload]


def _description(found: object) -> str:
    return f"{found.dtype}{found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
