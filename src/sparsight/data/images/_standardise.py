"""From raw image arrays to a task: subsets, and one scale for each channel."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sparsight.arguments import described
from sparsight.data._task import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

LARGEST_PIXEL = 1e18
"""The largest pixel value whose square is a float32."""

_SAMPLES_PER_BLOCK = 4096


class Subset(NamedTuple):
    """How many samples of each split to use (None: all): a random subset in the original order."""

    num_train: int | None = None
    num_test: int | None = None
    seed: int = 0


_EVERYTHING = Subset()


def exact_floats(inputs: np.ndarray) -> np.ndarray:
    """Return inputs as float32 if that holds every value of their dtype exactly, else as float64.

    Values far from 0 would lose their digits in float32 before `image_task` brings them near 0.
    """
    return inputs.astype(np.float32 if np.can_cast(inputs.dtype, np.float32) else np.float64, copy=False)


def channel_statistics(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, float64 (channels,), of inputs (n, channels, *size).

    Inputs may be memory-mapped: they are read block by block, twice. A constant channel raises `InputError`.
    """
    is_array = isinstance(inputs, np.ndarray) and inputs.dtype.kind in "biuf" and 3 <= inputs.ndim <= 4
    if not is_array or not inputs.size:
        raise InputError(
            f"inputs are {described(inputs)}; real numbers with axes (n, channels, *size) are needed, "
            "at least one sample"
        )
    blocks = range(0, len(inputs), _SAMPLES_PER_BLOCK)
    axes = (0, *range(2, inputs.ndim))
    count = inputs.size // inputs.shape[1]
    mean = np.zeros(inputs.shape[1])
    for start in blocks:
        if not (np.abs(inputs[start : start + _SAMPLES_PER_BLOCK]) <= LARGEST_PIXEL).all():
            raise InputError(
                f"inputs hold NaN, infinite values or values beyond ±{LARGEST_PIXEL:g}; rescale them"
            )
        mean += inputs[start : start + _SAMPLES_PER_BLOCK].sum(axis=axes, dtype=np.float64) / count
    # A second pass, around the mean: E x² − (E x)² would lose the digits of a small variance far from 0.
    variance = np.zeros_like(mean)
    for start in blocks:
        centred = np.moveaxis(inputs[start : start + _SAMPLES_PER_BLOCK], 1, -1) - mean
        variance += (centred.reshape(-1, len(mean)) ** 2).sum(axis=0) / count
    sd = np.sqrt(variance)
    # float32 loses digits below its smallest normal number; and around a large mean, what is left of a
    # constant in float64 is rounding.
    rounding = 16 * np.finfo(np.float64).eps * np.abs(mean)
    is_constant = ~(sd.astype(np.float32) >= np.finfo(np.float32).tiny) | (sd <= rounding)
    if is_constant.any():
        constant = int(np.flatnonzero(is_constant)[0])
        raise InputError(f"channel {constant} of the training inputs is constant; data need to vary")
    return mean, sd


def image_task(
    name: str,
    geometry: Geometry,
    num_classes: int,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    card: Mapping[str, Any],
    subset: Subset = _EVERYTHING,
) -> Task:
    """Make a task of raw (inputs, labels), standardised per channel with training statistics.

    uint8 inputs remain uint8 and are standardised batch by batch. Others are standardised here, float32 in
    float32 and float64 in float64, and become float32.
    """
    for split, (inputs, labels) in (("train", train), ("test", test)):
        for what, value in (("inputs", inputs), ("labels", labels)):
            if not isinstance(value, np.ndarray) or not value.ndim:
                raise InputError(f"{split}_{what} are {described(value)}; an array is needed")
        if inputs.shape[1:] != geometry.shape:
            raise InputError(
                f"{split}_inputs have shape {inputs.shape}; (n, {', '.join(map(str, geometry.shape))}) "
                "is needed"
            )
    train_inputs, train_labels = _samples(train, subset.num_train, "num_train", subset.seed)
    test_inputs, test_labels = _samples(test, subset.num_test, "num_test", subset.seed)
    mean, sd = channel_statistics(train_inputs)
    if np.float64 not in (train_inputs.dtype, test_inputs.dtype):
        mean, sd = mean.astype(np.float32), sd.astype(np.float32)
    facts = dict(card) | {"channel_mean": mean.tolist(), "channel_sd": sd.tolist()}
    is_raw = train_inputs.dtype == np.uint8
    if not is_raw:
        train_inputs, test_inputs = (_standardised(each, mean, sd) for each in (train_inputs, test_inputs))
    return Task(
        name=name,
        geometry=geometry,
        num_classes=num_classes,
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
        channel_mean=mean if is_raw else None,
        channel_sd=sd if is_raw else None,
        card=facts,
    )


def _standardised(inputs: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    per_channel = (-1,) + (1,) * (inputs.ndim - 2)
    mean, sd = mean.reshape(per_channel), sd.reshape(per_channel)
    standardised = np.empty(inputs.shape, dtype=np.float32)
    for start in range(0, len(inputs), _SAMPLES_PER_BLOCK):  # float64 of all samples at once could be large
        rows = slice(start, start + _SAMPLES_PER_BLOCK)
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, which `Task` refuses
            standardised[rows] = (inputs[rows] - mean) / sd
    return standardised


def _samples(
    samples: tuple[np.ndarray, np.ndarray], number: int | None, argument: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = samples
    if number is None or number == len(labels):
        return inputs, labels
    if number > len(labels):
        raise InputError(f"data.{argument} is {number}, but there are {len(labels)} samples; ask for fewer")
    rows = np.sort(generator(seed, "subset", argument).permutation(len(labels))[:number])
    return inputs[rows], labels[rows]
