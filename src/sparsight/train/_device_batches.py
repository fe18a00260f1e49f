"""Batches of a task on a GPU, without a wait for the processor.

`batch_on` returns the numbers of `Task.batch`, bit for bit, on a device. Where the training inputs fit there,
they are copied once, and every batch is gathered and standardised on the device. Where they do not fit, or
every step draws fresh samples, threads make the next batches while the device computes, and copy them from
pinned memory. On a CPU it is `Task.batch` itself.
"""

import os
import weakref
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sparsight.data import Task

_LARGEST_SHARE = 0.5
"""Share of the free memory of a device that the inputs of one task may take there."""
_ORDERS = 64
"""Epochs, of any seed, whose order is kept on the device: replicates trained together have one each."""
_STEPS_AHEAD = 8

Split = Literal["train", "test"]

_on_devices: weakref.WeakKeyDictionary[Task, dict[torch.device, "DeviceTask"]] = weakref.WeakKeyDictionary()


def batch_on(
    device: torch.device, task: Task, seed: int, step: int, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return ``task.batch(seed, step, batch_size)`` on a device: (batch_size, num_inputs), (batch_size,)."""
    if device.type == "cpu":
        return task.batch(seed, step, batch_size)
    return device_task(task, device).batch(seed, step, batch_size)


def samples_on(
    device: torch.device, task: Task, split: Split, start: int, stop: int
) -> tuple[Tensor, Tensor]:
    """Return ``task.samples(split, start, stop)`` on a device: (n, num_inputs), (n,)."""
    if device.type == "cpu":
        return task.samples(split, start, stop)
    return device_task(task, device).samples(split, start, stop)


def device_task(task: Task, device: torch.device) -> "DeviceTask":
    """Return the one copy of a task on a device; it lives as long as the task."""
    copies = _on_devices.setdefault(task, {})
    if device not in copies:
        copies[device] = DeviceTask(task, device, _free_bytes(device))
    return copies[device]


class DeviceTask:
    """A task's batches and samples on a device.

    Parameters
    ----------
    num_free_bytes : int
        Free memory of the device. A split is copied there if it takes at most half of what is left.
    """

    def __init__(self, task: Task, device: torch.device, num_free_bytes: int) -> None:
        # A reference back to the task would keep it alive for ever: it is the key under which this is found.
        self._task, self.device = weakref.ref(task), device
        self._mean, self._sd = _per_pixel(task, device)
        self._splits: dict[Split, tuple[Tensor, Tensor]] = {}
        for split, inputs, labels in (
            ("test", task.test_inputs, task.test_labels),
            ("train", task.train_inputs, task.train_labels),
        ):
            is_read = split == "test" or task.draw is None
            if is_read and inputs.nbytes <= _LARGEST_SHARE * num_free_bytes:
                self._splits[split] = _copied(inputs, device), _copied(labels, device)  # type: ignore[index]
                num_free_bytes -= inputs.nbytes
        self._orders: OrderedDict[tuple[int, int, int], Tensor] = OrderedDict()
        self._ahead: dict[tuple[int, int], _BatchesAhead] = {}

    @property
    def resident(self) -> frozenset[Split]:
        """The splits whose inputs are on the device."""
        return frozenset(self._splits)

    def batch(self, seed: int, step: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step: float32 (batch_size, num_inputs), int64 (batch_size,)."""
        if "train" not in self._splits:
            key = (seed, batch_size)
            if key not in self._ahead:
                self._ahead[key] = _BatchesAhead(self._task, seed, batch_size, self.device)
            return self._ahead[key].of_step(step)
        inputs, labels = self._splits["train"]
        num_batches = len(labels) // batch_size
        epoch, position = divmod(step, max(num_batches, 1))
        rows = self._order(seed, epoch, batch_size, num_batches)[position]
        return self._standardised(inputs.index_select(0, rows)), labels.index_select(0, rows)

    def samples(self, split: Split, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return samples ``start … stop − 1`` of a split: float32 (n, num_inputs), int64 (n,)."""
        if split not in self._splits:
            inputs, labels = _task_of(self._task).samples(split, start, stop)
            return inputs.to(self.device), labels.to(self.device)
        inputs, labels = self._splits[split]
        # Copies: the caller may change what it gets, and not what is kept here.
        return self._standardised(inputs[start:stop].clone()), labels[start:stop].clone()

    def _order(self, seed: int, epoch: int, batch_size: int, num_batches: int) -> Tensor:
        """Return the rows of every batch of an epoch, (num_batches, batch_size), copied once an epoch."""
        key = (seed, epoch, batch_size)
        if key not in self._orders:
            task, first = _task_of(self._task), epoch * num_batches
            # Asked for even if there is none: the task's own message says what is wrong with the batch size.
            batches = [task.batch_rows(seed, first + k, batch_size) for k in range(max(num_batches, 1))]
            self._orders[key] = _copied(np.stack(batches), self.device)
            if len(self._orders) > _ORDERS:
                self._orders.popitem(last=False)
        self._orders.move_to_end(key)
        return self._orders[key]

    def _standardised(self, inputs: Tensor) -> Tensor:
        """Return raw inputs as `Task.flat` does: the same two operations in float32, in the same order."""
        flat = inputs.reshape(len(inputs), -1)
        if self._mean is None or self._sd is None:
            return flat
        return flat.float().sub_(self._mean).div_(self._sd)


class _BatchesAhead:
    """Batches made by threads while the device computes; asking for a step begins the ones after it."""

    def __init__(self, task: "weakref.ref[Task]", seed: int, batch_size: int, device: torch.device) -> None:
        self._task, self._seed, self._batch_size = task, seed, batch_size
        self._device = device
        self._begun: dict[int, Future[tuple[Tensor, Tensor]]] = {}
        self._threads = ThreadPoolExecutor(max(1, min(4, (os.cpu_count() or 1) - 1)))

    def of_step(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step on the device."""
        self._begun = {each: future for each, future in self._begun.items() if each >= step}
        for each in range(step, step + _STEPS_AHEAD):
            if each not in self._begun:
                self._begun[each] = self._threads.submit(self._pinned, each)
        inputs, labels = self._begun.pop(step).result()
        return inputs.to(self._device, non_blocking=True), labels.to(self._device, non_blocking=True)

    def _pinned(self, step: int) -> tuple[Tensor, Tensor]:
        inputs, labels = _task_of(self._task).batch(self._seed, step, self._batch_size)
        if self._device.type != "cuda":
            return inputs, labels
        return inputs.pin_memory(), labels.pin_memory()


def _per_pixel(task: Task, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    if task.channel_mean is None or task.channel_sd is None:
        return None, None
    num_pixels = task.geometry.num_inputs // task.geometry.channels
    mean, sd = (
        _copied(np.repeat(values.astype(np.float32), num_pixels), device)
        for values in (task.channel_mean, task.channel_sd)
    )
    return mean, sd


def _copied(values: np.ndarray, device: torch.device) -> Tensor:
    # `np.array` because torch warns of arrays that are read-only, as memory-mapped files are.
    return torch.from_numpy(np.array(values)).to(device)


def _task_of(reference: "weakref.ref[Task]") -> Task:
    task = reference()
    assert task is not None, "whoever asks for a batch holds the task"
    return task


def _free_bytes(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
