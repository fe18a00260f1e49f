"""Clones of a task: data with its low-order statistics and nothing else of it."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import scipy.fft
import torch
from jaxtyping import Float32, Float64, Int64

from sparsight.data._clone_storage import CloneStorage
from sparsight.data._task import Draw, Task
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError
from sparsight.streams import generator

_VectorSampler = Callable[[np.random.Generator, int], np.ndarray]  # (rng, n) → float32 (n, num_inputs)
_BLOCK_VALUES = 2**22  # values read or drawn at a time


def clone_task(task: Task, kind: str, seed: int) -> Task:
    """Return the clone of a task, or the task itself for "none".

    Parameters
    ----------
    kind : {"none", "gaussian", "gaussian_shared", "phase"}
        See `gaussian_twin`, `shared_covariance_twin`, `phase_clone`.

    Raises
    ------
    InputError
        If the kind is unknown, or the clone cannot be made.
    """
    makers = {"gaussian": gaussian_twin, "gaussian_shared": shared_covariance_twin, "phase": phase_clone}
    if kind == "none":
        return task
    if kind not in makers:
        raise InputError(f"clone is {kind!r}; none, {', '.join(makers)} are allowed")
    return makers[kind](task, seed)


def gaussian_twin(task: Task, seed: int) -> Task:
    r"""Return a task with Gaussian inputs that have the mean and covariance of each class.

    For class c with standardised training inputs X (n, num_inputs), mean m and centred rows A, the twin is
    :math:`x = m + z A / \sqrt{n - 1}` with white z, so its covariance is the unbiased sample covariance. If n
    exceeds the number of inputs, A is replaced by its triangular QR factor R, for which RᵀR = AᵀA.
    Covariances between channels are kept. If n ≤ num_inputs, each class lies in the (n − 1)-dimensional
    affine hull of its training samples. A class with fewer than two raises `InputError`.

    Training and test split are drawn from the *same* fitted Gaussians: the twin is a distribution, and a test
    split fitted to the test images would come from a different one (docs/decisions.md, "The twin is fitted on
    the training split and sampled for both"). If the task draws fresh samples at each step, so does the
    clone, from these Gaussians.
    """
    num_samples = _samples_per_class(task)

    def fit(label: int) -> _VectorSampler:
        mean = _class_mean(task, label)
        factor = _factor(_centred_blocks(task, label, mean), int(num_samples[label]))
        return _gaussian_sampler(mean, factor / np.float32(np.sqrt(num_samples[label] - 1)))

    ranks = np.minimum(num_samples - 1, task.geometry.num_inputs)
    return _resampled(task, "gaussian", fit, seed, {"clone_rank_at_most": ranks.tolist()})


def shared_covariance_twin(task: Task, seed: int) -> Task:
    """Return the Gaussian twin in which classes differ only by their mean.

    As `gaussian_twin`, but all classes have the covariance of the training inputs around their class
    means, pooled over classes (divisor n − num_classes). The best classifier of this twin is linear.
    """
    num_samples = _samples_per_class(task)
    means = [_class_mean(task, label) for label in range(task.num_classes)]
    blocks = (block for label, mean in enumerate(means) for block in _centred_blocks(task, label, mean))
    degrees = int(num_samples.sum()) - task.num_classes
    factor = _factor(blocks, int(num_samples.sum())) / np.float32(np.sqrt(degrees))
    rank = min(degrees, task.geometry.num_inputs)
    return _resampled(
        task,
        "gaussian_shared",
        lambda label: _gaussian_sampler(means[label], factor),
        seed,
        {"clone_rank_at_most": [rank] * task.num_classes},
    )


def phase_clone(task: Task, seed: int) -> Task:
    """Return the task in which every image keeps its power spectrum and gets random phases.

    To the phases of a standardised image are added those of a white noise field, which are uniform and
    Hermitian, so that the image stays real. All channels get the same, so that cross-spectra between channels
    are kept as well. The mean of each channel is kept. The spectrum is that of the periodic image: if the
    geometry does not wrap, the step between opposite borders is spread over the image.

    Sample i of each split is the clone of sample i, with its label. If the task draws fresh samples at each
    step, the clone randomises their phases.
    """
    storage = CloneStorage(task)
    block = max(1, _BLOCK_VALUES // task.geometry.num_inputs)
    for split, inputs in (("train", task.train_inputs), ("test", task.test_inputs)):
        rng = generator(seed, "clone", "phase", split)
        for start in range(0, len(inputs), block):
            rows = slice(start, start + block)
            storage.put(split, rows, _with_random_phases(_standardised(task, inputs[rows]), rng))
    return storage.task("phase", _phase_draw(task), {})


def _samples_per_class(task: Task) -> Int64[np.ndarray, " classes"]:
    counts = np.bincount(task.train_labels, minlength=task.num_classes)
    if counts.min() < 2:
        raise InputError(
            f"task {task.name!r}: class {counts.argmin()} has {counts.min()} training samples, but its "
            "covariance needs at least 2; use more samples or leave the class out"
        )
    return counts


def _class_blocks(task: Task, label: int) -> Iterator[Float32[np.ndarray, "n num_inputs"]]:
    """Yield the standardised training inputs of a class, block by block."""
    rows = np.flatnonzero(task.train_labels == label)
    # At least num_inputs rows, or `_factor` would factorise a matrix hardly taller than R at every block.
    block = max(task.geometry.num_inputs, _BLOCK_VALUES // task.geometry.num_inputs)
    for start in range(0, len(rows), block):
        yield task.flat(task.train_inputs[rows[start : start + block]])


def _class_mean(task: Task, label: int) -> Float64[np.ndarray, " num_inputs"]:
    total = sum(block.sum(axis=0, dtype=np.float64) for block in _class_blocks(task, label))
    mean: np.ndarray = total / np.count_nonzero(task.train_labels == label)
    return mean


def _centred_blocks(
    task: Task, label: int, mean: np.ndarray
) -> Iterator[Float32[np.ndarray, "n num_inputs"]]:
    for block in _class_blocks(task, label):
        yield (block - mean).astype(np.float32)


def _factor(blocks: Iterable[np.ndarray], num_rows: int) -> Float32[np.ndarray, "rows num_inputs"]:
    """Return F with FᵀF = AᵀA: the rows A themselves, or the QR factor R if A has more rows than columns."""
    # R is updated block by block, so that memory does not grow with the number of rows: the covariance of
    # 3072 inputs takes 36 MiB however many images there are. Unlike a Cholesky factor of AᵀA, R exists if
    # pixels are constant, and its error is that of A, not of A squared. With fewer rows than columns A is
    # the smaller factor, of rank n − 1, and no factorisation is needed.
    kept = torch.empty(0)
    for block in blocks:
        rows = torch.from_numpy(block)
        kept = torch.cat([kept, rows]) if len(kept) else rows
        if num_rows > block.shape[1] and len(kept) > block.shape[1]:
            kept = torch.linalg.qr(kept, mode="r").R
    return kept.numpy()


def _gaussian_sampler(mean: np.ndarray, factor: np.ndarray) -> _VectorSampler:
    """Return a sampler of mean + z F: mean (num_inputs,), F (rank, num_inputs)."""
    offset, rows = torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(factor)

    def sample(rng: np.random.Generator, num_samples: int) -> Float32[np.ndarray, "n num_inputs"]:
        white = white_noise(rng, (num_samples, len(rows)))
        return torch.addmm(offset, white, rows).numpy()  # (n, num_inputs)

    return sample


def _resampled(
    task: Task, kind: str, sampler_of: Callable[[int], _VectorSampler], seed: int, card: dict[str, Any]
) -> Task:
    """Return the task with every input replaced by a draw from its class's sampler."""
    storage = CloneStorage(task)
    block = max(1, _BLOCK_VALUES // task.geometry.num_inputs)
    if task.draw is not None:
        sampler_of = functools.cache(sampler_of)  # every step needs the samplers of all classes
    for label in range(task.num_classes):
        sampler = sampler_of(label)  # one class at a time: a factor has up to num_inputs² values
        for split, labels in (("train", task.train_labels), ("test", task.test_labels)):
            rng = generator(seed, "clone", kind, split, label)
            rows = np.flatnonzero(labels == label)
            for start in range(0, len(rows), block):
                part = rows[start : start + block]
                storage.put(split, part, sampler(rng, len(part)))
    card = card | {"clone_samples_per_class": np.bincount(task.train_labels).tolist()}
    return storage.task(kind, _gaussian_draw(task, kind, sampler_of), card)


def _gaussian_draw(task: Task, kind: str, sampler_of: Callable[[int], _VectorSampler]) -> Draw | None:
    if task.draw is None:
        return None
    original = task.draw

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        _, labels = original(seed, step, batch_size)
        inputs = np.empty((batch_size, task.geometry.num_inputs), dtype=np.float32)
        for label in np.unique(labels).tolist():
            rng = generator(seed, "clone", kind, "online", step, label)
            inputs[labels == label] = sampler_of(label)(rng, int((labels == label).sum()))
        return inputs.reshape(batch_size, *task.geometry.shape), labels

    return draw


def _standardised(task: Task, inputs: np.ndarray) -> Float32[np.ndarray, "n channels *size"]:
    return task.flat(inputs).reshape(len(inputs), *task.geometry.shape)


def _with_random_phases(
    fields: Float32[np.ndarray, "n channels *size"], rng: np.random.Generator
) -> Float32[np.ndarray, "n channels *size"]:
    num_samples, _, *size = fields.shape
    axes = tuple(range(2, fields.ndim))
    noise = white_noise(rng, (num_samples, 1, *size)).numpy()
    rotation = scipy.fft.rfftn(noise, axes=axes)
    rotation /= np.abs(rotation)
    rotation.reshape(num_samples, -1)[:, 0] = 1  # frequency 0: the mean stays
    clone: np.ndarray = scipy.fft.irfftn(scipy.fft.rfftn(fields, axes=axes) * rotation, s=size, axes=axes)
    return clone


def _phase_draw(task: Task) -> Draw | None:
    if task.draw is None:
        return None
    original = task.draw

    def draw(seed: int, step: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
        inputs, labels = original(seed, step, batch_size)
        rng = generator(seed, "clone", "phase", "online", step)
        return _with_random_phases(_standardised(task, inputs), rng), labels

    return draw
