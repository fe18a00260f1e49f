"""Small tasks that train in a blink, for every test that needs one."""

from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight.data.sources import data_source
from sparsight.data.task import Task
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


@data_source("plane")
def plane(*, num_inputs: Annotated[int, Field(gt=0)] = 24, num_train: int = 300, seed: int) -> Task:
    """The same, for recipes."""
    return linear_task(num_inputs, num_train, seed=seed % 2**32)
