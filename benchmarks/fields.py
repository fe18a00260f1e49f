"""Benchmark of field sampling: axis factors and FFT against the dense covariance.

Run with ``python -m benchmarks.fields``. Three times for 32x32 NLGP fields (gain 3, Gaussian kernel):

- *many*: seconds for 100 000 images, set-up included;
- *batch*: seconds for one batch of 256, set-up included, as when a parameter changes between batches;
- *set-up*: seconds for the factor alone.

The dense sampler is a first implementation in float64: the covariance of all pixels from the formula,
`scipy.linalg.eigh` (a kernel this smooth has no numerical Cholesky factor), negative eigenvalues clipped,
white noise times the factor, `scipy.special.erf`. `dense, default` uses
`numpy.random.Generator.multivariate_normal` (SVD) instead. Both sides run on one thread, in a separate
process, because the BLAS of NumPy and SciPy reads its number of threads from the environment when it is
loaded.

It also prints where our time goes, in nanoseconds per pixel for many images (`parts`).
"""

import argparse
import importlib
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special
import torch

from sparsight.data import nlgp_sampler, product_covariance
from sparsight.data.fields._covariance import covariance_matrix
from sparsight.data.fields._gaussian_samplers import _axis_factor, product_sampler
from sparsight.data.fields._nlgp import nlgp_twin_sampler, nlgp_variance
from sparsight.data.fields._vector_loops import normal_pairs, scaled_erf
from sparsight.data.fields._white_noise import white_noise
from sparsight.streams import generator

SIZE, CORRELATION_LENGTH, GAIN = (32, 32), 4.0, 3.0
CONV_EMERGE = "conv_emerge, torus"
NUM_MANY, NUM_BATCH, BLOCK = 100_000, 256, 1024


def ours(wraps: bool, twin: bool = False) -> Callable[[np.random.Generator, int], np.ndarray]:
    covariance = product_covariance(SIZE, CORRELATION_LENGTH, 2, wraps)
    return (nlgp_twin_sampler if twin else nlgp_sampler)(covariance, GAIN)


def dense(wraps: bool) -> Callable[[np.random.Generator, int], np.ndarray]:
    matrix = covariance_matrix(
        product_covariance(SIZE, CORRELATION_LENGTH, 2, wraps).by_displacement(), wraps
    )
    eigenvalues, vectors = scipy.linalg.eigh(matrix)
    factor = vectors * np.sqrt(np.maximum(eigenvalues, 0))

    def sample(rng: np.random.Generator, num_samples: int) -> np.ndarray:
        white = rng.standard_normal((num_samples, len(factor)))
        return scipy.special.erf(GAIN / math.sqrt(2) * white @ factor.T) / math.sqrt(nlgp_variance(GAIN))

    return sample


def dense_default(wraps: bool) -> Callable[[np.random.Generator, int], np.ndarray]:
    matrix = covariance_matrix(
        product_covariance(SIZE, CORRELATION_LENGTH, 2, wraps).by_displacement(), wraps
    )

    def sample(rng: np.random.Generator, num_samples: int) -> np.ndarray:
        fields = rng.multivariate_normal(np.zeros(len(matrix)), matrix, num_samples)
        return scipy.special.erf(GAIN / math.sqrt(2) * fields) / math.sqrt(nlgp_variance(GAIN))

    return sample


