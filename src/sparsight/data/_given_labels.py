"""Labels as users have them, numbered from 0."""

from typing import Any

import numpy as np
import torch

from sparsight.arguments import described
from sparsight.errors import InputError

_MAX_CLASSES = 2**16
"""More are a mistake: values of a regression, or the numbers of the samples."""


def numbered_labels(
    train: Any,
    test: Any,
    num_samples: tuple[int, int],
    names: tuple[str, str] = ("labels", "test_labels"),
) -> tuple[tuple[np.ndarray, np.ndarray], dict[str, int]]:
    """Return labels 0 … K − 1, int64, of both splits, and the map from the labels given, as text.

    Classes are numbered in the sorted order of the training labels. Messages call the labels by `names`.

    Raises
    ------
    InputError
        If labels are neither whole numbers, bool, strings nor one-hot rows, not one for each sample, of
        different kinds in the splits, or if a test label does not occur in training.
    """
    given = _one_axis(train, names[0], num_samples[0])
    test_given = _one_axis(test, names[1], num_samples[1])
    if (given.dtype.kind == "U") != (test_given.dtype.kind == "U"):
        raise InputError(
            f"{names[0]} are {given.dtype} and {names[1]} {test_given.dtype}; both must be numbers or "
            "both strings"
        )
    classes, labels = np.unique(given, return_inverse=True)
    if len(classes) > _MAX_CLASSES:
        raise InputError(
            f"{names[0]} hold {len(classes)} different values; classes are at most {_MAX_CLASSES}: give "
            "the number or name of a class for each sample"
        )
    positions = np.searchsorted(classes, test_given).clip(max=len(classes) - 1)
    unknown = np.unique(test_given[classes[positions] != test_given])
    if len(unknown):
        raise InputError(
            f"{names[1]} hold {', '.join(f'{label!s:.40}' for label in unknown[:5])}, which the training "
            "labels do not; every class needs training samples: add some, or remove these test samples"
        )
    label_map = {str(label): number for number, label in enumerate(classes.tolist())}
    return (labels.astype(np.int64).ravel(), positions.astype(np.int64)), label_map


def only_used_classes(
    labels: tuple[np.ndarray, np.ndarray], num_classes: int, *, where: str, field: str | None
) -> tuple[tuple[np.ndarray, np.ndarray], dict[str, Any]]:
    """Return whole-number labels of both splits as 0 … num_classes − 1, and facts for the card.

    Labels that are these already stay, and there are no facts. Others are numbered in sorted order, and the
    card keeps the map. `where` are the files, and `field` the setting of `num_classes` if there is one: both
    are for messages.

    Raises
    ------
    InputError
        If the training labels have more or fewer different values than `num_classes`, or a test label does
        not occur in training.
    """
    used = np.unique(labels[0])
    if len(used) != num_classes:
        mend = f"set {field}={len(used)}" if field else "get them again"
        raise InputError(
            f"{where}: training labels have {len(used)} different values, {used.min()} to {used.max()}, and "
            f"{num_classes} classes are expected: {mend}"
        )
    numbered, label_map = numbered_labels(
        *labels,
        (len(labels[0]), len(labels[1])),
        names=(f"training labels of {where}", f"test labels of {where}"),
    )
    return numbered, facts_of_map(label_map)


def facts_of_map(label_map: dict[str, int]) -> dict[str, Any]:
    """Return facts for the card: the map of the labels, unless every label stays what it is."""
    if all(label == str(number) for label, number in label_map.items()):
        return {}
    return {"label_map": label_map}


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
