"""The fully connected network that is trained and pruned, and its initialisation."""

import itertools
import math
import os
from collections import OrderedDict
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.errors import InputError
from sparsight.network._linear_maps import linear_maps
from sparsight.network._random_matrices import low_rank_matrix, orthogonal_matrix
from sparsight.network._settings import Initialisation, NetworkSettings
from sparsight.streams import generator

# The weights, their gradient, one or two moments of the optimizer, the saved start and the rewind target.
_COPIES_OF_WEIGHTS = 6


class Erf(nn.Module):
    """The error function, elementwise."""

    is_elementwise = True

    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x)


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "erf": Erf,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


class FullyConnected(nn.Sequential):
    """A plain ``torch.nn.Sequential`` of linear layers, activations and optional BatchNorm.

    For ``widths = (256,)`` the modules are, in order,

    ============  =====================================================
    `batch_norm`  modules
    ============  =====================================================
    ``none``      linear_0, activation_0, linear_1
    ``hidden``    linear_0, norm_0, activation_0, linear_1
    ``input``     norm_0, linear_0, activation_0, norm_1, linear_1
    ============  =====================================================

    and for ``widths = ()`` linear_0 alone (after norm_0 with ``input``). Pre-activations λ are always the
    outputs of ``linear_l``. Parameters have torch's default values; call `initialise_` for seeded ones.

    Parameters
    ----------
    num_inputs : int
        Features of a sample.
    num_classes : int
        Units of the output layer.

    Raises
    ------
    InputError
        If a number is below 1, or if training needs more memory than this machine has.
    """

    def __init__(self, num_inputs: int, num_classes: int, settings: NetworkSettings) -> None:
        for name, number in (("num_inputs", num_inputs), ("num_classes", num_classes)):
            if number < 1:
                raise InputError(f"{name} is {number}; at least 1 is needed")
        widths = (num_inputs, *settings.widths, num_classes)
        _check_memory(widths)
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        for depth, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            is_output = depth == len(settings.widths)
            if settings.batch_norm == "input":
                modules[f"norm_{depth}"] = nn.BatchNorm1d(fan_in, eps=settings.batch_norm_eps)
            modules[f"linear_{depth}"] = nn.Linear(fan_in, fan_out, bias=settings.bias)
            if is_output:
                break
            if settings.batch_norm == "hidden":
                modules[f"norm_{depth}"] = nn.BatchNorm1d(fan_out, eps=settings.batch_norm_eps)
            modules[f"activation_{depth}"] = _ACTIVATIONS[settings.activation]()
        super().__init__(modules)


def initialise_(
    network: nn.Module, init: Initialisation, seed: int, init_std: float | None = None
) -> nn.Module:
    """Draw the weights of every linear layer, convolution and ``in_proj`` from its own seeded stream.

    ==============  =========================================================  ==================
    `init`          weights                                                    biases
    ==============  =========================================================  ==================
    ``torch``       U(−1/√fan_in, 1/√fan_in), as torch.nn.Linear               the same
    ``xavier``      N(0, 2 / (fan_in + fan_out)), Glorot & Bengio 2010         0
    ``he``          N(0, 2 / fan_in), He et al. 2015                           0
    ``normal``      N(0, init_std²)                                            0
    ``orthogonal``  orthogonal rows or columns, entries of variance 2/fan_in   0
    ``low_rank``    first layer as ``he``; in others a random orthonormal      0
                    basis times a Gaussian matrix, of half the full rank,
                    rounded up, and entries of variance 2 / fan_in
    ==============  =========================================================  ==================

    ``orthogonal`` and ``low_rank`` have the variance of ``he``, so that these three differ in structure alone
    (after Nait Saada, Naderi & Tanner, arXiv 2310.16597). With ``orthogonal``, WᵀW = 2 · fan_out / fan_in if
    fan_out ≥ fan_in, and WWᵀ = 2 otherwise.

    BatchNorm starts at γ = 1, β = 0 with fresh statistics. A convolution has fan_in = in_channels · ∏
    kernel_size / groups and fan_out = out_channels · ∏ kernel_size.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place and returned.
    init : {"torch", "xavier", "he", "normal", "orthogonal", "low_rank"}
        A row of the table.
    seed : int
        Each layer draws from the stream ``(seed, "init", layer name)``, so adding a layer does not change the
        others.
    init_std : float, optional
        Used with ``normal`` only.
    """
    if init not in get_args(Initialisation):
        raise InputError(f"init is {init!r}; allowed are {', '.join(get_args(Initialisation))}")
    layers = linear_maps(network)
    first = next(iter(layers), None)
    for name, layer in layers.items():
        stream = generator(seed, "init", name)
        num_units, fan_in = layer.matrix.shape
        fan_out = num_units * math.prod(layer.weight.shape[2:])
        bound = 1 / math.sqrt(fan_in)
        with torch.no_grad():
            drawn = _weights(
                init, stream, (num_units, fan_in), fan_out, init_std or 0.0, is_first=name == first
            )
            layer.weight.copy_(torch.from_numpy(drawn.reshape(layer.weight.shape)))
            if layer.bias is not None:
                biases = stream.uniform(-bound, bound, num_units) if init == "torch" else [0.0] * num_units
                layer.bias.copy_(torch.as_tensor(biases))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()
    return network


def _weights(
    init: Initialisation,
    stream: np.random.Generator,
    shape: tuple[int, int],
    fan_out: int,
    init_std: float,
    *,
    is_first: bool,
) -> np.ndarray:
    """Return the weights of a layer as a matrix, (units, fan_in)."""
    num_units, fan_in = shape
    he = math.sqrt(2 / fan_in)
    if init == "torch":
        bound = 1 / math.sqrt(fan_in)
        return stream.uniform(-bound, bound, shape)
    if init == "orthogonal":
        return he * math.sqrt(max(shape)) * orthogonal_matrix(stream, num_units, fan_in)
    if init == "low_rank" and not is_first:
        rank = (min(shape) + 1) // 2
        return he * low_rank_matrix(stream, num_units, fan_in, rank)
    std = {"xavier": math.sqrt(2 / (fan_in + fan_out)), "normal": init_std}.get(init, he)
    return stream.normal(0.0, std, shape)


def _check_memory(widths: tuple[int, ...]) -> None:
    needed = 4 * _COPIES_OF_WEIGHTS * sum(a * b for a, b in itertools.pairwise(widths))
    try:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # this system does not report its memory
        return
    if needed > available:
        raise InputError(
            f"network.widths {list(widths[1:-1])} on {widths[0]} inputs needs about {needed / 2**30:.0f} GiB "
            f"to train; this machine has {available / 2**30:.0f} GiB: make the network narrower"
        )