def conv_emerge(clone: Path) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Return the sampler of a clone of sgoldt/conv_emerge: its class, with its covariance on a torus.

    It factorises the covariance at every call and draws from NumPy's global stream.
    """
    sys.path.insert(0, str(clone))
    theirs = importlib.import_module("inputs")
    covariance = theirs.trans_inv_var(SIZE[0], torus=True, p=2, xi=CORRELATION_LENGTH, dim=2)
    process = theirs.NLGP("erf", covariance, gain=GAIN)
    return lambda _rng, num_samples: process.sample(num_samples)


def seconds(action: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Return the median, minimum and maximum duration."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times), min(times), max(times)


def draw(make: Callable[[], Callable[[np.random.Generator, int], np.ndarray]], num_samples: int) -> None:
    sampler, rng = make(), generator(0, "benchmark")
    for start in range(0, num_samples, BLOCK):
        sampler(rng, min(BLOCK, num_samples - start))


def noise_seconds() -> float:
    """Return the seconds that NumPy takes to draw one float32 normal number."""
    rng = generator(0, "benchmark")
    shape = (BLOCK, math.prod(SIZE))
    one_block, _, _ = seconds(lambda: rng.standard_normal(shape, dtype=np.float32), 5)
    return one_block / math.prod(shape)


def parts(repeats: int = 30) -> dict[str, float]:
    """Return processor nanoseconds per pixel for each part of a field on a torus, minimum of the repeats.

    "draw bits" and "normal numbers" make the noise; "products" is the rest of the Gaussian field. The parts
    add up to more than "all" when another process uses the cache.
    """
    covariance = product_covariance(SIZE, CORRELATION_LENGTH, 2, True)
    gaussian, nlgp = product_sampler(covariance), nlgp_sampler(covariance, GAIN)
    rank = _axis_factor(covariance.rows[0], True).shape[1]
    rng, num_pixels = generator(0, "benchmark"), BLOCK * math.prod(SIZE)
    num_pairs = BLOCK * rank**2 // 2
    bits = rng.integers(0, 2**64, num_pairs, dtype=np.uint64).view(np.int32).reshape(2, -1)
    pixels, one = gaussian(rng, BLOCK).reshape(-1), np.float32(1)
    actions: dict[str, Callable[[], object]] = {
        "noise": lambda: white_noise(rng, (BLOCK, rank, rank)),
        "normal numbers": lambda: normal_pairs(bits),
        "gaussian": lambda: gaussian(rng, BLOCK),
        "erf": lambda: scaled_erf(pixels, one, one),
        "all": lambda: nlgp(rng, BLOCK),
    }
    least = dict.fromkeys(actions, math.inf)
    for _ in range(repeats):
        for name, action in actions.items():
            start = time.thread_time()
            action()
            least[name] = min(least[name], 1e9 * (time.thread_time() - start) / num_pixels)
    return {
        "draw bits": least["noise"] - least["normal numbers"],
        "normal numbers": least["normal numbers"],
        "products": least["gaussian"] - least["noise"],
        "erf": least["erf"],
        "all": least["all"],
    }


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def alone(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function of this module in a fresh process with one thread."""
    with (
        _environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"),
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process,
    ):
        return process.submit(function, *arguments).result()


def main(
    repeats: int = 3, num_many: int = NUM_MANY, clone: Path | None = None
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Time every sampler, print a table and the ratios, and return (median, minimum, maximum) seconds."""
    found: dict[str, dict[str, tuple[float, float, float]]] = alone(_timed, repeats, num_many, clone)
    return found


def _timed(
    repeats: int, num_many: int, clone: Path | None
) -> dict[str, dict[str, tuple[float, float, float]]]:
    torch.set_num_threads(1)
    draw(lambda: ours(True), 2)  # load the compiled loops before the clock runs
    samplers = {
        "ours, torus": lambda: ours(True),
        "ours, open": lambda: ours(False),
        "ours, twin on a torus": lambda: ours(True, twin=True),
        "ours, twin of an open field": lambda: ours(False, twin=True),
        "dense": lambda: dense(True),
        "dense, default": lambda: dense_default(True),
    }
    if clone is not None:
        samplers[CONV_EMERGE] = lambda: conv_emerge(clone)
    results: dict[str, dict[str, tuple[float, float, float]]] = {}
    for name, make in samplers.items():
        results[name] = {
            "set-up": seconds(make, repeats),
            "batch": seconds(lambda make=make: draw(make, NUM_BATCH), repeats),
        }
        if name == CONV_EMERGE:  # one call, because each call factorises the covariance
            results[name]["many"] = seconds(lambda make=make: make()(generator(0), num_many), 1)
        elif name != "dense, default":  # this one also factorises at every call, and more slowly
            results[name]["many"] = seconds(
                lambda make=make: draw(make, num_many), 1 if "dense" in name else repeats
            )
        cells = ", ".join(f"{k} {m:.4g} s ({a:.4g}–{b:.4g})" for k, (m, a, b) in results[name].items())
        print(f"{name}: {cells}", flush=True)
    for measure in ("set-up", "batch", "many"):
        ratio = results["dense"][measure][0] / results["ours, torus"][measure][0]
        print(f"{measure}: dense / ours on a torus = {ratio:.1f}")
    ratio = results["dense, default"]["batch"][0] / results["ours, torus"]["batch"][0]
    print(f"batch: dense, default / ours on a torus = {ratio:.1f}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fields", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--many", type=int, default=NUM_MANY, help="number of images")
    parser.add_argument("--conv-emerge", type=Path, help="a clone of conv_emerge")
    options = parser.parse_args()
    main(options.repeats, options.many, options.conv_emerge)
    print("ns per pixel:", ", ".join(f"{name} {each:.2f}" for name, each in alone(parts).items()))
