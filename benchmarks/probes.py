"""Benchmark of the probes of the whole network against the cavity instrument on the same level.

Run with ``python -m benchmarks --only probes``. Two trained levels, on one thread:

- *nlgp-2d*: level 0 of the shipped recipe, 400–100–2, on its 2000 samples;
- *large*: 784–256–256–10 on 10 000 samples of an NLGP with ten correlation lengths.

Times are processor seconds, because other work shares the machine. The cavity instrument and each probe
alternate in one process; the ratio is the median of the ratios of adjacent measurements. Memory is what a
probe adds, at its peak, to a fresh process that holds a level of nlgp-2d, for n and for 4 n samples (Linux).
"""

import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from sparsight.data import Task
from sparsight.instruments import NETWORK_INSTRUMENTS, NetworkObservation, measure_level
from sparsight.network import FullyConnected, initialise_
from sparsight.prune import imp
from sparsight.recipe import load_recipe

PROBES = ("robustness", "tangent", "criticality", "readout", "ood", "extrapolation", "noise", "calibration")
REPEATS = 3
MEMORY_SAMPLES = 2000
LEVELS: dict[str, tuple[str, ...]] = {
    "nlgp-2d": (),
    "large": (
        "network.widths=[256, 256]",
        "data.size=[28, 28]",
        "data.correlation_lengths=[1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8]",
        "data.num_test=10000",
        "measure.num_samples=10000",
        "training.steps=300",
    ),
}


@dataclass(frozen=True)
class ProbeTimes:
    """Processor seconds of a probe and of the cavity instrument, measured in turn."""

    probe: list[float]
    cavity: list[float]

    @property
    def ratio(self) -> float:
        """The median of the ratios of adjacent measurements."""
        return statistics.median(a / b for a, b in zip(self.probe, self.cavity, strict=True))


def dense_level(name: str, *overrides: str) -> NetworkObservation:
    """Return level 0 of a recipe of `LEVELS`, trained, with its data and their twin."""
    recipe = load_recipe("nlgp-2d", [*LEVELS[name], *overrides])
    condition, twin = recipe.condition("imp"), recipe.condition("twin")
    task = condition.data.build(0)
    network = FullyConnected(task.geometry.num_inputs, task.num_classes, condition.network)
    initialise_(network, condition.network.init, 0)
    level = next(imp(network, task, condition.training, condition.pruning, seed=0))
    return NetworkObservation(
        level=level,
        task=task,
        num_samples=condition.measure.num_samples,
        loss=condition.training.loss,
        twin=twin.data.build(0),
        dense_initial=level.initial,
        training=condition.training,
        pruning=condition.pruning,
    )


def cavity_of(observation: NetworkObservation) -> Callable[[], object]:
    """Return the measurement of a level by the cavity instrument, as a run does it."""
    task: Task = observation.task
    return lambda: measure_level(
        observation.level, task, None, ["cavity"], num_samples=observation.num_samples
    )


def measured(name: str, repeats: int = REPEATS, probes: Sequence[str] = PROBES) -> dict[str, ProbeTimes]:
    """Return the times of each probe on a level of `LEVELS`."""
    observation = dense_level(name)
    cavity = cavity_of(observation)
    found = {}
    for probe in probes:
        function = NETWORK_INSTRUMENTS[probe]
        processor_seconds(lambda f=function: f(observation))  # compiles what it needs, and warms caches
        pairs = [
            (processor_seconds(lambda f=function: f(observation)), processor_seconds(cavity))
            for _ in range(repeats)
        ]
        found[probe] = ProbeTimes(*(list(column) for column in zip(*pairs, strict=True)))
    return found


def processor_seconds(action: Callable[[], object]) -> float:
    """Return the processor time of an action."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        action()
    return time.process_time() - start


def added_bytes(probe: str, num_samples: int) -> int:
    """Return what a probe adds to the memory of a fresh process at its peak, on so many samples."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure_and_tell, args=(probe, num_samples, sender))
    process.start()
    sender.close()
    try:
        found = int(receiver.recv())
    finally:
        process.join()
    return found


def _measure_and_tell(probe: str, num_samples: int, sender: Connection) -> None:
    torch.set_num_threads(1)
    observation = dense_level("nlgp-2d", f"data.num_test={2 * num_samples}", "training.steps=200")
    function = NETWORK_INSTRUMENTS.get(probe)
    few, many = (_with_samples(observation, each) for each in (100, num_samples))
    action = cavity_of if function is None else (lambda each: lambda: function(each))
    action(few)()  # imports and compiled code are not what is counted
    before = _kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    action(many)()
    sender.send(1024 * max(0, _kilobytes("VmHWM") - before))


def _with_samples(observation: NetworkObservation, num_samples: int) -> NetworkObservation:
    return NetworkObservation(**(vars(observation) | {"num_samples": num_samples}))


def _kilobytes(name: str) -> int:
    return int(Path("/proc/self/status").read_text(encoding="utf-8").split(f"{name}:")[1].split()[0])
