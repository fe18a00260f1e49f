"""The cavity of every weight: against matrix products alone, against one weight at a time, and in memory.

Run with ``python benchmarks/cavity.py``. A layer of 3072 inputs and 1024 units on 10 000 samples, float32,
on one thread:

- *of the matrix rate*: the time that its six products alone take at the rate measured in the same run, over
  the time of the whole (pre-activations, powers, checks, assembly of four maps included);
- *against the incremental loop*: λ − w h and its kurtosis, one weight at a time, timed on some weights
  and multiplied; once as one writes it first (`scipy.stats.kurtosis`), once tuned by hand (columns side by
  side, sums by BLAS, float32);
- *low density*: the time at 3 and 1 % density over that at density 1;
- *memory*: how the peak of a fresh process grows from 10⁴ to 10⁶ samples that come in batches (Linux).

Each is a median; the least and greatest of the repeats are printed beside it.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kurtosis

from sparsight.measure.cavity import cavity
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

    def plain() -> None:
        for unit, i in chosen:
            kurtosis(lam[:, unit] - weight[unit, i] * inputs[:, i])

    def tuned() -> None:
        for unit, i in chosen:
            without = units[unit] - weight[unit, i] * columns[i]
            without -= without.mean()
            squares = without * without
            (squares @ squares) / len(squares) / squares.mean() ** 2 - 3

    return {"plain": plain, "tuned": tuned}


def peak_bytes(num_samples: int, results: "multiprocessing.Queue[int]") -> None:
    torch.set_num_threads(1)

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, num_samples, 2000):
            yield generator(0, "benchmark", start).standard_normal((2000, 256), dtype=np.float32)

    cavity(generator(0, "benchmark", "weight").standard_normal((64, 256)), batches())
    # not getrusage: that starts at the peak of the process that forked this one
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


def main() -> None:
    torch.set_num_threads(1)
    weight, inputs = layer(1.0)
    print(f"{NUM_INPUTS}x{NUM_UNITS} weights, {NUM_SAMPLES} samples, float32, one thread")
    products = six_products(weight, inputs)
    # alternating, so that a busy neighbour slows both
    product_times, cavity_times = [], []
    for _ in range(REPEATS):
        product_times += seconds(products, 1)
        cavity_times += seconds(lambda: cavity(weight, inputs), 1)
    rate = 12 * NUM_SAMPLES * NUM_UNITS * NUM_INPUTS / statistics.median(product_times) / 1e9
    share = statistics.median(a / b for a, b in zip(product_times, cavity_times, strict=True))
    print(f"six products alone   {described(product_times)}, {rate:.0f} GFLOP/s")
    print(f"cavity               {described(cavity_times)}: {share:.0%} of the matrix rate (target: 60 %)")
    for name, loop in incremental_loops(weight, inputs).items():
        whole = statistics.median(seconds(loop)) / NUM_TIMED_WEIGHTS * weight.size
        factor = whole / statistics.median(cavity_times)
        print(f"one at a time, {name} {whole:.0f} s: {factor:.0f} times ours (target: 100)")
    for density in (0.03, 0.01):
        sparse_weight, _ = layer(density)
        sparse_times = seconds(lambda w=sparse_weight: cavity(w, inputs))
        gain = statistics.median(cavity_times) / statistics.median(sparse_times)
        print(f"at density {density:.2f}      {described(sparse_times)}: {gain:.1f} times faster than dense")
    peaks = [peak_of_process(n) for n in (10**4, 10**5, 10**6)]
    print(
        "peak memory          "
        + ", ".join(f"{peak / 2**20:.0f} MiB" for peak in peaks)
        + f" at 1e4, 1e5, 1e6 samples of 256x64: factor {peaks[-1] / peaks[0]:.3f} (target: 1)"
    )


if __name__ == "__main__":
    main()
