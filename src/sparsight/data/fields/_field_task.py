"""A task from one sampler of fields per class: labels, splits, and fresh samples for every step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from sparsight.data._task import Draw, Task
from sparsight.data.fields._covariance import Sampler
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

_BLOCK_VALUES = 2**20  # pixels drawn at a time: a few MB, which stay in the cache


def field_task(
    name: str,
    samplers: Sequence[Sampler],
    geometry: Geometry,
    *,
    num_train: int,
    num_test: int,
    online: bool,
    seed: int,
    card: Mapping[str, Any],
) -> Task:
    """Return the task of telling fields of several kinds apart.

    Classes are as equally frequent as the number of samples allows, in random order. The labels depend
    on the seed and the counts alone, so that a field and its twin (another `name`) have the same labels
    and share no other random number. Channels are independent fields.

    Parameters
    ----------
    name : str
        Of the task and of its random streams.
    samplers : sequence of callable, one for each class
        ``sampler(rng, n)`` draws n fields: float32, (n, *size).
    geometry : Geometry
    num_train, num_test : int
        At least one sample for each class.
    online : bool
        Give the task a `draw`: the batch of step t is a function of the seed of training and t. The
        training split then serves standardisation and measurements only.
    seed : int
    card : mapping
        Completed with the counts for each class.

    Raises
    ------
    InputError
        If there are fewer than two classes, or fewer samples than classes.
    """
    if len(samplers) < 2:
        raise InputError(
            f"{name} has one class; give at least two correlation lengths, or two values of "
            "another parameter that tells classes apart"
        )
    for split, count in (("num_train", num_train), ("num_test", num_test)):
        if count < len(samplers):
            raise InputError(
                f"{split} is {count}; at least one for each of {len(samplers)} classes is needed"
            )
    labels, inputs = {}, {}
    for split, count in (("train", num_train), ("test", num_test)):
        labels[split] = _balanced_labels(generator(seed, "field labels", split), count, len(samplers))
        inputs[split] = _fields(generator(seed, "fields", name, split), labels[split], samplers, geometry)
    return Task(
        name=name,
        geometry=geometry,
        num_classes=len(samplers),
        train_inputs=inputs["train"],
        train_labels=labels["train"],
        test_inputs=inputs["test"],
        test_labels=labels["test"],
        draw=_online_draw(name, samplers, geometry) if online else None,
        card={
            **card,
            "online": online,
            "train_samples_per_class": np.bincount(labels["train"]).tolist(),
            "test_samples_per_class": np.bincount(labels["test"]).tolist(),
        },
    )


def _online_draw(name: str, samplers: Sequence[Sampler], geometry: Geometry) -> Draw:
    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        labels = _balanced_labels(generator(seed, "field labels", "online", step), batch_size, len(samplers))
        rng = generator(seed, "fields", name, "online", step)
        return _fields(rng, labels, samplers, geometry), labels

    return draw


def _balanced_labels(rng: np.random.Generator, num_samples: int, num_classes: int) -> Int64[np.ndarray, "n"]:
    """Return labels in random order; classes that get one sample more than others are random, too."""
    classes = rng.permutation(num_classes)
    labels = classes[np.arange(num_samples) % num_classes].astype(np.int64)
    rng.shuffle(labels)
    return labels


def _fields(
    rng: np.random.Generator, labels: np.ndarray, samplers: Sequence[Sampler], geometry: Geometry
) -> Float32[np.ndarray, "n channels *size"]:
    inputs = np.empty((len(labels), *geometry.shape), dtype=np.float32)
    block = max(1, _BLOCK_VALUES // geometry.num_inputs)
    for label, sampler in enumerate(samplers):
        rows = np.flatnonzero(labels == label)
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            fields = sampler(rng, len(part) * geometry.channels)
            inputs[part] = fields.reshape(len(part), *geometry.shape)
    return inputs
