"""A small network that learns a task and then labels inputs, so that two tasks are equally learnable."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import nn

from sparsight.data._task import Task
from sparsight.errors import InputError
from sparsight.streams import derived_seed, generator

_WIDTH = 64
_NUM_STEPS = 3000
_BATCH_SIZE = 128
_LEARNING_RATE = 0.1
_BLOCK = 2**12  # samples labelled at a time


@dataclass(frozen=True, eq=False)
class Teacher:
    """A network with one hidden layer of 64 rectified units, trained on a task's own training split.

    Training: PyTorch's default initialisation, cross-entropy, plain SGD with batches of 128 for 3000 steps at
    rate 0.1, which falls to 0 as a cosine. It is a function of the task and the seed alone (bit for bit with
    the same number of threads). Attribute `card`: its width, steps and accuracy on the test split.
    """

    network: nn.Module
    card: dict[str, Any]

    @classmethod
    def of(cls, task: Task, seed: int) -> "Teacher":
        """Train the teacher of a task."""
        first = nn.Linear(task.geometry.num_inputs, _WIDTH)
        network = nn.Sequential(first, nn.ReLU(), nn.Linear(_WIDTH, task.num_classes))
        _initialise_(network, seed)
        optimizer = torch.optim.SGD(network.parameters(), lr=_LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _NUM_STEPS)
        batch_size = min(_BATCH_SIZE, len(task.train_labels))
        batch_seed = derived_seed(seed, "teacher", "batches")
        for step in range(_NUM_STEPS):
            inputs, labels = task.batch(batch_seed, step, batch_size)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        teacher = cls(network.requires_grad_(False), {})
        right = teacher.labels(task, "test") == task.test_labels
        teacher.card.update(width=_WIDTH, steps=_NUM_STEPS, test_accuracy=float(right.mean()))
        return teacher

    def labels_of(self, inputs: Float32[np.ndarray, "n num_inputs"]) -> Int64[np.ndarray, " n"]:
        """Return the class with the largest output for each input."""
        with torch.no_grad():
            found: np.ndarray = self.network(torch.from_numpy(inputs)).argmax(dim=1).numpy()
        return found

    def labels(self, task: Task, split: Literal["train", "test"]) -> Int64[np.ndarray, " n"]:
        """Return the teacher's labels of a split; only one class in the training split: `InputError`."""
        inputs = task.train_inputs if split == "train" else task.test_inputs
        parts = [
            self.labels_of(task.flat(inputs[start : start + _BLOCK]))
            for start in range(0, len(inputs), _BLOCK)
        ]
        labels = np.concatenate(parts)
        if split == "train" and len(np.unique(labels)) < 2:
            raise InputError(
                f"task {task.name!r}: the teacher puts every training input in class {labels[0]}; use data "
                "that a small network can learn, or own labels"
            )
        return labels


def with_teacher_labels(task: Task, seed: int) -> Task:
    """Return the task with the labels of its `Teacher` in both splits: learnable by construction.

    It is the counterpart of the clone "gaussian_global", which has other inputs and the same teacher.
    """
    teacher = Teacher.of(task, seed)
    original = task.draw

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        assert original is not None
        inputs, _ = original(seed, step, batch_size)
        return inputs, teacher.labels_of(task.flat(inputs))

    return replace(
        task,
        name=f"{task.name}, teacher labels",
        train_labels=teacher.labels(task, "train"),
        test_labels=teacher.labels(task, "test"),
        draw=None if original is None else draw,
        card={**task.card, "labels": "teacher", "teacher": teacher.card},
    )


def _initialise_(network: nn.Sequential, seed: int) -> None:
    """Set weights and biases to PyTorch's default, uniform in ±1/√fan_in, from a named stream."""
    rng = generator(seed, "teacher", "weights")
    with torch.no_grad():
        for layer in network:
            if isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5
                for parameter in (layer.weight, layer.bias):
                    values = rng.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32)
                    parameter.copy_(torch.from_numpy(values))
