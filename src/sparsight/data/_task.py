"""Classification tasks: inputs with labels and a geometry, and the batch of every training step."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sparsight.arguments import described
from sparsight.data._representative_samples import has_mixed_start, representative_rows
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

Draw = Callable[[int, int, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """A classification task on inputs with a geometry.

    Attributes
    ----------
    name : str
        For tables and file names.
    geometry : Geometry
        Channels and size of an input, and whether opposite borders touch.
    num_classes : int
        Labels are 0 … num_classes − 1. At least 2.
    train_inputs, test_inputs : numpy.ndarray of float32 or uint8, (n, channels, *size)
        float32 is used unchanged. uint8 (memory-mapped if large) is standardised batch by batch with
        `channel_mean` and `channel_sd`.
    train_labels, test_labels : numpy.ndarray of int64, (n,)
        The class of each input.
    channel_mean, channel_sd : numpy.ndarray of float32, (channels,), or None
        In units of the raw values; required with uint8 inputs, and only then.
    draw : callable or None
        ``draw(seed, step, batch_size) -> (inputs, labels)``: fresh samples for every step instead of the
        training set (online learning). A pure function of its arguments.
    card : mapping
        Facts for readers of the report: source, licence, counts, rejected samples. Values are plain
        numbers, strings, lists and dictionaries.

    Raises
    ------
    InputError
        If a shape, dtype, label or pixel value is not allowed; the message names the attribute.
    """

    name: str
    geometry: Geometry
    num_classes: int
    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    channel_mean: np.ndarray | None = None
    channel_sd: np.ndarray | None = None
    draw: Draw | None = None
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_classes < 2:
            raise InputError(f"task {self.name!r}: num_classes is {self.num_classes}; at least 2 are needed")
        for split in ("train", "test"):
            self._check_split(split, getattr(self, f"{split}_inputs"), getattr(self, f"{split}_labels"))
        if len(np.unique(self.train_labels)) < 2:
            raise InputError(
                f"task {self.name!r}: train_labels hold only one class; training needs at least two"
            )

    @classmethod
    def from_arrays(
        cls,
        inputs: Any,
        labels: Any,
        test_inputs: Any,
        test_labels: Any,
        *,
        geometry: Geometry | None = None,
        channels: int | None = None,
        wraps: bool = False,
        channels_last: bool = False,
        standardise: str = "channel",
        name: str = "arrays",
    ) -> "Task":
        """Make a task of numpy arrays or tensors.

        Parameters
        ----------
        inputs, test_inputs : array or Tensor of real numbers
            Pictures (n, channels, height, width), or (n, height, width, channels) with `channels_last`; grey
            pictures (n, height, width) with ``channels=1``; lines (n, channels, length), or (n, length) with
            ``channels=1``; flat rows (n, num_inputs) with `geometry`. uint8 stays uint8 if it is
            standardised; everything else becomes float32.
        labels, test_labels : array, Tensor or sequence, (n,)
            Whole numbers from anywhere, floats that are whole, bool or strings; or one-hot rows (n, classes).
            Classes are numbered 0, 1, … in sorted order; the card keeps the map.
        geometry : Geometry, optional
            Where each input is. It takes the place of `channels` and `wraps`.
        channels : int, optional
            Number of channels, which tells readings of a shape apart.
        wraps : bool
            Whether opposite borders touch.
        channels_last : bool
            Whether the last axis holds the channels, instead of the second.
        standardise : {"channel", "none"}
            Mean 0 and sd 1 for each channel over the training inputs, or values as they are.

        Raises
        ------
        InputError
            If a shape can be read in two ways, inputs and labels do not fit together, or values or labels are
            not of an allowed kind.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> pictures, kinds = rng.normal(size=(90, 28, 28)), rng.choice(["cat", "dog"], 90)
        >>> task = Task.from_arrays(pictures[:60], kinds[:60], pictures[60:], kinds[60:], channels=1)
        >>> task.geometry.shape, task.card["label_map"]
        ((1, 28, 28), {'cat': 0, 'dog': 1})
        """
        from sparsight.data._arrays import (
            Reading,
            task_from_arrays,
        )  # it makes tasks, so it imports this file

        reading = Reading(geometry=geometry, channels=channels, wraps=wraps, channels_last=channels_last)
        return task_from_arrays((inputs, labels), (test_inputs, test_labels), reading, standardise, name)

    @classmethod
    def from_dataset(
        cls,
        train: Any,
        test: Any,
        *,
        geometry: Geometry | None = None,
        channels: int | None = None,
        wraps: bool = False,
        channels_last: bool = False,
        standardise: str = "channel",
        name: str = "dataset",
    ) -> "Task":
        """Make a task of PyTorch datasets, or DataLoaders of such; each is read once.

        Transforms that draw at random, such as augmentation, therefore give one draw per sample. A shuffling
        DataLoader is read in the order of its dataset, and in full, so that the task is the same every time.

        Parameters
        ----------
        train, test : torch.utils.data.Dataset or torch.utils.data.DataLoader
            Their items are pairs (input, label), or batches of them. An input is a tensor, an array or a
            Pillow image; all have one shape.
        **options
            As for `from_arrays`.

        Raises
        ------
        InputError
            As `from_arrays`; and if an item is not a pair, or inputs differ in shape.
        """
        from sparsight.data._arrays import (
            Reading,
            task_from_arrays,
        )  # they make tasks, so they import this file
        from sparsight.data._datasets import stacked

        reading = Reading(geometry=geometry, channels=channels, wraps=wraps, channels_last=channels_last)
        return task_from_arrays(stacked(train, "train"), stacked(test, "test"), reading, standardise, name)

    def _check_split(self, split: str, inputs: np.ndarray, labels: np.ndarray) -> None:
        where = f"task {self.name!r}: {split}"
        for name, value in (("inputs", inputs), ("labels", labels)):
            if not isinstance(value, np.ndarray):
                raise InputError(f"{where}_{name} are {described(value)}; a numpy array is needed")
        if inputs.dtype not in (np.float32, np.uint8):
            raise InputError(f"{where}_inputs have dtype {inputs.dtype}; float32 or uint8 is allowed")
        if (inputs.dtype == np.uint8) != (self.channel_mean is not None and self.channel_sd is not None):
            raise InputError(
                f"{where}_inputs are {inputs.dtype}; channel_mean and channel_sd go with uint8 inputs, "
                "and only with these"
            )
        if inputs.shape[1:] != self.geometry.shape:
            raise InputError(
                f"{where}_inputs have shape {inputs.shape}; the geometry requires "
                f"(n, {', '.join(map(str, self.geometry.shape))})"
            )
        if labels.shape != inputs.shape[:1] or labels.dtype != np.int64 or not len(labels):
            raise InputError(
                f"{where}_labels are {labels.dtype}{labels.shape}; int64 labels, one for each of the "
                f"{len(inputs)} inputs (at least one), are needed"
            )
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise InputError(
                f"{where}_labels run from {labels.min()} to {labels.max()}; "
                f"0 to {self.num_classes - 1} is allowed"
            )
        if inputs.dtype == np.float32 and not np.isfinite(inputs).all():
            first = int(np.argmin(np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)))
            raise InputError(
                f"{where}_inputs hold NaN or infinite pixels (first in sample {first}); remove such samples"
            )

    def flat(self, inputs: np.ndarray) -> np.ndarray:
        """Return raw inputs standardised and flattened: float32, (n, num_inputs)."""
        if inputs.dtype == np.uint8:
            assert self.channel_mean is not None
            assert self.channel_sd is not None
            per_channel = (-1,) + (1,) * len(self.geometry.size)
            mean = self.channel_mean.reshape(per_channel).astype(np.float32)
            sd = self.channel_sd.reshape(per_channel).astype(np.float32)
            inputs = inputs.astype(np.float32)
            inputs -= mean  # in place: new memory at every step costs more than the arithmetic
            inputs /= sd
        return np.ascontiguousarray(inputs, dtype=np.float32).reshape(len(inputs), -1)

    def samples(
        self, split: Literal["train", "test"], start: int = 0, stop: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return copies of samples ``start … stop − 1``: float32 (n, num_inputs) and int64 (n,)."""
        inputs = self.train_inputs if split == "train" else self.test_inputs
        labels = self.train_labels if split == "train" else self.test_labels
        chosen = inputs[start:stop]
        flat = self.flat(chosen)
        if np.may_share_memory(flat, chosen):  # the caller may change what it gets, and not the task
            flat = flat.copy()
        return torch.from_numpy(flat), torch.from_numpy(labels[start:stop].copy())

    def representative(
        self, split: Literal["train", "test"], number: int, seed: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Return at most `number` samples in which classes have the shares that they have in the split.

        Where classes are mixed, these are the first ones. Where they are not, as in data sorted by class, it
        is a draw within each class, seeded by `seed`.

        Returns
        -------
        inputs : Tensor of float32, (n, num_inputs)
        labels : Tensor of int64, (n,)
        """
        labels = self.train_labels if split == "train" else self.test_labels
        rows = representative_rows(labels, number, seed)
        if rows is None:
            return self.samples(split, 0, number)
        inputs = self.train_inputs if split == "train" else self.test_inputs
        return torch.from_numpy(self.flat(inputs[rows])), torch.from_numpy(labels[rows])

    def origin_of_samples(self, split: Literal["train", "test"], number: int) -> str:
        """Return in words which samples `representative` takes, for records of what was measured."""
        labels = self.train_labels if split == "train" else self.test_labels
        if number >= len(labels):
            return f"all {len(labels)}"
        if has_mixed_start(labels, number):
            return f"the first {number} of {len(labels)}"
        return f"{number} of {len(labels)}, drawn within each class"

    def batch(self, seed: int, step: int, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a training step, a pure function of the task, the seed and the step.

        Each epoch is an independent permutation of the training set, cut into ⌊n / batch_size⌋ batches
        (the remainder is not used in that epoch). With `draw` the samples are fresh at every step.

        Parameters
        ----------
        seed, step : int
            Steps count from 0 at the start of training the dense network.
        batch_size : int
            At most the number of training samples.

        Returns
        -------
        inputs : Tensor of float32, (batch_size, num_inputs)
        labels : Tensor of int64, (batch_size,)

        Raises
        ------
        InputError
            If the batch is larger than the training set.
        """
        if self.draw is not None:
            drawn, labels = self.draw(seed, step, batch_size)
            return torch.from_numpy(self.flat(drawn)), torch.from_numpy(labels)
        rows = self.batch_rows(seed, step, batch_size)
        return torch.from_numpy(self.flat(self.train_inputs[rows])), torch.from_numpy(self.train_labels[rows])

    def batch_rows(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Return the indices of the training samples in the batch of a step: int64, (batch_size,)."""
        num_batches = len(self.train_labels) // batch_size
        if num_batches == 0:
            raise InputError(
                f"training.batch_size is {batch_size}, but task {self.name!r} has "
                f"{len(self.train_labels)} training samples; choose a smaller batch or more data"
            )
        epoch, position = divmod(step, num_batches)
        order = _epoch_order(seed, epoch, len(self.train_labels))
        return order[position * batch_size : (position + 1) * batch_size]


@functools.lru_cache(maxsize=2)  # drawn once per epoch, not once per step
def _epoch_order(seed: int, epoch: int, num_samples: int) -> np.ndarray:
    return generator(seed, "batches", epoch).permutation(num_samples)
