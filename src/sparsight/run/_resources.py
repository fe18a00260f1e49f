"""How many processes a run gets, and how many threads each."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import joblib
import numpy as np

from sparsight.data import Task, is_compact

_WEIGHTS_WORTH_THREADS = 100_000
"""Below, a step is so short that a second thread costs more than it gives."""

_COPIES_OF_WEIGHTS = 50
"""float32 copies alive at the peak, which is the cavity's: its moments are 15 matrices in float64. Measured:
1.76 GB in all for 6.3 million weights, batches of 1000 and 2000 samples."""

_COPIES_ON_DEVICE = 10
"""float32 copies of weights on a GPU in training: value, gradient, two moments, mask, and what an update
makes in between. Counted, not measured."""

_COPIES_OF_ACTIVATIONS = 6
"""Of each unit and sample of a batch: product, BatchNorm, activation, and their gradients. Counted, too."""

_BYTES_OF_A_PROCESS = 600 * 2**20
"""A Python with torch, scipy and xarray imported, and batches (measured: 0.3 to 0.6 GiB)."""


@dataclass(frozen=True)
class Size:
    """What one replicate of a condition asks of a machine.

    Attributes
    ----------
    num_weights : int
        Parameters of the network.
    num_bytes : int
        Memory of its process, roughly.
    num_device_bytes : int
        Memory on a GPU, if it trains there, roughly.
    """

    num_weights: int
    num_bytes: int
    num_device_bytes: int = 0

    @classmethod
    def of(cls, num_weights: int, task: Task, num_clones: int, num_activations: int = 0) -> "Size":
        """Return the size of a replicate that holds a task and `num_clones` clones of it.

        Memory-mapped data are the file cache's and shared among processes: not counted.

        Parameters
        ----------
        num_weights : int
        task : Task
        num_clones : int
        num_activations : int
            Units, pixels among them, times samples of a batch.
        """
        inputs = (task.train_inputs, task.test_inputs)
        original = sum(array.nbytes for array in inputs if not isinstance(array, np.memmap))
        clone = sum(array.nbytes if is_compact(task) else 4 * array.size for array in inputs)
        weights = 4 * _COPIES_OF_WEIGHTS * num_weights
        on_device = 4 * (_COPIES_ON_DEVICE * num_weights + _COPIES_OF_ACTIVATIONS * num_activations)
        return cls(num_weights, weights + original + num_clones * clone + _BYTES_OF_A_PROCESS, on_device)

    def union(self, other: "Size") -> "Size":
        """Return the larger in each respect."""
        return Size(
            max(self.num_weights, other.num_weights),
            max(self.num_bytes, other.num_bytes),
            max(self.num_device_bytes, other.num_device_bytes),
        )

    def times(self, number: int) -> "Size":
        """Return the size of so many replicates in one process."""
        shared = min(_BYTES_OF_A_PROCESS, self.num_bytes)
        return Size(
            number * self.num_weights,
            shared + number * (self.num_bytes - shared),
            number * self.num_device_bytes,
        )

    def num_fitting(self, memory: int, device_memory: int) -> int:
        """Return how many replicates in one process fill half of either memory; at least 1."""
        shared = min(_BYTES_OF_A_PROCESS, self.num_bytes)
        in_process = (memory // 2 - shared) // max(self.num_bytes - shared, 1)
        return max(min(in_process, device_memory // 2 // max(self.num_device_bytes, 1)), 1)


@dataclass(frozen=True)
class Placement:
    """Processes side by side, and threads in each.

    Attributes
    ----------
    jobs, threads, num_cores : int
    reason : str
        Why so, in words.
    together : dict of str to int
        How many replicates of each condition are trained as one program.
    cuda_graph : bool
    """

    jobs: int
    threads: int
    num_cores: int
    reason: str
    together: dict[str, int] = field(default_factory=dict)
    cuda_graph: bool = False

    def facts(self) -> dict[str, Any]:
        """Return it as plain values, for files."""
        return asdict(self)


def place(
    size: Size,
    num_units: int,
    devices: Sequence[str],
    jobs: int | None = None,
    *,
    num_cores: int | None = None,
    memory: int | None = None,
) -> Placement:
    """Share the machine out among replicates: many processes for small networks, one for a large one.

    A process per core gives the most replicates an hour, as one thread wastes nothing; there are fewer when
    there are fewer replicates, or when so many would fill more than half of the memory; the cores that are
    left over go to each as threads, unless its network is too small to profit.

    Parameters
    ----------
    size : Size
        Of the largest replicate.
    num_units : int
        Replicates to run.
    devices : sequence of str
        Their devices. Replicates on a GPU run one after the other.
    jobs : int, optional
        Asked for: taken as it is.
    num_cores, memory : int, optional
        Of the machine (memory in bytes). Default: what this process may use.
    """
    num_cores = num_cores or joblib.cpu_count()
    memory = memory or physical_memory()
    if jobs is not None:
        reason = f"{jobs} asked for"
    elif any(device != "cpu" for device in devices):
        jobs, reason = 1, "one process has the GPU"
    else:
        fitting = max(memory // 2 // size.num_bytes, 1)
        jobs = max(min(num_units, num_cores, fitting), 1)
        if jobs == fitting < min(num_units, num_cores):
            reason = f"a process needs {size.num_bytes / 2**30:.1f} GiB: no more fit into half of the memory"
        else:
            reason = "one process a core" if jobs == num_cores else "one process a replicate"
    threads = max(num_cores // jobs, 1)
    if threads > 1 and size.num_weights < _WEIGHTS_WORTH_THREADS:
        threads, reason = 1, f"{reason}; one thread each, for the networks are small"
    return Placement(jobs, threads, num_cores, reason)


def physical_memory() -> int:
    """Return the bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 8 * 2**30
