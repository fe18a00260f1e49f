"""The choice of layers that take the sparse step: those below the density at which it is faster.

See "Which layers train on kept weights is measured once a run, and recorded" in docs/decisions.md.
"""

import functools
import math
import time
from collections.abc import Callable, Collection, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.errors import InputError
from sparsight.sparse._kernel import Kernel
from sparsight.sparse._on_gpu import sparse_product
from sparsight.sparse._pattern import Pattern
from sparsight.sparse._sequential import has_tiles, sparse_candidates
from sparsight.sparse._threads import num_threads, threads_taken_from_torch
from sparsight.sparse._tiles import Batch, Table, Tiling

Crossovers = Mapping[str, float]
"""The density at or below which a layer takes the sparse step, by its shape: ``1024x3072`` for (out, in)."""

SMALLEST = 2**16
"""Fewest weights with which a sparse step can be faster; smaller layers stay dense with ``auto``."""

FIXED_CROSSOVER = 0.25
"""Crossover of layers with at least `SMALLEST` weights that have not been measured. Measured crossovers were
0.18 to 0.35, by shape and moment."""

# The time of a sparse product is close to a line in the density, so two densities on either side of the usual
# crossovers determine it.
_PROBED_DENSITIES = (0.1, 0.3)
_PROBED_SAMPLES = 384
_PROBED_SECONDS, _MOST_REPEATS = 0.06, 5
# Half octaves: coarse enough for a machine to find the same value nearly every time.
_STEPS_PER_OCTAVE = 2
_HIGHEST = 0.5
_HALF_OCTAVE = 2 ** (1 / _STEPS_PER_OCTAVE)


def sparse_layers(
    network: nn.Module, masks: Mapping[str, Tensor], kernel: Kernel, crossovers: Crossovers | None = None
) -> list[str]:
    """Return the layers of a level that take the sparse step: a function of the arguments alone.

    Parameters
    ----------
    masks : mapping of str to Tensor of bool
        By parameter name.
    kernel : {"auto", "dense", "csr"}
        With ``auto``, the layers at or below their crossover, provided that they hold at least half of the
        weights of all large layers. Layers above their crossover by no more than its rounding then join them.
    crossovers : mapping of str to float, optional
        Measured crossovers; `FIXED_CROSSOVER` applies to missing shapes.

    Raises
    ------
    InputError
        If the kernel is ``csr`` and the network is not a plain chain (see `sparse_candidates`).
    """
    if kernel == "dense":
        return []
    candidates = sparse_candidates(network)
    if kernel == "csr" and not candidates:
        raise InputError(
            f"training.kernel is 'csr', but {type(network).__name__} is not a plain torch.nn.Sequential "
            "without hooks and shared weights; choose 'auto' or 'dense'"
        )
    pruned = {name: masks[f"{name}.weight"] for name in candidates if f"{name}.weight" in masks}
    if kernel == "csr":
        return [name for name, mask in pruned.items() if not mask.all()]
    pays = [name for name, mask in pruned.items() if _pays(mask, crossovers or {})]
    if not _are_most(pays, network, candidates):
        return []
    return [name for name, mask in pruned.items() if _pays(mask, crossovers or {}, _HALF_OCTAVE)]


def _are_most(names: Collection[str], network: nn.Module, candidates: Collection[str]) -> bool:
    """Return whether these layers hold at least half of the weights of all large layers.

    Beside a larger dense layer tiles cost more than they save: 0.77 and 0.88 times the dense speed were
    measured.
    """
    sizes = {name: network.get_parameter(f"{name}.weight").numel() for name in candidates}
    total = sum(size for size in sizes.values() if size >= SMALLEST)
    return 2 * sum(sizes[name] for name in names) >= total


def _pays(mask: Tensor, crossovers: Crossovers, margin: float = 1.0) -> bool:
    if mask.numel() < SMALLEST:
        return False
    crossover = crossovers.get(_key(*mask.shape), FIXED_CROSSOVER)
    return int(mask.count_nonzero()) <= margin * crossover * mask.numel()


