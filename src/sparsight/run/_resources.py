"""How many processes a run gets, and how many threads each of them.

The reasons are in docs/decisions.md, "Processes and threads follow from the size of the network and the
memory".
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import joblib
import numpy as np

from sparsight.data import Task, is_compact, is_kept

_WEIGHTS_WORTH_THREADS = 100_000
"""Parameters of the smallest network that profits from a second thread; a shorter step loses time to it."""

_COPIES_OF_WEIGHTS = 50
"""float32 copies of the weights alive at the peak: the cavity instrument's 15 moment matrices in float64, and
what is made on the way. Measured: 1.76 GB in all for 6.3 million weights, batches of 1000 and 2000 samples,
where this estimate gives 1.9 GB."""

_COPIES_ON_DEVICE = 10
"""float32 copies of the weights on a GPU in training: value, gradient, two moments of the optimizer, mask,
and the temporaries of an update. Counted from the code, not measured."""

_COPIES_OF_ACTIVATIONS = 6
"""float32 values for each unit and sample of a batch: product, BatchNorm, activation, and the gradient of
each. Counted from the code, not measured."""

_BYTES_OF_A_PROCESS = 600 * 2**20
"""Python with torch, scipy and xarray imported, and the batches. Measured: 0.3 to 0.6 GiB."""


@dataclass(frozen=True)
class Size:
    """Estimated size of one replicate.

    Attributes
    ----------
    num_bytes : int
        Memory of its process.
    num_device_bytes : int
        Memory on a GPU, if it trains there.
    """

    num_weights: int
    num_bytes: int
    num_device_bytes: int = 0

    @classmethod
    def of(
        cls,
        num_weights: int,
        task: Task,
        num_clones: int,
        num_activations: int = 0,
        *,
        num_snapshots: int = 0,
    ) -> "Size":
        """Return the size of a replicate that holds a task and clones of it.

        Parameters
        ----------
        num_clones : int
            Data sets of the same size beside the task, such as its Gaussian twin.
        num_activations : int
            Units of the network, input pixels included, times the samples of a batch.
        num_snapshots : int
            States of the network that a level keeps, beside its last.
        """
        inputs = (task.train_inputs, task.test_inputs)
        # Pages of a memory-mapped file belong to the file cache and are shared by all processes: those of the
        # data, and those of a compact clone. Any other clone is an array of its own, in float32.
        original = sum(array.nbytes for array in inputs if not isinstance(array, np.memmap))
        bytes_of_clone = sum(array.nbytes if is_compact(task) else 4 * array.size for array in inputs)
        clone = 0 if is_kept(task) else bytes_of_clone
        weights = 4 * (_COPIES_OF_WEIGHTS + num_snapshots) * num_weights
        on_device = 4 * (_COPIES_ON_DEVICE * num_weights + _COPIES_OF_ACTIVATIONS * num_activations)
        return cls(num_weights, weights + original + num_clones * clone + _BYTES_OF_A_PROCESS, on_device)

    def union(self, other: "Size") -> "Size":
        """Return the larger of two sizes in each respect."""
        return Size(
            max(self.num_weights, other.num_weights),
            max(self.num_bytes, other.num_bytes),
            max(self.num_device_bytes, other.num_device_bytes),
        )

    def times(self, number: int) -> "Size":
        """Return the size of `number` replicates in one process."""
        shared = min(_BYTES_OF_A_PROCESS, self.num_bytes)  # the imports are there once
        return Size(
            number * self.num_weights,
            shared + number * (self.num_bytes - shared),
            number * self.num_device_bytes,
        )

    def num_fitting(self, memory: int, device_memory: int) -> int:
        """Return how many replicates in one process fill half of either memory, in bytes; at least 1."""
        # Half: the estimates are rough, and others use the machine. Running out of memory kills the process.
        shared = min(_BYTES_OF_A_PROCESS, self.num_bytes)
        in_process = (memory // 2 - shared) // max(self.num_bytes - shared, 1)
        return max(min(in_process, device_memory // 2 // max(self.num_device_bytes, 1)), 1)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Number of processes, and of threads in each.

    Attributes
    ----------
    jobs : int
        Processes side by side.
    num_cores : int
        Cores of the machine that this process may use.
    reason : str
        Why there are this many processes and threads, in words.
    together : mapping of str to int
        Replicates that are trained as one program, by condition.
    cuda_graph : bool
        Whether forward and backward pass are recorded once on a GPU, and replayed.
    """

    jobs: int
    threads: int
    num_cores: int
    reason: str
    together: Mapping[str, int] = field(default_factory=dict)
    cuda_graph: bool = False


def place(
    size: Size,
    num_groups: int,
    devices: Sequence[str],
    jobs: int | None = None,
    *,
    num_cores: int | None = None,
    memory: int | None = None,
    max_threads: int | None = None,
) -> Placement:
    """Share the machine out: many processes for small networks, one for a large one.

    One process per core trains the most replicates an hour, since a single thread wastes nothing. There are
    fewer processes if there are fewer groups, or if that many would fill more than half of the memory. The
    cores that are left over become threads, unless the network is too small to profit from them.

    Parameters
    ----------
    size : Size
        Size of the largest group.
    num_groups : int
        Groups of replicates to run, each in one process.
    devices : sequence of str
        Devices of the conditions. If one of them is a GPU, one process runs all groups in turn.
    jobs : int, optional
        Processes that the user asks for. This number is taken unchanged.
    num_cores, memory : int, optional
        Cores, and bytes of memory, of the machine. Default: what this process may use.
    max_threads : int, optional
        Most threads of a process. Default: ``OMP_NUM_THREADS``, if that is set.
    """
    num_cores = num_cores or joblib.cpu_count()  # unlike os.cpu_count, within affinity and container limits
    memory = memory or physical_memory()
    if jobs is not None:
        reason = f"{jobs} asked for"
    elif any(device != "cpu" for device in devices):
        # Processes that share a GPU wait for each other, and each takes memory there for its own context.
        jobs, reason = 1, "one process has the GPU"
    else:
        fitting = max(memory // 2 // size.num_bytes, 1)
        jobs = max(min(num_groups, num_cores, fitting), 1)
        if jobs == fitting < min(num_groups, num_cores):
            reason = f"a process needs {size.num_bytes / 2**30:.1f} GiB: no more fit into half of the memory"
        else:
            reason = "one process a core" if jobs == num_cores else "one process a replicate"
    threads = max(num_cores // jobs, 1)
    if threads > 1 and size.num_weights < _WEIGHTS_WORTH_THREADS:
        threads, reason = 1, f"{reason}; one thread each, since the networks are small"
    max_threads = max_threads or threads_of_environment()
    if max_threads is not None and threads > max_threads:
        threads, reason = max_threads, f"{reason}; OMP_NUM_THREADS allows no more threads"
    return Placement(jobs=jobs, threads=threads, num_cores=num_cores, reason=reason)


def threads_of_environment() -> int | None:
    """Return the first number of ``OMP_NUM_THREADS``, which OpenMP allows to be a list; None without one."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def physical_memory() -> int:
    """Return the bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 8 * 2**30
