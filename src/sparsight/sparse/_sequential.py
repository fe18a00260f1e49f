"""A stand-in for a ``torch.nn.Sequential`` in the sparse step: the same function, on tiles and kept weights.

The network is cut into stages. On a CPU a stage is either a block (a linear layer on tiles, with the
BatchNorm and the ReLU before it) or a list of modules that torch computes. On a GPU there are no tiles; see
`sparsight.sparse._on_gpu`.
"""

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.sparse._batch_norm import is_supported
from sparsight.sparse._live_part import LivePart, constant_units, unused_pixels
from sparsight.sparse._mask_change import move_state_, moved
from sparsight.sparse._on_gpu import Weights, row_stages
from sparsight.sparse._pattern import Pattern
from sparsight.sparse._tiles import (
    NO_RELU,
    RELU_FIRST,
    RELU_LAST,
    Activations,
    Batch,
    Table,
    Tiling,
    widest_for,
)

if TYPE_CHECKING:
    from sparsight.sparse._block import Block  # imported where it is used: numba takes a second to import

_Stage = Callable[[Batch | Activations, Tiling], Activations]

# A dense layer with at most this many units (usually the output layer) also takes the loops over kept
# weights: leaving the tiles would cost more than multiplying it densely gains.
_FEW_UNITS = 32

# These change each number on its own, so they may work on tiles as on rows, padding included.

_ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Identity)


def sparse_candidates(network: nn.Module) -> list[str]:
    """Return the names of the linear layers that a sparse step can take over.

    They are the children of a plain ``torch.nn.Sequential`` that are exactly ``torch.nn.Linear``, if no
    module has hooks and no weights are shared: a hook would not be called, and a shared weight would be
    trained twice. Other networks train on masked dense products.
    """
    if type(network).forward is not nn.Sequential.forward:
        return []
    children = dict(network.named_children())
    names = [name for name, module in network.named_parameters(remove_duplicate=False)]
    if len(names) != len(dict(network.named_parameters())) or any(map(_has_hooks, network.modules())):
        return []
    return [name for name, module in children.items() if type(module) is nn.Linear]


@dataclass(frozen=True)
class _Layer:
    """A linear layer on tiles, with the BatchNorm and the ReLU that stand before it."""

    name: str
    layer: nn.Linear
    norm: nn.BatchNorm1d | None
    relu: int


