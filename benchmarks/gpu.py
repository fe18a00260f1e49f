"""What a GPU gives: correctness first, then times. ``python -m benchmarks.gpu``, in under six minutes.

Writes ``benchmarks/RESULTS-GPU.md``. Nothing is timed if a check of `benchmarks.gpu_checks` fails. The parts:

- *step*: the papers' network (3072–1024–1024–1024–1000, BatchNorm on every layer's input, batch 1000, bytes
  of the shape of ImageNet32) over densities, precisions, and with and without a CUDA graph; beside it plain
  PyTorch with the same data on the device;
- *replicates*: the network of the recipe ``nlgp-2d``, 20 at once against one;
- *instruments*: those of the default recipe on a level of the papers' network;
- *run*: 20 rounds of pruning with 2 000 steps a level, extrapolated to the 2.08 million steps of the papers.

``--device cpu --quick`` goes through all parts with tiny sizes, to see that they run.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.gpu_checks import CHECKS
from benchmarks.machine import machine
from benchmarks.report import Section, Target, table
from benchmarks.step import white_task
from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.instruments import measure_network
from sparsight.network import FullyConnected, NetworkSettings, initialise_
from sparsight.prune import Acceleration, PruningSettings, dense_masks, imp
from sparsight.train import Masks, Trainer, TrainingSettings, train_together
from sparsight.train._precision import tf32_if

RESULTS = Path(__file__).with_name("RESULTS-GPU.md")
PAPERS_STEPS = 100_000 + 20 * 99_000
"""Steps of one replicate in the papers: 101 000 a level, from step 1000 on after the first."""
PRECISIONS = ("float32", "tf32", "bf16")


@dataclass(frozen=True)
class Sizes:
    """How large everything is: of the papers, or tiny."""

    widths: tuple[int, ...]
    num_classes: int
    num_train: int
    batch_size: int
    num_timed_steps: int
    densities: tuple[float, ...]
    num_replicates: int
    steps_of_a_level: int
    num_levels: int
    edge: int
    matrix: int


OF_THE_PAPERS = Sizes((1024, 1024, 1024), 1000, 100_000, 1000, 100, (1.0, 0.1, 0.01), 20, 2000, 20, 32, 8192)
TINY = Sizes((32, 32), 10, 400, 50, 3, (1.0, 0.1), 3, 5, 3, 8, 128)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, only to see that it runs")
    parser.add_argument("--minutes", type=float, default=5.5, help="the run is cut short at this time")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results file (default: %(default)s)")
    options = parser.parse_args()
    device, sizes = torch.device(options.device), TINY if options.quick else OF_THE_PAPERS
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device; `--device cpu --quick` shows that the parts run")
    deadline = time.perf_counter() + 60 * options.minutes
    head = ["# Benchmarks on a GPU", "", f"Device: {name_of(device)}.", *machine(), ""]
    checked = checks_section(device)
    sections = [checked]
    print(checked.markdown(), flush=True)
    if not all(target.met for target in checked.targets):
        raise SystemExit("a check failed: nothing is timed")
    peaks = {precision: peak(device, precision, sizes.matrix) for precision in precisions(device)}
    for part in (
        lambda: step_section(device, sizes, peaks),
        lambda: replicates_section(device, sizes),
        lambda: instruments_section(device, sizes),
        lambda: run_section(device, sizes, deadline),
    ):
        sections.append(part())
        print(sections[-1].markdown(), flush=True)
    text = "\n".join([*head, *(section.markdown() for section in sections)])
    options.out.write_text(text, encoding="utf-8")
    print(f"{options.out} written")


def name_of(device: torch.device) -> str:
    if device.type != "cuda":
        return "the CPU (a trial of this script)"
    properties = torch.cuda.get_device_properties(device)
    memory = properties.total_memory / 2**30
    return f"{properties.name}, {memory:.0f} GiB, CUDA {torch.version.cuda}"


def precisions(device: torch.device) -> tuple[str, ...]:
    return PRECISIONS if device.type == "cuda" else ("float32", "bf16")


def checks_section(device: torch.device) -> Section:
    """Run every check; a check that is not met ends the script."""
    found = {name: check(device) for name, check in CHECKS.items()}
    targets = [
        Target(name, check.error, check.allowed, at_most=True, unit="") for name, check in found.items()
    ]
    return Section(
        "Correct: largest errors against float64 on the CPU, or against the same bits", [], targets
    )


def seconds_of(device: torch.device, action: Callable[[], object]) -> float:
    """Return the seconds until the device has done what an action asked of it."""
    synchronise(device)
    start = time.perf_counter()
    action()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak(device: torch.device, precision: str, size: int) -> float:
    """Return the floating-point operations per second of a large matrix product."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    factors = [torch.randn(size, size, device=device, dtype=dtype) for _ in range(2)]
    with tf32_if(precision == "tf32"):
        torch.mm(*factors)
        times = [seconds_of(device, lambda: torch.mm(*factors)) for _ in range(5)]
    return 2 * size**3 / min(times)


