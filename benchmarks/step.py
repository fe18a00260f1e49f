"""Benchmark of a training step, and of iterative pruning, against torch.nn.utils.prune.

Run with ``python -m benchmarks.step``. A network 3072–1024–1024–10 with BatchNorm, batch 1000:

- *step*: seconds of one training step (batch, forward, backward, SGD) at densities 1 … 0.003, with random
  masks and a dense output layer. The two sides alternate every four steps, so that other load slows both;
  the ratio is the median of the ratios of adjacent measurements;
- *pruning*: seconds of a whole run of 20 rounds at 30 % each, and the test accuracy of every level, on
  photographs, with the same initial weights, batches, and numbers of steps and evaluations. Other seeds give
  the spread between seeds.

``torch.nn.utils.prune`` keeps dense weights and multiplies them by masks in every forward pass. Both sides
use the same number of threads. ``--cpu-time`` counts processor seconds instead of wall-clock seconds, for
busy machines.
"""

import argparse
import copy
import itertools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from sparsight.data import Task, photographs
from sparsight.geometry import Geometry
from sparsight.network import FullyConnected, NetworkSettings, initialise_, linear_layers
from sparsight.prune import Acceleration, PruningSettings, dense_masks, imp
from sparsight.sparse import crossover_measurements, sparse_layers
from sparsight.streams import generator
from sparsight.train import Masks, Trainer, TrainingSettings
from sparsight.train._evaluation import evaluate

DENSITIES = (1.0, 0.7, 0.5, 0.3, 0.2, 0.15, 0.1, 0.05, 0.03, 0.01, 0.003)
WIDTHS, BATCH_SIZE, RATE, NUM_ROUNDS = (1024, 1024), 1000, 0.3, 20
LEARNING_RATE = 0.05
STEPS_AT_A_TIME = 4

BatchNorm = Literal["none", "hidden", "input"]
Clock = Callable[[], float]


@dataclass(frozen=True)
class StepRow:
    """Seconds of a step at one density: (median, minimum, maximum), and the median of theirs / ours."""

    density: float
    ours: tuple[float, float, float]
    theirs: tuple[float, float, float]
    ratio: float
    sparse_layers: tuple[str, ...]


@dataclass(frozen=True)
class PruningRow:
    """One whole run of each side: total seconds, and the test accuracy of every level."""

    seed: int
    ours: float
    theirs: float
    densities: tuple[float, ...]
    our_accuracies: tuple[float, ...]
    their_accuracies: tuple[float, ...]


def network(
    num_inputs: int = 3072, num_classes: int = 10, seed: int = 0, batch_norm: BatchNorm = "hidden"
) -> FullyConnected:
    built = FullyConnected(num_inputs, num_classes, NetworkSettings(widths=WIDTHS, batch_norm=batch_norm))
    initialise_(built, "torch", seed)
    return built


def white_task(geometry: Geometry | None = None, num_classes: int = 10, seed: int = 0) -> Task:
    """Return white noise with random labels; default: three channels of 32 × 32."""
    geometry = geometry or Geometry(3, (32, 32))
    rng = generator(seed, "benchmark", "step")
    inputs = rng.standard_normal((4000, *geometry.shape), dtype=np.float32)
    labels = rng.integers(0, num_classes, len(inputs))
    return Task(
        name="white",
        geometry=geometry,
        num_classes=num_classes,
        train_inputs=inputs,
        train_labels=labels,
        test_inputs=inputs[:100],
        test_labels=labels[:100],
    )


def crossovers(built: FullyConnected) -> dict[str, float]:
    """Measure the crossovers as a run does at its start."""
    shapes = [(layer.out_features, layer.in_features) for layer in linear_layers(built).values()]
    measurements = crossover_measurements(shapes, torch.device("cpu"))
    return {key: measure() for key, measure in measurements.items()}


def our_step(
    task: Task, masks: Masks, measured: dict[str, float], batch_norm: BatchNorm = "hidden"
) -> tuple[Callable[[], None], list[str]]:
    built = network(batch_norm=batch_norm)
    settings = TrainingSettings(
        steps=10**6, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE, evaluations=1
    )
    chosen = sparse_layers(built, masks, "auto", measured)
    trainer = Trainer(built, task, settings, masks, 0, layers_on_kept_weights=chosen)
    return lambda: trainer.run(trainer.step + STEPS_AT_A_TIME), chosen


