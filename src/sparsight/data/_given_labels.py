"""Labels as users have them, numbered from 0."""

from typing import Any

import numpy as np
import torch

from sparsight.arguments import described
from sparsight.errors import InputError

_MAX_CLASSES = 2**16
"""More are a mistake: values of a regression, or the numbers of the samples."""


def numbered_labels(
    train: Any, test: Any, num_samples: tuple[int, int]
) -> tuple[tuple[np.ndarray, np.ndarray], dict[str, int]]:
    """Return labels 0 … K − 1, int64, of both splits, and the map from the labels given, as text.

    Classes are numbered in the sorted order of the training labels.

    Raises
    ------
    InputError
        If labels are neither whole numbers, bool, strings nor one-hot rows, not one for each sample, of
        different kinds in the splits, or if a test label does not occur in training.
    """
    given = _one_axis(train, "labels", num_samples[0])
    test_given = _one_axis(test, "test_labels", num_samples[1])
    if (given.dtype.kind == "U") != (test_given.dtype.kind == "U"):
        raise InputError(
            f"labels are {given.dtype} and test_labels {test_given.dtype}; both must be numbers or "
            "both strings"
        )
    classes, labels = np.unique(given, return_inverse=True)
    if len(classes) > _MAX_CLASSES:
        raise InputError(
            f"labels hold {len(classes)} different values; classes are at most {_MAX_CLASSES}: give "
            "the number or name of a class for each sample"
        )
    positions = np.searchsorted(classes, test_given).clip(max=len(classes) - 1)
    unknown = np.unique(test_given[classes[positions] != test_given])
    if len(unknown):
        raise InputError(
            f"test_labels hold {', '.join(f'{label!s:.40}' for label in unknown[:5])}, which labels do not; "
            "every class needs training samples"
        )
    label_map = {str(label): number for number, label in enumerate(classes.tolist())}
    return (labels.astype(np.int64).ravel(), positions.astype(np.int64)), label_map


def _one_axis(labels: Any, argument: str, num_samples: int) -> np.ndarray:
    """Return labels as (n,), int64 or text."""
    values = labels.detach().cpu() if isinstance(labels, torch.Tensor) else labels
    if isinstance(values, torch.Tensor) and values.dtype == torch.bfloat16:
        values = values.float()
    try:
        array = np.asarray(values)
    except ValueError:  # sequences of different lengths
        raise InputError(
            f"{argument} are {described(labels)} that makes no array; give one for each sample"
        ) from None
    if array.dtype.kind == "O" and all(isinstance(each, str) for each in array.ravel()):
        array = array.astype(np.str_)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (1, 2) or len(array) != num_samples:
        raise InputError(
            f"{argument} have shape {array.shape}; one for each of the {num_samples} samples is needed: "
            "(n,), or one-hot rows (n, classes)"
        )
    if array.ndim == 2:
        array = _from_one_hot(array, argument)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "U":
        return array
    return _whole(array, argument)


def _from_one_hot(rows: np.ndarray, argument: str) -> np.ndarray:
    is_one_hot = rows.dtype.kind in "biuf" and bool(
        (np.isin(rows, (0, 1)).all(axis=1) & (np.count_nonzero(rows, axis=1) == 1)).all()
    )
    if not is_one_hot:
        raise InputError(
            f"{argument} have shape {rows.shape} and rows that are not one-hot (one 1 among zeros); shares "
            "of classes and several classes per sample are not supported: give one label for each sample"
        )
    columns: np.ndarray = rows.argmax(axis=1)
    return columns


def _whole(array: np.ndarray, argument: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{argument} are {array.dtype}; whole numbers, bool or strings (all of one kind) are allowed"
        )
    if array.dtype.kind == "f":
        is_whole = np.isfinite(array) & (array == np.round(array)) & (np.abs(array) < 2**53)
        if not is_whole.all():
            first = array[~is_whole][0]
            raise InputError(
                f"{argument} hold {first}; class labels are whole numbers or strings (values to predict by "
                "regression are not supported)"
            )
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{argument} hold {array.max()}; up to 2**63 − 1 is allowed: number the classes")
    return array.astype(np.int64)
