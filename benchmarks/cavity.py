"""Benchmark of the cavity of every weight: time against matrix products and loops, and memory.

Run with ``python -m benchmarks.cavity``. A layer of 3072 inputs and 1024 units on 10 000 samples, float32,
on one thread:

- *share of the matrix rate*: the time of its six products alone, measured in the same run, over the time of
  the whole (which includes pre-activations, powers, checks, and the assembly of four maps);
- *incremental loop*: λ − w h and its kurtosis, one weight at a time, timed on some weights and extrapolated:
  a first implementation in numpy, one with `scipy.stats.kurtosis`, and one tuned by hand (contiguous
  columns, sums by BLAS, float32);
- *low density*: the time at 3 and 1 % density relative to density 1;
- *memory*: growth of the peak of a fresh process from 10⁴ to 10⁶ samples, given in batches (Linux).

Each time is a median, printed with the minimum and maximum of the repeats.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kurtosis

from sparsight.measure import cavity
from sparsight.streams import generator

NUM_UNITS, NUM_INPUTS, NUM_SAMPLES = 1024, 3072, 10_000
REPEATS = 3
NUM_TIMED_WEIGHTS = 300


def seconds(action: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return times


def described(times: list[float]) -> str:
    return f"{statistics.median(times):.3g} s ({min(times):.3g} to {max(times):.3g})"


def layer(density: float) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(0, "benchmark", "cavity")
    inputs = rng.laplace(size=(NUM_SAMPLES, NUM_INPUTS)).astype(np.float32)
    kept = rng.random((NUM_UNITS, NUM_INPUTS)) < density
    weight = rng.normal(size=kept.shape) / np.sqrt(NUM_INPUTS * density)
    return np.where(kept, weight, 0.0).astype(np.float32), inputs


def six_products(weight: np.ndarray, inputs: np.ndarray) -> Callable[[], object]:
    h = torch.from_numpy(inputs)
    lam = (h @ torch.from_numpy(weight).T).T.contiguous().T

    def run() -> None:
        for _ in range(6):
            lam.T @ h

    return run


def incremental_loops(weight: np.ndarray, inputs: np.ndarray) -> dict[str, Callable[[], object]]:
    lam = inputs @ weight.T
    chosen = generator(0, "benchmark", "weights").integers(0, weight.shape, (NUM_TIMED_WEIGHTS, 2))
    units, columns = np.ascontiguousarray(lam.T), np.ascontiguousarray(inputs.T)

    def numpy() -> None:
        for unit, i in chosen:
            without = lam[:, unit] - weight[unit, i] * inputs[:, i]
            deviations = without - without.mean()
            (deviations**4).mean() / (deviations**2).mean() ** 2 - 3

    def scipy() -> None:
        for unit, i in chosen:
            kurtosis(lam[:, unit] - weight[unit, i] * inputs[:, i])

    def tuned() -> None:
        for unit, i in chosen:
            without = units[unit] - weight[unit, i] * columns[i]
            without -= without.mean()
            squares = without * without
            (squares @ squares) / len(squares) / squares.mean() ** 2 - 3

    return {"numpy": numpy, "scipy": scipy, "tuned": tuned}


def peak_bytes(num_samples: int, results: "multiprocessing.Queue[int]") -> None:
    torch.set_num_threads(1)

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, num_samples, 2000):
            yield generator(0, "benchmark", start).standard_normal((2000, 256), dtype=np.float32)

    cavity(generator(0, "benchmark", "weight").standard_normal((64, 256)), batches())
    # Not getrusage: its peak starts at the one of the parent process.
    status = Path("/proc/self/status").read_text()
    results.put(int(status.split("VmHWM:")[1].split()[0]) * 1024)


def peak_of_process(num_samples: int) -> int:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=peak_bytes, args=(num_samples, results))
    process.start()
    peak = results.get()
    process.join()
    return peak


@dataclass(frozen=True)
class CavityTimes:
    """Seconds per repeat. The two sides of `share` alternate, so that other load slows both."""

    products: list[float]
    cavity: list[float]
    one_at_a_time: dict[str, list[float]]
    at_density: dict[float, list[float]]

    @property
    def share(self) -> float:
        """The median over repeats of the products' time over that of the whole."""
        return statistics.median(a / b for a, b in zip(self.products, self.cavity, strict=True))

    @property
    def rate(self) -> float:
        """The rate of the products, in 10⁹ operations per second."""
        return 12 * NUM_SAMPLES * NUM_UNITS * NUM_INPUTS / statistics.median(self.products) / 1e9

    def factor(self, name: str) -> float:
        """Return the time of a loop over single weights relative to ours."""
        return statistics.median(self.one_at_a_time[name]) / statistics.median(self.cavity)


def measured(repeats: int = REPEATS) -> CavityTimes:
    torch.set_num_threads(1)
    weight, inputs = layer(1.0)
    products = six_products(weight, inputs)
    product_times, cavity_times = [], []
    for _ in range(repeats):
        product_times += seconds(products, 1)
        cavity_times += seconds(lambda: cavity(weight, inputs), 1)
    loops = {
        name: [time * weight.size / NUM_TIMED_WEIGHTS for time in seconds(loop, repeats)]
        for name, loop in incremental_loops(weight, inputs).items()
    }
    sparse = {}
    for density in (0.03, 0.01):
        sparse_weight, _ = layer(density)
        sparse[density] = seconds(lambda w=sparse_weight: cavity(w, inputs), repeats)
    return CavityTimes(product_times, cavity_times, loops, sparse)


def main() -> None:
    print(f"{NUM_INPUTS}x{NUM_UNITS} weights, {NUM_SAMPLES} samples, float32, one thread")
    found = measured()
    print(f"six products alone   {described(found.products)}, {found.rate:.0f} GFLOP/s")
    print(
        f"cavity               {described(found.cavity)}: {found.share:.0%} of the matrix rate (target: 60 %)"
    )
    for name, times in found.one_at_a_time.items():
        print(f"one at a time, {name} {described(times)}: {found.factor(name):.0f} times ours (target: 100)")
    for density, times in found.at_density.items():
        gain = statistics.median(found.cavity) / statistics.median(times)
        print(f"at density {density:.2f}      {described(times)}: {gain:.1f} times faster than dense")
    peaks = [peak_of_process(n) for n in (10**4, 10**5, 10**6)]
    print(
        "peak memory          "
        + ", ".join(f"{peak / 2**20:.0f} MiB" for peak in peaks)
        + f" at 1e4, 1e5, 1e6 samples of 256x64: factor {peaks[-1] / peaks[0]:.3f} (target: 1)"
    )


if __name__ == "__main__":
    main()
