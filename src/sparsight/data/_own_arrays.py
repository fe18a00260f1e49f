"""Tasks whose arrays nobody else can change: copies, and views that refuse to be written to."""

import copy
from collections.abc import Callable

import numpy as np

from sparsight.data._task import Task

_ARRAYS = ("train_inputs", "train_labels", "test_inputs", "test_labels", "channel_mean", "channel_sd")


def with_own_arrays(task: Task) -> Task:
    """Return the task with copies of its arrays, apart from memory maps that are read-only already.

    A source that keeps an array and changes it at its next call would change the task otherwise.
    """
    return _with_arrays(task, lambda array: array if isinstance(array, np.memmap) else array.copy())


def read_only(task: Task) -> Task:
    """Return the task with views of its arrays that raise a ValueError if they are written to."""
    return _with_arrays(task, _read_only_view)


def _with_arrays(task: Task, change: Callable[[np.ndarray], np.ndarray]) -> Task:
    # Not dataclasses.replace: it would check every value of large arrays again.
    changed = copy.copy(task)
    for name in _ARRAYS:
        array = getattr(task, name)
        if array is not None:
            object.__setattr__(changed, name, change(array))
    object.__setattr__(changed, "card", copy.deepcopy(dict(task.card)))
    return changed


def _read_only_view(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