def random_masks(density: float) -> Masks:
    """Draw the masks of every layer but the last, with weights kept independently."""
    stream = torch.Generator().manual_seed(0)
    shapes = dense_masks(network(), PruningSettings())
    return {name: torch.rand(mask.shape, generator=stream) < density for name, mask in shapes.items()}


def their_step(task: Task, masks: Masks, batch_norm: BatchNorm = "hidden") -> Callable[[], None]:
    return plain_steps(with_masks_(network(batch_norm=batch_norm), masks), task)


def with_masks_(built: FullyConnected, masks: Masks) -> FullyConnected:
    """Let torch.nn.utils.prune multiply the weights of the linear layers by their masks."""
    for name, layer in linear_layers(built).items():
        if f"{name}.weight" in masks:
            torch_prune.custom_from_mask(layer, "weight", masks[f"{name}.weight"])
    return built


def plain_steps(built: nn.Module, task: Task) -> Callable[[], None]:
    """Return a function that takes some training steps with torch's SGD."""
    optimizer = torch.optim.SGD(built.parameters(), lr=LEARNING_RATE)
    steps = itertools.count()

    def some_steps() -> None:
        for step in itertools.islice(steps, STEPS_AT_A_TIME):
            take_step(built, optimizer, task, 0, step)

    return some_steps


def take_step(built: nn.Module, optimizer: torch.optim.Optimizer, task: Task, seed: int, step: int) -> None:
    inputs, labels = task.batch(seed, step, BATCH_SIZE)
    optimizer.zero_grad()
    nn.functional.cross_entropy(built(inputs), labels).backward()
    optimizer.step()


def step_rows(
    densities: Sequence[float] = DENSITIES,
    repeats: int = 11,
    clock: Clock = time.perf_counter,
    batch_norm: BatchNorm = "hidden",
) -> list[StepRow]:
    """Time steps of both sides in alternation, at every density."""
    task, rows = white_task(), []
    measured = crossovers(network())
    for density in densities:
        masks = random_masks(density)
        ours, chosen = our_step(task, masks, measured, batch_norm)
        theirs = their_step(task, masks, batch_norm)
        pairs = [(seconds(ours, clock), seconds(theirs, clock)) for _ in range(repeats + 1)][1:]
        mine, others = zip(*pairs, strict=True)
        ratio = statistics.median(b / a for a, b in pairs)
        mine, others = (spread([time / STEPS_AT_A_TIME for time in side]) for side in (mine, others))
        rows.append(StepRow(density, mine, others, ratio, tuple(chosen)))
    return rows


def seconds(action: Callable[[], object], clock: Clock) -> float:
    start = clock()
    action()
    return clock() - start


