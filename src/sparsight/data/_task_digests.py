"""Digests of a task: whether the data that reach training and measuring are still the same."""

import hashlib
from collections.abc import Iterable

import numpy as np

from sparsight.data._task import Task

_BLOCK_BYTES = 2**24
_DRAWS = ((0, 0), (0, 1), (1, 0))  # (seed, step)
_DRAWN_SAMPLES = 16


def task_digests(task: Task) -> dict[str, str]:
    """Return the SHA-256 of every part of a task, in hexadecimal.

    Parameters
    ----------
    task : Task
        Memory-mapped inputs are read once, block by block.

    Returns
    -------
    dict of str to str
        ``train_inputs``, ``train_labels``, ``test_inputs``, ``test_labels``: dtype, shape and values as they
        are held in memory. ``standardisation``: `channel_mean` and `channel_sd`. ``shape``: geometry and
        number of classes. ``draws``, of a task with `draw`: 16 samples of three batches.
    """
    parts = {
        name: _digest_of([getattr(task, name)])
        for name in ("train_inputs", "train_labels", "test_inputs", "test_labels")
    }
    standardisation = [each for each in (task.channel_mean, task.channel_sd) if each is not None]
    parts["standardisation"] = _digest_of(standardisation)
    parts["shape"] = hashlib.sha256(f"{task.geometry} {task.num_classes}".encode()).hexdigest()
    if task.draw is not None:
        drawn = [array for at in _DRAWS for array in task.draw(*at, _DRAWN_SAMPLES)]
        parts["draws"] = _digest_of(drawn)
    return parts


def _digest_of(arrays: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        rows = max(_BLOCK_BYTES // max(array[:1].nbytes, 1), 1)
        for start in range(0, len(array), rows):  # a set may be larger than the memory
            digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()
