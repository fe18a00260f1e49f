"""A task of two classes whose samples are drawn with their labels, at once or at every step."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sparsight.data._task import Task
from sparsight.geometry import Geometry
from sparsight.streams import generator

Samples = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""``samples(rng, n)`` returns inputs, float32 (n, channels, *size), and labels, int64 (n,)."""


def drawn_task(
    name: str,
    geometry: Geometry,
    samples: Samples,
    *,
    num_train: int,
    num_test: int,
    online: bool,
    seed: int,
    card: Mapping[str, Any],
) -> Task:
    """Return the task of telling two classes apart; the streams of its splits are named after it.

    With `online`, every step of training draws fresh samples. `card` is completed with `online` and the
    counts of both classes.
    """

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        return samples(generator(seed, name, "online", step), batch_size)

    train_inputs, train_labels = samples(generator(seed, name, "train"), num_train)
    test_inputs, test_labels = samples(generator(seed, name, "test"), num_test)
    return Task(
        name=name,
        geometry=geometry,
        num_classes=2,
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
        draw=draw if online else None,
        card={
            **card,
            "online": online,
            "train_samples_per_class": np.bincount(train_labels, minlength=2).tolist(),
            "test_samples_per_class": np.bincount(test_labels, minlength=2).tolist(),
        },
    )