def spread(times: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(times), min(times), max(times)


def pruning_rows(
    seeds: Sequence[int] = (0, 1), steps: int = 100, clock: Clock = time.perf_counter
) -> list[PruningRow]:
    """Prune 20 times on both sides, for every seed."""
    return [pruning_row(seed, steps, clock) for seed in seeds]


def pruning_case(seed: int, steps: int) -> tuple[FullyConnected, Task, TrainingSettings]:
    """Return what a whole run prunes: the initial network, the data, and how a level is trained."""
    task = photographs(num_train=8000, num_test=2000, seed=seed)
    initial = network(task.geometry.num_inputs, task.num_classes, seed)
    settings = TrainingSettings(
        steps=steps, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE, momentum=0.9, evaluations=1
    )
    return initial, task, settings


def prune_ours(
    initial: FullyConnected, task: Task, settings: TrainingSettings, seed: int
) -> tuple[list[float], list[float]]:
    """Prune with `imp`, crossovers measured; return density and test accuracy of every level."""
    pruning = PruningSettings(rate=RATE, max_levels=NUM_ROUNDS, min_density=1e-6)
    acceleration = Acceleration(crossovers(initial))
    levels = imp(initial, task, settings, pruning, seed=seed, acceleration=acceleration)
    densities, accuracies = zip(
        *((level.density, level.curve.test_accuracy[-1]) for level in levels), strict=True
    )
    return list(densities), list(accuracies)


def pruning_row(seed: int, steps: int, clock: Clock) -> PruningRow:
    initial, task, settings = pruning_case(seed, steps)
    found: dict[str, list[float]] = {}

    def ours() -> None:
        found["densities"], found["ours"] = prune_ours(initial, task, settings, seed)

    def theirs() -> None:
        found["theirs"] = prune_with_torch(initial, task, settings, seed)

    times = {action.__name__: seconds(action, clock) for action in (ours, theirs)}
    return PruningRow(
        seed,
        times["ours"],
        times["theirs"],
        tuple(found["densities"]),
        tuple(found["ours"]),
        tuple(found["theirs"]),
    )


def prune_with_torch(initial: nn.Module, task: Task, settings: TrainingSettings, seed: int) -> list[float]:
    """Prune as `imp` with rewinding to the start does; return the test accuracy of every level."""
    built = copy.deepcopy(initial)
    pruned = [(layer, "weight") for layer in list(linear_layers(built).values())[:-1]]
    for layer, name in pruned:
        torch_prune.identity(layer, name)
    start = {name: value.clone() for name, value in built.state_dict().items() if "mask" not in name}
    accuracies = []
    for level in range(NUM_ROUNDS + 1):
        if level:
            torch_prune.global_unstructured(pruned, torch_prune.L1Unstructured, amount=RATE)
            built.load_state_dict(start, strict=False)
        optimizer = torch.optim.SGD(built.parameters(), lr=LEARNING_RATE, momentum=settings.momentum)
        built.train()
        for step in range(settings.num_steps(len(task.train_labels))):
            take_step(built, optimizer, task, seed, step)
        accuracies.append(evaluate(built, task, settings.loss)[1])
    return accuracies


def print_steps(rows: Sequence[StepRow]) -> None:
    print("density   ours ms (min to max)           torch.nn.utils.prune ms        ratio   on kept weights")
    for row in rows:
        cells = [
            "{:7.1f} ({:6.1f} to {:6.1f})".format(*(1e3 * t for t in side)) for side in (row.ours, row.theirs)
        ]
        print(
            f"{row.density:7.3g}   {cells[0]}   {cells[1]}   {row.ratio:5.2f}   {' '.join(row.sparse_layers)}"
        )


def print_pruning(rows: Sequence[PruningRow]) -> None:
    for row in rows:
        print(
            f"seed {row.seed}: ours {row.ours:.0f} s, torch.nn.utils.prune {row.theirs:.0f} s: "
            f"{row.theirs / row.ours:.2f} times faster"
        )
    print("density   accuracy: ours, torch.nn.utils.prune (seeds side by side)")
    for level, density in enumerate(rows[0].densities):
        cells = [f"{row.our_accuracies[level]:.3f} {row.their_accuracies[level]:.3f}" for row in rows]
        print(f"{density:7.3g}   {'   '.join(cells)}")
    differences = [
        b - a for row in rows for a, b in zip(row.our_accuracies, row.their_accuracies, strict=True)
    ]
    print(f"theirs - ours: mean {statistics.mean(differences):+.4f}, sd {statistics.pstdev(differences):.4f}")
    if len(rows) > 1:
        by_level = zip(*(row.our_accuracies for row in rows), strict=True)
        noise = statistics.mean(statistics.stdev(level) for level in by_level)
        print(f"sd between seeds: {noise:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the sparse step against torch.nn.utils.prune.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--only", choices=("step", "pruning"))
    parser.add_argument("--steps", type=int, default=100, help="steps per level")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    kind = "processor time" if options.cpu_time else "wall-clock time"
    load = os.getloadavg()[0]
    print(f"{options.threads} threads of {os.cpu_count()} cores, {kind}, load {load:.1f} at the start")
    if options.only != "pruning":
        print_steps(step_rows(clock=clock))
    if options.only != "step":
        print_pruning(pruning_rows(range(options.seeds), options.steps, clock))


if __name__ == "__main__":
    main()