class SparseSequential:
    """A ``torch.nn.Sequential`` computed on tiles, with some linear layers on kept weights only.

    The network remains an ordinary one: BatchNorm and dense layers are its own modules, and `write_back` puts
    the kept weights back into it. On a GPU there are no tiles; products are torch's own sparse ones.

    Parameters
    ----------
    masks : mapping of str to Tensor of bool
        By parameter name; only those of `sparse_layers` are used.
    sparse_layers : collection of str
        A subset of `sparse_candidates`.

    Attributes
    ----------
    values : dict of str to torch.nn.Parameter
        Kept weights by parameter name, each (kept,).
    takes_all_products : bool
        Whether no product is left for torch to compute.
    """

    def __init__(
        self, network: nn.Sequential, masks: Mapping[str, Tensor], sparse_layers: Collection[str]
    ) -> None:
        self.network = network
        self.device = next(network.parameters()).device
        self.values: dict[str, nn.Parameter] = {}
        self._patterns: dict[str, Pattern] = {}
        for name in sparse_layers:
            pattern = Pattern.of(masks[f"{name}.weight"].to(self.device))
            weight = network.get_parameter(f"{name}.weight")
            kept = weight.detach().view(-1)[pattern.positions]
            self._patterns[name] = pattern
            self.values[f"{name}.weight"] = nn.Parameter(kept, requires_grad=weight.requires_grad)
        num_weights = sum(pattern.mask.numel() for pattern in self._patterns.values())
        num_kept = sum(pattern.num_kept for pattern in self._patterns.values())
        self._widest = widest_for(num_kept / max(num_weights, 1))
        is_tiled = has_tiles(self.device)
        self.takes_all_products = is_tiled and all(
            self._is_on_tiles(name, layer)
            for name, layer in network.named_children()
            if isinstance(layer, nn.Linear)
        )
        self._cut_into_stages()

    def _cut_into_stages(self) -> None:
        is_tiled = has_tiles(self.device)
        self._stages = self._tile_stages() if is_tiled else []
        self._row_stages = [] if is_tiled else row_stages(self.network, self._patterns, self._weights)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the network's outputs, (n, classes), for inputs (n, features)."""
        if not self._stages:
            for on_rows in self._row_stages:
                inputs = on_rows(inputs)
            return inputs
        table = Table(inputs.detach().contiguous().numpy())
        return self.of_batch(Batch(table, np.arange(len(inputs))))

    def of_batch(self, batch: Batch) -> Tensor:
        """Return the outputs for samples of a table, on the CPU, without copying the samples first."""
        tiling = Tiling.of(len(batch.rows), self._widest)
        flow: Batch | Activations = batch
        for stage in self._stages:
            flow = stage(flow, tiling)
        assert isinstance(flow, Activations)
        return tiling.rows(flow.tiles)

    def parameters(self) -> list[nn.Parameter]:
        """Return the network's parameters in its order, with kept weights only for sparse layers."""
        return [self.values.get(name, parameter) for name, parameter in self.network.named_parameters()]

    @torch.no_grad()
    def write_back(self) -> None:
        """Write the kept weights into the network."""
        for name, values in self.values.items():
            weight = self.network.get_parameter(name)
            positions = self._patterns[name.removesuffix(".weight")].positions
            weight.view(-1).index_copy_(0, positions, values)

    @torch.no_grad()
    def read(self) -> None:
        """Read the kept weights from the network."""
        for name, values in self.values.items():
            weight = self.network.get_parameter(name)
            values.copy_(weight.view(-1)[self._patterns[name.removesuffix(".weight")].positions])

    @torch.no_grad()
    def change_masks_(self, masks: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        """Prune and grow kept weights in place.

        Weights that are kept before and after stay, with the optimizer's state; new ones begin with 0, in
        both. The network's own weights are not changed.
        """
        for name, values in self.values.items():
            layer, new = name.removesuffix(".weight"), masks[name].to(self.device)
            old = self._patterns[layer].mask
            move_state_(optimizer, values, old, new)
            values.data = moved(values.data, old, new)
            values.grad = None
            self._patterns[layer] = Pattern.of(new)
        self._cut_into_stages()

    def _is_on_tiles(self, name: str, module: nn.Module) -> bool:
        return name in self._patterns or (type(module) is nn.Linear and module.out_features <= _FEW_UNITS)

    def _tile_stages(self) -> list[_Stage]:
        """Return the stages of the network: blocks, and lists of the modules between them."""
        parts: list[_Layer | list[nn.Module]] = []
        before: list[nn.Module] = []
        for name, module in self.network.named_children():
            if self._is_on_tiles(name, module):
                assert isinstance(module, nn.Linear)
                norm, relu, rest = _split_block(before, is_first=not parts)
                parts += [rest] if rest else []
                parts.append(_Layer(name, module, norm, relu))
                before = []
            else:
                before.append(module)
        parts += [before] if before else []
        return self._chained(parts)

    def _chained(self, parts: "list[_Layer | list[nn.Module]]") -> list[_Stage]:
        """Return the stages of the parts; consecutive blocks leave out constant units."""
        from sparsight.sparse._block import Block

        stages: list[_Stage] = []
        is_constant: Tensor | None = None
        for part, following in itertools.pairwise([*parts, []]):
            if isinstance(part, list):
                stages.append(_rest_stage(part, next(self.network.parameters()).dtype))
                continue
            mask = self._mask(part.name, part.layer)
            if not stages:
                is_constant = unused_pixels(mask)
            is_followed = isinstance(following, _Layer)
            live = LivePart.of(mask, is_constant, leaves_units_out=is_followed)
            is_constant = constant_units(live, len(mask))
            is_standardised_next = isinstance(following, _Layer) and following.norm is not None
            next_relu = following.relu if isinstance(following, _Layer) and is_standardised_next else None
            block = Block(live, part.norm, part.relu, next_relu)
            stages.append(_block_stage(block, self._weights(part.name, part.layer)))
        return stages

    def _mask(self, name: str, layer: nn.Linear) -> Tensor:
        pattern = self._patterns.get(name)
        return torch.ones(layer.weight.shape, dtype=torch.bool) if pattern is None else pattern.mask

    def _weights(self, name: str, layer: nn.Linear) -> Weights:
        """Return a function that gives a layer's present kept weights, (kept,), and bias."""
        kept = self.values.get(f"{name}.weight")
        no_bias = layer.weight.new_zeros(layer.out_features)

        def weights() -> tuple[Tensor, Tensor]:
            values = layer.weight.view(-1) if kept is None else kept
            return values, no_bias if layer.bias is None else layer.bias

        return weights


def _split_block(
    modules: list[nn.Module], *, is_first: bool
) -> tuple[nn.BatchNorm1d | None, int, list[nn.Module]]:
    """Return the BatchNorm and the ReLU that a layer's block can include, and the modules before them.

    The input of the first block is rows of a table, whose kernels know no ReLU, so a first block takes at
    most a BatchNorm, and only as the first module of the network.
    """
    rest = [module for module in modules if type(module) is not nn.Identity]
    norm, relu = None, NO_RELU
    if rest and type(rest[-1]) is nn.ReLU and not is_first:
        rest, relu = rest[:-1], RELU_LAST
    if rest and is_supported(rest[-1]) and not (is_first and len(rest) > 1):
        last = rest[-1]
        assert isinstance(last, nn.BatchNorm1d)
        rest, norm = rest[:-1], last
        if rest and type(rest[-1]) is nn.ReLU and relu == NO_RELU:
            rest, relu = rest[:-1], RELU_FIRST
    return norm, relu, rest


def _block_stage(block: "Block", weights: Weights) -> _Stage:
    return lambda source, tiling: block(*weights(), source, tiling)


def _rest_stage(modules: list[nn.Module], dtype: torch.dtype) -> _Stage:
    """Return a stage of modules that torch computes: on tiles if all are elementwise, on rows otherwise."""
    is_elementwise = all(
        type(module) in _ELEMENTWISE or getattr(module, "is_elementwise", False) for module in modules
    )

    def stage(source: Batch | Activations, tiling: Tiling) -> Activations:
        stays = is_elementwise and isinstance(source, Activations)
        if isinstance(source, Batch):
            flow = source.inputs(dtype)
        else:
            flow = source.tiles if stays else tiling.rows(source.tiles)
        for module in modules:
            flow = module(flow)
        return Activations(flow if stays else tiling.tiled(flow))

    return stage


def has_tiles(device: torch.device) -> bool:
    """Return whether the compiled loops run on this device."""
    return device.type == "cpu"


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
