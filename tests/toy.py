"""Small tasks that train in a blink, for every test that needs one."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import nn

from sparsight.data import Task, data_source
from sparsight.geometry import Geometry
from sparsight.network import FullyConnected, NetworkSettings, initialise_


def linear_task(num_inputs: int = 24, num_train: int = 300, num_test: int = 100, seed: int = 0) -> Task:
    """Two classes on either side of a random plane."""
    stream = np.random.default_rng(seed)
    inputs = stream.normal(size=(num_train + num_test, 1, num_inputs)).astype(np.float32)
    labels = (inputs[:, 0] @ stream.normal(size=num_inputs) > 0).astype(np.int64)
    return Task(
        name="plane",
        geometry=Geometry(1, (num_inputs,)),
        num_classes=2,
        train_inputs=inputs[:num_train],
        train_labels=labels[:num_train],
        test_inputs=inputs[num_train:],
        test_labels=labels[num_train:],
    )


def small_network(task: Task, seed: int = 0, **settings: object) -> FullyConnected:
    """A network for `task`, initialised."""
    network = FullyConnected(
        task.geometry.num_inputs, task.num_classes, NetworkSettings(**{"widths": (12,), **settings})
    )
    initialise_(network, "torch", seed)
    return network


class SmallTransformer(nn.Module):
    """One block over 4 tokens of 6 inputs."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, inputs):
        return self.out(self.block(self.embed(inputs.view(-1, 4, 6))).mean(1))


def small_convolution():
    return nn.Sequential(
        nn.Unflatten(1, (1, 24)), nn.Conv1d(1, 3, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10),
        nn.ReLU(), nn.Linear(10, 2),
    )  # fmt: skip


NETWORKS = {"convolution": (small_convolution, ["4"]), "transformer": (SmallTransformer, ["block.linear1"])}


@data_source("plane")
def plane(*, num_inputs: Annotated[int, Field(gt=0)] = 24, num_train: int = 300, seed: int) -> Task:
    """The same, for recipes."""
    return linear_task(num_inputs, num_train, seed=seed % 2**32)


@dataclass(frozen=True, eq=False)
class _InPrecision(Task):
    dtype: torch.dtype = torch.float64

    def batch(self, *arguments):
        inputs, labels = super().batch(*arguments)
        return inputs.to(self.dtype), labels

    def samples(self, *arguments):
        inputs, labels = super().samples(*arguments)
        return inputs.to(self.dtype), labels


def in_precision(task: Task, dtype: torch.dtype) -> Task:
    """The same batches in another dtype, drawn for each step: no step reads the float32 inputs themselves."""

    def draw(seed, step, batch_size):
        rows = task.batch_rows(seed, step, batch_size)
        return task.train_inputs[rows], task.train_labels[rows]

    return _InPrecision(**vars(task) | {"draw": draw, "dtype": dtype})