def papers_task(sizes: Sizes) -> Task:
    """Return noise of bytes in the shape of ImageNet32."""
    stream = np.random.default_rng(0)
    shape = (3, sizes.edge, sizes.edge)
    number = sizes.num_train
    inputs = stream.integers(0, 256, (number + 1000, *shape), dtype=np.uint8)
    labels = stream.integers(0, sizes.num_classes, number + 1000)
    return Task(
        name="noise",
        geometry=Geometry(3, shape[1:]),
        num_classes=sizes.num_classes,
        train_inputs=inputs[:number],
        train_labels=labels[:number],
        test_inputs=inputs[number:],
        test_labels=labels[number:],
        channel_mean=np.full(3, 127.5, np.float32),
        channel_sd=np.full(3, 73.9, np.float32),
    )


def papers_network(task: Task, sizes: Sizes) -> FullyConnected:
    settings = NetworkSettings(widths=sizes.widths, batch_norm="input", init="xavier")
    network = FullyConnected(task.geometry.num_inputs, task.num_classes, settings)
    initialise_(network, "xavier", 0)
    return network


def masks_of(network: FullyConnected, density: float, device: torch.device) -> Masks:
    stream = torch.Generator().manual_seed(0)
    shapes = dense_masks(network, PruningSettings())
    return {
        name: (torch.rand(mask.shape, generator=stream) < density).to(device) for name, mask in shapes.items()
    }


def settings_of(sizes: Sizes, precision: str = "float32", steps: int = 10**6) -> TrainingSettings:
    return TrainingSettings(
        steps=steps, batch_size=sizes.batch_size, learning_rate=0.1, evaluations=1, precision=precision
    )


def step_section(device: torch.device, sizes: Sizes, peaks: dict[str, float]) -> Section:
    task = papers_task(sizes)
    rows, plain = [], plain_step_seconds(device, task, sizes)
    ours_in_tf32 = float("nan")
    for precision in peaks:
        for with_graph in (False, True) if device.type == "cuda" else (False,):
            for density in sizes.densities:
                seconds, weights = step_seconds(device, task, sizes, precision, density, with_graph)
                # Two operations for every weight and sample in each of three products. The gradient of the
                # data, which nothing asks for, is counted too: the share is that of a step that needs it.
                operations = 6 * sizes.batch_size * weights
                rows.append(
                    [
                        precision,
                        "yes" if with_graph else "no",
                        f"{density:g}",
                        f"{1e3 * seconds:.3f}",
                        f"{operations / seconds / peaks[precision]:.0%}",
                    ]
                )
                if density == 1.0 and precision == ("tf32" if device.type == "cuda" else "float32"):
                    ours_in_tf32 = min(seconds, ours_in_tf32) if with_graph else seconds
    head = ["precision", "CUDA graph", "density", "ms", "share of the matrix peak, as if dense"]
    products = ", ".join(f"{precision} {rate / 1e12:.1f} TFLOP/s" for precision, rate in peaks.items())
    lines = [
        f"Matrix products of size {sizes.matrix}: {products}.",
        "",
        *table(head, rows),
        "",
        f"Plain PyTorch, data on the device, {'TF32' if device.type == 'cuda' else 'float32'}: "
        f"{1e3 * plain:.3f} ms.",
    ]
    target = Target("plain PyTorch / ours, dense", plain / ours_in_tf32, 0.5)
    return Section("One training step", lines, [target])


