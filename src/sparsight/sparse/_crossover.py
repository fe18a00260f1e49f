"""The choice of layers that take the sparse step: those below the density at which it is faster.

See "Which layers train on kept weights is measured once a run, and recorded" in docs/decisions.md.
"""

import functools
import math
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping

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
# About a usual batch: what a product does once for all samples, such as reordering weights, takes its usual
# share.
_PROBED_SAMPLES = 768
_PROBED_SECONDS, _LEAST_ROUNDS, _MOST_ROUNDS = 0.2, 5, 9
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
        If the kernel is ``csr`` and the network is not a plain chain (see `sparse_candidates`), or the weight
        of a convolution has a mask.
    """
    if kernel == "dense":
        return []
    convolved = [name for name, mask in masks.items() if mask.ndim > 2]
    if kernel == "csr" and convolved:
        raise InputError(
            f"training.kernel is 'csr', but {convolved[0]} is the weight of a convolution, which has no step "
            "on kept weights; choose 'auto' or 'dense'"
        )
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

    They are named as in `Crossovers`. Each times a dense and two sparse steps of such a layer, in turns on
    this machine, and models the time of a sparse step as a line in the density. A step is forward pass,
    weight gradient (masked, if dense) and descent on 768 samples. Of five to nine rounds the median crossover
    counts: what else the machine does then slows both sides of a round. This takes about a second for 1024
    units with 3072 inputs on one core.
    """
    large = sorted({shape for shape in shapes if math.prod(shape) >= SMALLEST})
    return {_key(*shape): functools.partial(_measured_crossover, shape, device) for shape in large}


def _key(num_outputs: int, num_inputs: int) -> str:
    return f"{num_outputs}x{num_inputs}"


def _measured_crossover(shape: tuple[int, int], device: torch.device) -> float:
    return rounded_down(statistics.median(crossing(*times) for times in _rounds(shape, device)))


def crossing(dense: float, low: float, high: float) -> float:
    """Return the density at which the line through the times at the probed densities meets the dense time."""
    at_low, at_high = _PROBED_DENSITIES
    slope = max((high - low) / (at_high - at_low), 1e-12)
    return at_low + (dense - low) / slope


def rounded_down(density: float) -> float:
    """Return the next lower value of ½, 2^-1½, ¼ and so on, or 0.

    It is coarse, so that a machine finds the same value nearly every time, and at most ½, so that a disturbed
    measurement does little harm.
    """
    if density <= 0.001:
        return 0.0
    steps = math.floor(_STEPS_PER_OCTAVE * math.log2(min(density, _HIGHEST)))
    return float(2.0 ** (steps / _STEPS_PER_OCTAVE))


def _rounds(shape: tuple[int, int], device: torch.device) -> Iterator[tuple[float, float, float]]:
    """Time the dense step and the two sparse ones in turns, after a round that compiles and warms up."""
    stream = torch.Generator().manual_seed(0)
    inputs = torch.randn(_PROBED_SAMPLES, shape[1], generator=stream).to(device)
    draws = torch.rand(shape, generator=stream)
    bias = torch.zeros(shape[0], device=device)
    steps = [_dense_step(draws.to(device), inputs, bias)]
    steps += [_sparse_step(draws < density, inputs, bias) for density in _PROBED_DENSITIES]
    spent, num_rounds = 0.0, -1
    while num_rounds < _LEAST_ROUNDS or (spent < _PROBED_SECONDS and num_rounds < _MOST_ROUNDS):
        dense = _seconds(steps[0], device)
        with threads_taken_from_torch():
            low, high = (_seconds(step, device) for step in steps[1:])
        num_rounds += 1
        if num_rounds > 0:
            spent += dense + low + high
            yield dense, low, high


def _dense_step(draws: Tensor, inputs: Tensor, bias: Tensor) -> Callable[[], None]:
    weight = torch.zeros_like(draws, requires_grad=True)
    kept = (draws < _PROBED_DENSITIES[-1]).to(weight.dtype)
    return _step(lambda: functional.linear(inputs, weight, bias), weight, kept)


def _sparse_step(mask: Tensor, inputs: Tensor, bias: Tensor) -> Callable[[], None]:
    """Return a step of a layer on kept weights, as a level computes it."""
    pattern = Pattern.of(mask.to(inputs.device))
    values = torch.zeros(pattern.num_kept, device=inputs.device, requires_grad=True)
    if not has_tiles(inputs.device):
        return _step(lambda: sparse_product(values, bias, inputs, pattern), values)
    from sparsight.sparse._block import Block
    from sparsight.sparse._live_part import LivePart

    block = Block(LivePart(pattern=pattern))
    batch, tiling = Batch(Table(inputs.numpy()), np.arange(len(inputs))), Tiling.of(len(inputs))
    return _step(lambda: block(values, bias, batch, tiling).tiles, values)


def _step(product: Callable[[], Tensor], weight: Tensor, kept: Tensor | None = None) -> Callable[[], None]:
    """Return a function that runs a forward and a backward pass and moves the weights.

    The gradient by the outputs is prepared, and small: the weights stay ordinary numbers.
    """
    by_outputs = torch.full_like(product(), 1e-6)

    def step() -> None:
        weight.grad = None
        product().backward(by_outputs)  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        with torch.no_grad():
            if kept is not None:
                weight.grad.mul_(kept)
            weight.sub_(weight.grad)

    return step


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    clock = time.perf_counter
    if device.type == "cpu" and num_threads() == 1:
        clock = time.thread_time  # does not count the time that other processes take from the core
    _finish(device)
    began = clock()
    step()
    _finish(device)
    return clock() - began


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
