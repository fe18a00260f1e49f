"""Benchmark of replicates trained as one program, against the same replicates one by one.

Run with ``python -m benchmarks.together``. Twenty replicates (fewer of large networks) that differ in seed,
data, initial weights and masks, at density 0.3, on one thread; times are processor time. A step includes
batches, forward, backward, masked gradient and SGD. The two sides alternate; the ratio is the median of the
ratios of adjacent measurements. The first case is the network and the data of the shipped recipe
``nlgp-1d``.

To time a GPU: ``--device cuda``, optionally with ``--cuda-graph``.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from sparsight.data import Task
from sparsight.prune import dense_masks
from sparsight.recipe import Condition, load_recipe
from sparsight.run._building import build, build_network
from sparsight.train import Masks, Trainer, train_together

DENSITY, STEPS, REPEATS = 0.3, 50, 7
CASES = {
    "nlgp-1d: 128–64–2, batch 256": (20, STEPS, ()),
    "with BatchNorm on hidden units": (20, STEPS, ("network.batch_norm=hidden",)),
    "8 units, batch 32": (20, STEPS, ("network.widths=[8]", "training.batch_size=32")),
    "16 units, batch 256": (20, STEPS, ("network.widths=[16]",)),
    "256 units, batch 256": (20, STEPS, ("network.widths=[256]",)),
    "1024–1024 units, batch 256": (4, 10, ("network.widths=[1024, 1024]",)),
}
"""Number of replicates, steps per repeat, and overrides of the recipe."""


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step of all replicates, in every repeat; `number` is that of the replicates."""

    number: int
    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)

    @property
    def speedup(self) -> float:
        """The median over repeats of the time one by one over the time together."""
        return statistics.median(slow / fast for slow, fast in zip(self.alone, self.together, strict=True))


def condition_of(overrides: tuple[str, ...], device: str) -> Condition:
    data = ("data.num_test=100", "measure.instruments=[]", f"device={device}")
    long = ("training.steps=1000000", "training.evaluations=1", "training.kernel=dense")
    return load_recipe("nlgp-1d", (*data, *long, *overrides)).condition("imp")


def trainers_of(condition: Condition, tasks: Sequence[Task], cuda_graph: bool) -> list[Trainer]:
    trainers = []
    for seed, task in enumerate(tasks):
        network = build_network(condition, task, seed)
        masks = random_masks(network, condition, seed)
        trainers.append(Trainer(network, task, condition.training, masks, seed, cuda_graph=cuda_graph))
    return trainers


def random_masks(network: torch.nn.Module, condition: Condition, seed: int) -> Masks:
    stream = torch.Generator().manual_seed(seed)
    dense = dense_masks(network, condition.pruning)
    return {name: torch.rand(mask.shape, generator=stream) < DENSITY for name, mask in dense.items()}


def seconds(action: Callable[[], object], device: torch.device) -> float:
    if device.type == "cpu":
        start = time.thread_time()  # does not count other processes on the core
        action()
        return time.thread_time() - start
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    action()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start


def step_times(
    number: int,
    num_steps: int,
    overrides: tuple[str, ...],
    repeats: int,
    device: str = "cpu",
    cuda_graph: bool = False,
) -> StepTimes:
    condition = condition_of(overrides, device)
    tasks = [build(condition, seed).task for seed in range(number)]
    alone = trainers_of(condition, tasks, cuda_graph)
    together = dict(enumerate(trainers_of(condition, tasks, cuda_graph)))
    found = StepTimes(number)

    def one_by_one() -> None:
        for trainer in alone:
            trainer.run(trainer.step + num_steps)

    where = alone[0].device
    for repeat in range(repeats + 1):
        times = (
            seconds(one_by_one, where) / num_steps,
            seconds(lambda: train_together(together, together[0].step + num_steps), where) / num_steps,
        )
        if repeat:  # the first repeat is a warm-up
            found.alone.append(times[0])
            found.together.append(times[1])
    return found


def measured(
    repeats: int = REPEATS, device: str = "cpu", cuda_graph: bool = False, cases: int | None = None
) -> dict[str, StepTimes]:
    """Return the times of every case, or of the first `cases`, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            name: step_times(number, num_steps, overrides, repeats, device, cuda_graph)
            for name, (number, num_steps, overrides) in list(CASES.items())[:cases]
        }
    finally:
        torch.set_num_threads(threads)


def milliseconds(times: list[float]) -> str:
    return "{:.3g} ms ({:.3g} to {:.3g})".format(
        *(1e3 * each for each in (statistics.median(times), min(times), max(times)))
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.together", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cuda-graph", action="store_true")
    options = parser.parse_args()
    print(f"a step of all replicates, one thread, {options.device}; {options.repeats} repeats")
    for name, found in measured(options.repeats, options.device, options.cuda_graph).items():
        print(
            f"{found.number} × {name}: one by one {milliseconds(found.alone)}, together "
            f"{milliseconds(found.together)}: {found.speedup:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
