"""Which layers of a level take the sparse step: those below the density at which it starts to pay."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.errors import InputError
from sparsight.sparse._pattern import Pattern
from sparsight.sparse._sequential import has_tiles, sparse_candidates
from sparsight.sparse._threads import num_threads, threads_taken_from_torch
from sparsight.sparse._tiles import Batch, Table, Tiling
from sparsight.sparse._torch_products import sparse_product

Kernel = Literal["auto", "dense", "csr"]
"""``auto``: kept weights only below the crossover; ``dense``: nowhere; ``csr``: in every pruned layer."""

Shape = tuple[int, int]
Crossovers = Mapping[str, float]
"""The density at or below which a layer takes the sparse step, by `shape_key`."""

SMALLEST = 2**16
"""Weights of a layer from which on a sparse step can pay; smaller layers stay dense with ``auto``."""

FIXED_CROSSOVER = 0.25
"""For layers of at least `SMALLEST` weights that nobody has measured."""

_PROBED_DENSITIES = (0.1, 0.3)
_PROBED_SAMPLES = 384
_PROBED_SECONDS, _MOST_REPEATS = 0.06, 5
_STEPS_PER_OCTAVE = 2
_HIGHEST = 0.5
_HALF_OCTAVE = 2 ** (1 / _STEPS_PER_OCTAVE)


def shape_key(shape: Shape) -> str:
    """Return ``1024x3072`` for (1024, 3072)."""
    return f"{shape[0]}x{shape[1]}"


def is_worth_measuring(shape: Shape) -> bool:
    """Whether a layer is large enough for a sparse step to pay at any density."""
    return shape[0] * shape[1] >= SMALLEST


def sparse_layers(
    network: nn.Module, masks: Mapping[str, Tensor], kernel: Kernel, crossovers: Crossovers | None = None
) -> list[str]:
    """Return the layers of a level that take the sparse step: a function of the arguments alone.

    Parameters
    ----------
    network : torch.nn.Module
    masks : mapping of str to Tensor of bool
        By parameter name.
    kernel : {"auto", "dense", "csr"}
        With ``auto`` none does unless those that profit hold at least half of all large layers' weights;
        and then one that is above its crossover by no more than its rounding goes with them.
    crossovers : mapping of str to float, optional
        As measured; `FIXED_CROSSOVER` for shapes it lacks.

    Raises
    ------
    InputError
        If the kernel is ``csr`` and the network is no plain chain (see `sparse_candidates`).
    """
    if kernel == "dense":
        return []
    candidates = sparse_candidates(network)
    if kernel == "csr" and not candidates:
        raise InputError(
            f"training.kernel is 'csr', but {type(network).__name__} is no plain torch.nn.Sequential without "
            "hooks and shared weights; choose 'auto' or 'dense'"
        )
    pruned = {name: masks[f"{name}.weight"] for name in candidates if f"{name}.weight" in masks}
    if kernel == "csr":
        return [name for name, mask in pruned.items() if not mask.all()]
    pays = [name for name, mask in pruned.items() if _pays(mask, crossovers or {})]
    if not _are_most(pays, network, candidates):
        return []
    return [name for name, mask in pruned.items() if _pays(mask, crossovers or {}, _HALF_OCTAVE)]


def _are_most(names: Collection[str], network: nn.Module, candidates: Collection[str]) -> bool:
    """Whether these are the bulk of the large layers: beside larger dense ones tiles cost more than help."""
    sizes = {name: network.get_parameter(f"{name}.weight") for name in candidates}
    large = {name: w.numel() for name, w in sizes.items() if is_worth_measuring((w.shape[0], w.shape[1]))}
    return 2 * sum(large[name] for name in names) >= sum(large.values())


def _pays(mask: Tensor, crossovers: Crossovers, margin: float = 1.0) -> bool:
    shape = (mask.shape[0], mask.shape[1])
    if not is_worth_measuring(shape):
        return False
    crossover = crossovers.get(shape_key(shape), FIXED_CROSSOVER)
    return int(mask.count_nonzero()) <= margin * crossover * mask.numel()


def measured_crossovers(shapes: Collection[Shape], device: torch.device) -> dict[str, float]:
    """Time dense and sparse products of layers on this machine, and return where they cross.

    The time of a sparse product is a line in the density, taken from two densities; forward and weight
    gradient together, the least of two to five repeats, on 384 samples. Well under a second for 1024 units
    with 3072 inputs on one core.

    Parameters
    ----------
    shapes : collection of (out, in)
        Those of fewer than `SMALLEST` weights are left out.
    device : torch.device
    """
    found = {}
    for shape in sorted(set(shapes)):
        if is_worth_measuring(shape):
            dense, sparse = _probe(shape, device)
            found[shape_key(shape)] = crossover_of_times(
                dense, dict(zip(_PROBED_DENSITIES, sparse, strict=True))
            )
    return found


def crossover_of_times(dense: float, sparse: Mapping[float, float]) -> float:
    """Return the density at which a line through two sparse times meets the dense time, in coarse steps.

    Parameters
    ----------
    dense : float
        Seconds.
    sparse : mapping of float to float
        Density to seconds, at two densities.

    Returns
    -------
    float
        0, or the next lower of ½, 2^-1½, ¼, …: coarse, so that a machine finds the same value nearly every
        time, and at most ½, so that a disturbed measurement does little harm.
    """
    (low, at_low), (high, at_high) = sorted(sparse.items())
    slope = max((at_high - at_low) / (high - low), 1e-12)
    density = low + (dense - at_low) / slope
    if density <= 0.001:
        return 0.0
    steps = math.floor(_STEPS_PER_OCTAVE * math.log2(min(density, _HIGHEST)))
    return float(2.0 ** (steps / _STEPS_PER_OCTAVE))


def _probe(shape: Shape, device: torch.device) -> tuple[float, list[float]]:
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
    """Return the product of a layer with a batch as a level takes it, in the middle of a network."""
    pattern = Pattern.of(mask.to(inputs.device))
    values = torch.zeros(pattern.num_kept, device=inputs.device, requires_grad=True)
    if not has_tiles(inputs.device):
        return lambda: sparse_product(values, bias, inputs, pattern)
    from sparsight.sparse._block import Block
    from sparsight.sparse._live_part import LivePart

    block = Block(LivePart(pattern))
    batch, tiling = Batch(Table(inputs.numpy()), np.arange(len(inputs))), Tiling.of(len(inputs))
    return lambda: block(values, bias, batch, tiling).tiles


def _there_and_back(product: Callable[[], Tensor]) -> Callable[[], None]:
    """Return a forward and a backward pass, from a gradient of the outputs that is at hand."""
    gradient = torch.ones_like(product())
    return lambda: product().backward(gradient)  # type: ignore[no-untyped-call]


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    """Return the least of two or more times, after one that compiles and warms up."""
    clock = time.perf_counter
    if device.type == "cpu" and num_threads() == 1:
        clock = time.thread_time  # other processes' shares of the core do not count
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
