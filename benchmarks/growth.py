"""Benchmark of growth: time and peak memory over samples, pixels, units, classes, levels and replicates.

Run with ``python -m benchmarks.growth``. One workload grows along one axis at a time by factors 1, √10 and
10: train a layer for 20 steps of batch 1000, take the cavity of every weight and S(d) of its mask. The
number of training steps is fixed; samples cost time because they are made, held and measured. Along classes
the workload is all statistics by class of the same samples. Along levels and replicates it is
`sparsight.run_recipe` of a small one-dimensional recipe, one process at a time.

Each size runs in a fresh process. Time is processor time, so that other work on the machine counts less.
Memory is the peak of the process (or of its largest child) above that of a process that only imports. Slopes
are least-squares fits of log cost over log size. Linux only.
"""

import math
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.instruments import measure_network
from sparsight.measure import cavity
from sparsight.measure._pair_counts import pair_counts
from sparsight.network import FullyConnected, NetworkSettings, initialise_, linear_layers
from sparsight.prune import PruningSettings, dense_masks
from sparsight.recipe import load_recipe
from sparsight.run import run_recipe
from sparsight.streams import generator
from sparsight.train import Trainer, TrainingSettings

AXES = ("samples", "pixels", "units", "classes", "levels", "replicates")
SAMPLES, SIDE, UNITS, STEPS, BATCH = 10_000, 32, 256, 20, 1000
TARGET = 1.1


@dataclass(frozen=True)
class Growth:
    """The cost at every size along one axis."""

    axis: str
    sizes: list[int]
    seconds: list[float]
    peak_bytes: list[int]

    @property
    def time_slope(self) -> float:
        """The slope of log seconds over log size."""
        return slope(self.sizes, self.seconds)

    @property
    def memory_slope(self) -> float:
        """The slope of log bytes over log size."""
        return slope(self.sizes, [float(peak) for peak in self.peak_bytes])


def slope(sizes: list[int], costs: list[float]) -> float:
    return statistics.linear_regression([math.log(s) for s in sizes], [math.log(c) for c in costs]).slope


def nothing(_: int) -> None:
    """Do nothing beyond importing this module."""


def level_of_samples(size: int) -> None:
    one_level(size, SIDE, UNITS)


def level_of_pixels(size: int) -> None:
    one_level(SAMPLES, math.isqrt(size), UNITS)


def level_of_units(size: int) -> None:
    one_level(SAMPLES, SIDE, size)


def one_level(num_samples: int, side: int, num_units: int) -> None:
    torch.set_num_threads(1)
    rng = generator(0, "benchmark", "growth")
    geometry = Geometry(1, (side, side))
    inputs = rng.standard_normal((num_samples, *geometry.shape), dtype=np.float32)
    labels = rng.integers(0, 10, num_samples)
    task = Task(
        name="white",
        geometry=geometry,
        num_classes=10,
        train_inputs=inputs,
        train_labels=labels,
        test_inputs=inputs[:100],
        test_labels=labels[:100],
    )
    network = FullyConnected(geometry.num_inputs, 10, NetworkSettings(widths=(num_units,)))
    initialise_(network, "torch", 0)
    settings = TrainingSettings(steps=STEPS, batch_size=BATCH, learning_rate=0.05, evaluations=1)
    Trainer(network, task, settings, dense_masks(network, PruningSettings()), 0).run(STEPS)
    weight = next(iter(linear_layers(network).values())).weight.detach().numpy()
    cavity(weight, inputs.reshape(num_samples, -1))
    pair_counts(rng.random(weight.shape) < 0.1, geometry)


def statistics_of_classes(num_classes: int) -> None:
    torch.set_num_threads(1)
    rng = generator(0, "benchmark", "classes")
    geometry = Geometry(1, (SIDE, SIDE))
    inputs = rng.standard_normal((SAMPLES, *geometry.shape), dtype=np.float32)
    labels = np.arange(SAMPLES) % num_classes
    task = Task(
        name="white",
        geometry=geometry,
        num_classes=num_classes,
        train_inputs=inputs[:num_classes],
        train_labels=labels[:num_classes],
        test_inputs=inputs,
        test_labels=labels,
    )
    network = FullyConnected(geometry.num_inputs, num_classes, NetworkSettings(widths=(UNITS,)))
    initialise_(network, "torch", 0)
    measure_network(
        network, task, layers=["linear_0"], instruments=["gaussianity", "cavity"], num_samples=SAMPLES
    )


def run_of_replicates(number: int) -> None:
    whole_run(num_replicates=number, num_levels=2)


def run_of_levels(number: int) -> None:
    whole_run(num_replicates=1, num_levels=number)


def whole_run(num_replicates: int, num_levels: int) -> None:
    recipe = load_recipe(
        "nlgp-1d",
        [
            f"replicates={num_replicates}",
            "training.steps=300",
            f"pruning.max_levels={num_levels}",
            "pruning.rate=0.2",
            "pruning.min_density=0.001",
            "data.num_train=4000",
            "data.num_test=1000",
            "measure.num_samples=1000",
        ],
    )
    with tempfile.TemporaryDirectory() as folder:
        run_recipe(recipe, Path(folder) / "run", jobs=1)


WORK: dict[str, tuple[Callable[[int], None], tuple[int, ...]]] = {
    "samples": (level_of_samples, (10_000, 31_600, 100_000)),
    "pixels": (level_of_pixels, (SIDE**2, 57**2, 101**2)),
    "units": (level_of_units, (256, 810, 2560)),
    "classes": (statistics_of_classes, (10, 32, 100)),
    "levels": (run_of_levels, (2, 6, 20)),
    "replicates": (run_of_replicates, (1, 3, 10)),
}


def cost_of_process(work: Callable[[int], None], size: int) -> tuple[float, int]:
    """Return processor seconds and peak bytes of a fresh process that does the work."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work_and_tell, args=(work, size, sender))
    process.start()
    sender.close()
    try:
        spent, peak = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{work.__name__}({size}) ended with status {process.exitcode}") from None
    process.join()
    return spent, peak


def _work_and_tell(
    work: Callable[[int], None], size: int, sender: "multiprocessing.connection.Connection"
) -> None:
    start = _processor_seconds()
    work(size)
    # Not getrusage for this process: its peak starts at the one of the parent process.
    own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sender.send((_processor_seconds() - start, 1024 * max(own, children)))


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measured(axes: tuple[str, ...] = AXES, *, only_small: bool = False) -> list[Growth]:
    """Measure the growth along some axes; `only_small` omits the largest size."""
    _, floor = cost_of_process(nothing, 0)
    found = []
    for axis in axes:
        work, sizes = WORK[axis]
        sizes = sizes[:-1] if only_small else sizes
        costs = [cost_of_process(work, size) for size in sizes]
        seconds, peaks = (list(column) for column in zip(*costs, strict=True))
        above = [max(int(peak) - floor, 2**20) for peak in peaks]
        found.append(Growth(axis, list(sizes), seconds, above))
    return found


def main() -> None:
    for growth in measured():
        costs = ", ".join(
            f"{size}: {seconds:.2f} s, {peak / 2**20:.0f} MiB"
            for size, seconds, peak in zip(growth.sizes, growth.seconds, growth.peak_bytes, strict=True)
        )
        print(f"{growth.axis}: {costs}; slopes {growth.time_slope:.2f} and {growth.memory_slope:.2f}")


if __name__ == "__main__":
    main()