def step_seconds(
    device: torch.device, task: Task, sizes: Sizes, precision: str, density: float, with_graph: bool
) -> tuple[float, int]:
    """Return the seconds of a step, and the number of weights of the dense network."""
    network = papers_network(task, sizes).to(device)
    trainer = Trainer(
        network,
        task,
        settings_of(sizes, precision),
        masks_of(network, density, torch.device("cpu")),
        0,
        layers_on_kept_weights=(),
        cuda_graph=with_graph,
    )
    number = sizes.num_timed_steps
    trainer.run(number // 5 + 1)
    seconds = seconds_of(device, lambda: trainer.run(trainer.step + number)) / number
    weights = sum(each.weight.numel() for each in network.modules() if isinstance(each, nn.Linear))
    return seconds, weights


def plain_step_seconds(device: torch.device, task: Task, sizes: Sizes) -> float:
    """Return the seconds of a step of a plain loop: bytes on the device, SGD, no masks."""
    network = papers_network(task, sizes).to(device).train()
    inputs = torch.from_numpy(task.train_inputs).to(device).flatten(1)
    labels = torch.from_numpy(task.train_labels).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def some_steps(number: int) -> None:
        for _ in range(number):
            rows = torch.randint(len(labels), (sizes.batch_size,), device=device)
            batch = (inputs[rows].float() - 127.5) / 73.9
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(batch), labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    with tf32_if(True):
        some_steps(sizes.num_timed_steps // 5 + 1)
        return seconds_of(device, lambda: some_steps(sizes.num_timed_steps)) / sizes.num_timed_steps


def replicates_section(device: torch.device, sizes: Sizes) -> Section:
    rows, ratios = [], []
    for with_graph in (False, True) if device.type == "cuda" else (False,):
        alone = replicates_seconds(device, 1, with_graph, sizes)
        together = replicates_seconds(device, sizes.num_replicates, with_graph, sizes)
        rows.append(
            [
                "yes" if with_graph else "no",
                f"{1e3 * alone:.3f}",
                f"{1e3 * together:.3f}",
                f"{together / alone:.2f}",
            ]
        )
        ratios.append(together / alone)
    head = ["CUDA graph", "one replicate, ms", f"{sizes.num_replicates} together, ms", "together / one"]
    lines = ["400–100–4, batch 256, density 0.3; a step.", "", *table(head, rows)]
    return Section("Replicates", lines, [Target("together / one", min(ratios), 3, at_most=True)])


def replicates_seconds(device: torch.device, number: int, with_graph: bool, sizes: Sizes) -> float:
    trainers = {}
    settings = TrainingSettings(steps=10**6, batch_size=256, learning_rate=0.2, evaluations=1)
    for seed in range(number):
        task = white_task(Geometry(1, (20, 20)), num_classes=4, seed=seed)
        network = FullyConnected(400, 4, NetworkSettings(widths=(100,)))
        initialise_(network, "torch", seed)
        masks = masks_of(network, 0.3, torch.device("cpu"))
        trainers[seed] = Trainer(
            network.to(device),
            task,
            settings,
            masks,
            seed,
            layers_on_kept_weights=(),
            cuda_graph=with_graph,
        )

    def until(step: int) -> Callable[[], object]:
        if number == 1:
            return lambda: trainers[0].run(step)
        return lambda: train_together(trainers, step)

    warm, timed = sizes.num_timed_steps // 5 + 1, 2 * sizes.num_timed_steps
    until(warm)()
    return seconds_of(device, until(warm + timed)) / timed


def instruments_section(device: torch.device, sizes: Sizes) -> Section:
    task, rows, slowest = papers_task(sizes), [], 0.0
    for density in sizes.densities:
        network = papers_network(task, sizes).to(device).eval()
        masks = masks_of(network, density, torch.device("cpu"))
        seconds = seconds_of(
            device,
            lambda network=network, masks=masks: measure_network(
                network, task, masks=masks, instruments=("locality", "gaussianity", "cavity")
            ),
        )
        step, _ = step_seconds(device, task, sizes, "float32", density, False)
        share = seconds / (100_000 * step)
        slowest = max(slowest, share)
        rows.append([f"{density:g}", f"{seconds:.2f}", f"{share:.1%}"])
    head = [
        "density",
        "locality, gaussianity and cavity of all layers, s",
        "share of a level of 100 000 steps",
    ]
    target = Target("largest share of a level", 100 * slowest, 10, at_most=True, unit=" %")
    return Section("Instruments", table(head, rows), [target])


def run_section(device: torch.device, sizes: Sizes, deadline: float) -> Section:
    """Prune as the papers do, with fewer steps; stop after the level that passes the deadline."""
    task = papers_task(sizes)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    pruning = PruningSettings(rate=0.3, max_levels=sizes.num_levels, min_density=0.0008, scope="layer")
    training = settings_of(sizes, "tf32" if device.type == "cuda" else "float32", sizes.steps_of_a_level)
    levels = imp(
        papers_network(task, sizes).to(device),
        task,
        training,
        pruning,
        acceleration=Acceleration(cuda_graph=device.type == "cuda"),
    )
    times, densities, start = [], [], time.perf_counter()
    for level in levels:
        times.append(time.perf_counter() - start)
        densities.append(level.density)
        if time.perf_counter() > deadline:
            break
        start = time.perf_counter()
    hours = PAPERS_STEPS * np.mean(times) / sizes.steps_of_a_level / 3600
    lines = [
        f"{len(times)} levels of {sizes.steps_of_a_level} steps, densities 1 to {densities[-1]:.3g}: "
        f"{sum(times):.1f} s, {1e3 * np.mean(times) / sizes.steps_of_a_level:.3f} ms a step with pruning and "
        f"evaluation. The papers' {PAPERS_STEPS / 1e6:.2f} million steps at this rate: {hours:.2f} hours.",
    ]
    if device.type == "cuda":
        used, held = (
            read(device) / 2**30 for read in (torch.cuda.max_memory_allocated, torch.cuda.max_memory_reserved)
        )
        lines += ["", f"Memory of the device: {used:.2f} GiB used at most, {held:.2f} GiB held."]
    target = Target("hours for the papers' steps", float(hours), 1.5, at_most=True, unit="")
    return Section("A whole run", lines, [target])


if __name__ == "__main__":
    main()
