"""Mean, covariance and fourth moments of groups of training inputs, read block by block."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from sparsight.data._task import Task
from sparsight.errors import InputError

_BLOCK_VALUES = 2**22  # values read at a time


class ClassMoments:
    """The moments of groups of a task's training inputs, standardised: mostly one group a class.

    Nothing is read before it is asked for. The last factor is kept, and no more: one has up to num_inputs²
    values.

    Parameters
    ----------
    groups : sequence of int64 arrays, (n,)
        The rows of the training split in each group.
    inputs : int64 array or slice
        The inputs that are read. Default: all.
    """

    def __init__(
        self, task: Task, groups: Sequence[np.ndarray], inputs: np.ndarray | slice = slice(None)
    ) -> None:
        self.task = task
        self.groups = groups
        self.num_inputs = len(np.arange(task.geometry.num_inputs)[inputs])
        self._inputs = inputs
        self.counts: Int64[np.ndarray, " groups"] = np.array([len(rows) for rows in groups], dtype=np.int64)
        self.mean: Callable[[int], Float64[np.ndarray, " num_inputs"]] = functools.cache(self._mean)
        self.factor: Callable[[int], Float32[np.ndarray, "rows num_inputs"]] = functools.lru_cache(maxsize=1)(
            self._factor
        )

    @classmethod
    def by_class(cls, task: Task, least: int = 2) -> "ClassMoments":
        """Return the moments of each class; fewer than `least` samples in one raise `InputError`."""
        groups = [np.flatnonzero(task.train_labels == label) for label in range(task.num_classes)]
        counts = np.array([len(rows) for rows in groups])
        if counts.min() < least:
            unused = "" if counts.min() else ", number the classes 0, 1, … without a gap"
            raise InputError(
                f"task {task.name!r}: class {counts.argmin()} has {counts.min()} training samples, but its "
                f"covariance needs at least {least}; use more samples{unused}, or leave the class out"
            )
        return cls(task, groups)

    def of(self, groups: Sequence[np.ndarray], max_inputs: int | None = None) -> "ClassMoments":
        """Return the moments of other groups of the same task, of at most so many of its inputs."""
        if max_inputs is None or self.num_inputs <= max_inputs:
            return ClassMoments(self.task, groups, self._inputs)
        return ClassMoments(self.task, groups, evenly_spaced(self.num_inputs, max_inputs))

    def centred_blocks(self, group: int) -> Iterator[Float32[np.ndarray, "n num_inputs"]]:
        """Yield the inputs of a group minus their mean, block by block."""
        mean = self.mean(group)
        for block in self._blocks(group):
            yield (block - mean).astype(np.float32)

    def pooled_factor(self) -> Float32[np.ndarray, "rows num_inputs"]:
        """Return F with FᵀF the covariance around the group means, divisor n − number of groups."""
        blocks = (block for group in range(len(self.groups)) for block in self.centred_blocks(group))
        degrees = self.counts.sum() - len(self.groups)
        return _factor(blocks, int(self.counts.sum())) / np.float32(np.sqrt(degrees))

    def _factor(self, group: int) -> Float32[np.ndarray, "rows num_inputs"]:
        """Return F with FᵀF the unbiased covariance of a group (divisor n − 1)."""
        factor = _factor(self.centred_blocks(group), int(self.counts[group]))
        return factor / np.float32(np.sqrt(self.counts[group] - 1))

    def _mean(self, group: int) -> Float64[np.ndarray, " num_inputs"]:
        total = sum(block.sum(axis=0, dtype=np.float64) for block in self._blocks(group))
        mean: np.ndarray = total / len(self.groups[group])
        return mean

    def _blocks(self, group: int) -> Iterator[Float32[np.ndarray, "n num_inputs"]]:
        rows, task = self.groups[group], self.task
        # At least num_inputs rows, or `_factor` would factorise a matrix hardly taller than R at every block.
        block = max(task.geometry.num_inputs, _BLOCK_VALUES // task.geometry.num_inputs)
        for start in range(0, len(rows), block):
            yield task.flat(task.train_inputs[rows[start : start + block]])[:, self._inputs]


def evenly_spaced(num_inputs: int, at_most: int) -> Int64[np.ndarray, " inputs"]:
    """Return the indices of so many inputs, at equal distances; of all if there are fewer."""
    return np.linspace(0, num_inputs - 1, min(num_inputs, at_most)).astype(np.int64)


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