def crossover_measurements(
    shapes: Collection[tuple[int, int]], device: torch.device
) -> dict[str, Callable[[], float]]:
    """Return a function that measures the crossover of each (out, in) with at least `SMALLEST` weights.

    They are named as in `Crossovers`. Each times dense and sparse products on this machine, and models the
    time of a sparse product as a line in the density through two densities. A time is that of forward pass
    and weight gradient on 384 samples, the least of two to five repeats. This takes well under a second for
    1024 units with 3072 inputs on one core.
    """
    large = sorted({shape for shape in shapes if math.prod(shape) >= SMALLEST})
    return {_key(*shape): functools.partial(_measured_crossover, shape, device) for shape in large}


def _key(num_outputs: int, num_inputs: int) -> str:
    return f"{num_outputs}x{num_inputs}"


def _measured_crossover(shape: tuple[int, int], device: torch.device) -> float:
    dense, sparse = _probe(shape, device)
    return crossover_of_times(dense, dict(zip(_PROBED_DENSITIES, sparse, strict=True)))


def crossover_of_times(dense: float, sparse: Mapping[float, float]) -> float:
    """Return the density at which a line through two sparse times meets the dense time, in coarse steps.

    `sparse` maps two densities to seconds. The result is 0, or the next lower value of ½, 2^-1½, ¼, …:
    coarse, so that a machine finds the same value nearly every time, and at most ½, so that a disturbed
    measurement does little harm.
    """
    (low, at_low), (high, at_high) = sorted(sparse.items())
    slope = max((at_high - at_low) / (high - low), 1e-12)
    density = low + (dense - at_low) / slope
    if density <= 0.001:
        return 0.0
    steps = math.floor(_STEPS_PER_OCTAVE * math.log2(min(density, _HIGHEST)))
    return float(2.0 ** (steps / _STEPS_PER_OCTAVE))


def _probe(shape: tuple[int, int], device: torch.device) -> tuple[float, list[float]]:
    stream = torch.Generator().manual_seed(0)
    inputs = torch.randn(_PROBED_SAMPLES, shape[1], generator=stream).to(device)
    draws = torch.rand(shape, generator=stream)
    bias = torch.zeros(shape[0], device=device)
    weight = torch.zeros(shape, device=device, requires_grad=True)
    dense = _seconds(_there_and_back(lambda: functional.linear(inputs, weight, bias)), device)
    with threads_taken_from_torch():
        sparse = [
            _seconds(_there_and_back(_product(draws < density, inputs, bias)), device)
            for density in _PROBED_DENSITIES
        ]
    return dense, sparse


def _product(mask: Tensor, inputs: Tensor, bias: Tensor) -> Callable[[], Tensor]:
    """Return the product of a layer with a batch, as a level computes it."""
    pattern = Pattern.of(mask.to(inputs.device))
    values = torch.zeros(pattern.num_kept, device=inputs.device, requires_grad=True)
    if not has_tiles(inputs.device):
        return lambda: sparse_product(values, bias, inputs, pattern)
    from sparsight.sparse._block import Block
    from sparsight.sparse._live_part import LivePart

    block = Block(LivePart(pattern=pattern))
    batch, tiling = Batch(Table(inputs.numpy()), np.arange(len(inputs))), Tiling.of(len(inputs))
    return lambda: block(values, bias, batch, tiling).tiles


def _there_and_back(product: Callable[[], Tensor]) -> Callable[[], None]:
    """Return a function that runs a forward and a backward pass, with a prepared gradient of the outputs."""
    gradient = torch.ones_like(product())
    return lambda: product().backward(gradient)  # type: ignore[no-untyped-call]


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    """Return the least of two or more times, after a first call that compiles and warms up."""
    clock = time.perf_counter
    if device.type == "cpu" and num_threads() == 1:
        clock = time.thread_time  # does not count the time that other processes take from the core
    step()
    times: list[float] = []
    while len(times) < 2 or (sum(times) < _PROBED_SECONDS and len(times) < _MOST_REPEATS):
        _finish(device)
        began = clock()
        step()
        _finish(device)
        times.append(clock() - began)
    return min(times)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
