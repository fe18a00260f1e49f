"""Storage for the values of a clone: float32, or uint8 where that would be too large."""

import dataclasses
from typing import Any

import numpy as np

from sparsight.data._task import Draw, Task

MAX_FLOAT_BYTES = 2**31  # a clone of uint8 images that would be larger in float32 is uint8 as well
_STEPS_PER_SD = 25.0  # 256 values span ±5.1 standard deviations of a channel
_BLOCK_VALUES = 2**22


class CloneStorage:
    """The values of a clone of `task`, stored block by block, and the task they become.

    Values are stored as float32. If the original is uint8 and its clone would take more than
    `MAX_FLOAT_BYTES` in float32, values are rounded to 1/25 of the channel's standard deviation in the
    original and clipped at ±5.1 standard deviations; clipped values are counted.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._compact = is_compact(task)
        dtype = np.uint8 if self._compact else np.float32
        self._inputs = {
            "train": np.empty(task.train_inputs.shape, dtype=dtype),
            "test": np.empty(task.test_inputs.shape, dtype=dtype),
        }
        self._num_clipped = 0
        if self._compact:
            mean, sd = _channel_moments(task)
            # A value v is stored as v · scale + offset, so that the task reads it as (q − offset) / scale.
            self._scale = (_STEPS_PER_SD / sd).astype(np.float32)
            self._offset = (127.5 - mean * self._scale).astype(np.float32)

    def put(self, split: str, rows: np.ndarray | slice, values: np.ndarray) -> None:
        """Store standardised values, float32, (n, num_inputs) or (n, channels, *size), in these rows."""
        geometry = self._task.geometry
        values = values.reshape(-1, *geometry.shape)
        if self._compact:
            per_channel = (-1,) + (1,) * len(geometry.size)
            values = np.rint(values * self._scale.reshape(per_channel) + self._offset.reshape(per_channel))
            self._num_clipped += int(((values < 0) | (values > 255)).sum())
            values = values.clip(0, 255)
        self._inputs[split][rows] = values

    def task(self, kind: str, draw: Draw | None, card: dict[str, Any]) -> Task:
        """Return the clone: the original's labels and geometry with the stored values."""
        if self._compact:
            num_values = sum(inputs.size for inputs in self._inputs.values())
            card = card | {"clone_clipped_fraction": self._num_clipped / num_values}
        return dataclasses.replace(
            self._task,
            name=f"{self._task.name}-{kind}",
            train_inputs=self._inputs["train"],
            test_inputs=self._inputs["test"],
            channel_mean=self._offset if self._compact else None,
            channel_sd=self._scale if self._compact else None,
            draw=draw,
            card={**self._task.card, "clone": kind, **card},
        )


def is_compact(task: Task) -> bool:
    """Return whether clones of a task are stored as uint8."""
    num_values = (len(task.train_labels) + len(task.test_labels)) * task.geometry.num_inputs
    return task.train_inputs.dtype == np.uint8 and 4 * num_values > MAX_FLOAT_BYTES


def _channel_moments(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel of the standardised training inputs."""
    num_samples, channels = len(task.train_labels), task.geometry.channels
    block = max(1, _BLOCK_VALUES // task.geometry.num_inputs)
    total, squares = np.zeros(channels), np.zeros(channels)
    for start in range(0, num_samples, block):
        values = task.flat(task.train_inputs[start : start + block]).reshape(
            -1, channels, task.geometry.num_pixels
        )
        total += values.sum(axis=(0, 2), dtype=np.float64)
        squares += np.square(values).sum(axis=(0, 2), dtype=np.float64)
    mean = total / (num_samples * task.geometry.num_pixels)
    variance = squares / (num_samples * task.geometry.num_pixels) - mean**2
    return mean, np.sqrt(np.where(variance > 0, variance, 1.0))
