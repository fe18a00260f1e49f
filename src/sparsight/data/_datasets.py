"""PyTorch datasets and DataLoaders read once into arrays."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from sparsight.arguments import described
from sparsight.errors import InputError


def stacked(source: Any, argument: str) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n, …) and labels (n, …) of a dataset or a DataLoader; see `Task.from_dataset`.

    Raises
    ------
    InputError
        If it yields nothing or anything but pairs (input, label), or inputs that differ in shape.
    """
    inputs: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    is_batched = isinstance(source, DataLoader) and (
        source.batch_size is not None or source.batch_sampler is not None
    )
    for number, item in enumerate(_items(source, argument)):
        if not isinstance(item, tuple | list) or len(item) != 2:
            length = f" of {len(item)}" if isinstance(item, tuple | list) else ""
            raise InputError(
                f"item {number} of {argument} is {described(item)}{length}; pairs (input, label) are needed"
            )
        value, label = _array(item[0], argument, number), _array(item[1], argument, number)
        if inputs and value.shape[is_batched:] != inputs[0].shape[is_batched:]:
            raise InputError(
                f"inputs of {argument} differ in shape: {inputs[0].shape[is_batched:]} first and "
                f"{value.shape[is_batched:]} in item {number}; resize or cut them in the dataset's transform"
            )
        inputs.append(value)
        labels.append(label)
    if not inputs:
        raise InputError(f"{argument} yields no item; at least one is needed")
    join = np.concatenate if is_batched else np.stack
    try:
        return join(inputs), join(labels)
    except ValueError as error:
        raise InputError(
            f"items of {argument} cannot be stacked ({error!s:.80}); give inputs and labels of one shape"
        ) from None


def _items(source: Any, argument: str) -> Iterator[Any]:
    if isinstance(source, DataLoader):
        yield from _in_order(source)
    elif isinstance(source, IterableDataset):
        yield from source
    elif hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        # By index: many datasets do not raise IndexError, so iteration would never end.
        for index in range(len(source)):
            yield source[index]
    else:
        raise InputError(
            f"{argument} is {described(source)}; a torch Dataset or DataLoader is needed (for arrays: "
            "Task.from_arrays)"
        )


def _in_order(loader: DataLoader[Any]) -> Iterable[Any]:
    """Return the loader; if it only shuffles its dataset, one that reads all of it in its own order."""
    if loader.batch_size is None or type(loader.sampler) not in (RandomSampler, SequentialSampler):
        return loader
    dataset: Any = loader.dataset
    if isinstance(loader.sampler, RandomSampler) and (
        loader.sampler.replacement or loader.sampler.num_samples != len(dataset)
    ):
        return loader
    return DataLoader(
        dataset,
        batch_size=loader.batch_size,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        multiprocessing_context=loader.multiprocessing_context,
    )


def _array(value: Any, argument: str, number: int) -> np.ndarray:
    """Return one part of an item as an array; a Pillow image becomes (channels, height, width)."""
    if isinstance(value, Image.Image):
        # Pixels of mode "P" are places in a palette.
        array = np.asarray(value.convert("RGB") if value.mode == "P" else value)
        return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return np.asarray(value.float() if value.dtype == torch.bfloat16 else value)
    array = np.asarray(value)
    if array.dtype.kind == "O":
        raise InputError(
            f"item {number} of {argument} holds {described(value)}; tensors, arrays, Pillow images, numbers "
            "and strings are allowed"
        )
    return array
