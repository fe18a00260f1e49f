"""How many processes a run gets, and how many threads each."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import joblib
import numpy as np

from sparsight.data.clone_storage import is_compact
from sparsight.data.task import Task

_WEIGHTS_WORTH_THREADS = 100_000
"""Below, a step is so short that a second thread costs more than it gives."""

_COPIES_OF_WEIGHTS = 50
"""float32 copies alive at the peak, which is the cavity's: its moments are 15 matrices in float64. Measured:
1.76 GB in all for 6.3 million weights, batches of 1000 and 2000 samples."""

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
    """

    num_weights: int
    num_bytes: int

    @classmethod
    def of(cls, num_weights: int, task: Task, num_clones: int) -> "Size":
        """Return the size of a replicate that holds a task and `num_clones` clones of it.

        Memory-mapped data are the file cache's and shared among processes: not counted.
        """
        inputs = (task.train_inputs, task.test_inputs)
        original = sum(array.nbytes for array in inputs if not isinstance(array, np.memmap))
        clone = sum(array.nbytes if is_compact(task) else 4 * array.size for array in inputs)
        weights = 4 * _COPIES_OF_WEIGHTS * num_weights
        return cls(num_weights, weights + original + num_clones * clone + _BYTES_OF_A_PROCESS)

    def union(self, other: "Size") -> "Size":
        """Return the larger in each respect."""
        return Size(max(self.num_weights, other.num_weights), max(self.num_bytes, other.num_bytes))


@dataclass(frozen=True)
class Placement:
    """Processes side by side, and threads in each.

    Attributes
    ----------
    jobs, threads, num_cores : int
    reason : str
        Why so, in words.
    """

    jobs: int
    threads: int
    num_cores: int
    reason: str

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
    memory = memory or _physical_memory()
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


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 8 * 2**30
