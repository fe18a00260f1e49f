"""The sparse step's stand-in for a torch.nn.Sequential: the same function, on tiles and kept weights."""

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.sparse._batch_norm import is_supported
from sparsight.sparse._live_part import LivePart, constant_units, unused_pixels
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
from sparsight.sparse._torch_products import sparse_product

if TYPE_CHECKING:
    from sparsight.sparse._block import Block  # numba takes a second to import

_Stage = Callable[[Batch | Activations, Tiling], Activations]
_Weights = Callable[[], tuple[Tensor, Tensor]]

_FEW_UNITS = 32
"""A dense layer of so few units takes the loops over kept weights, too: tiles cost more to leave."""

_ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Identity)


def sparse_candidates(network: nn.Module) -> list[str]:
    """Return the names of the linear layers that a sparse step can take over.

    They are the children of a plain ``torch.nn.Sequential`` that are exactly ``torch.nn.Linear``, carry
    no hooks and share no weights. Other networks train on masked dense products.
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
    """A ``torch.nn.Sequential`` computed on tiles, some of its linear layers on kept weights only.

    The network stays what it is: BatchNorm and dense layers are its own modules, and the kept weights
    are written back into it with `write_back`. On a GPU there are no tiles, and torch's sparse products.

    Parameters
    ----------
    network : torch.nn.Sequential
    masks : mapping of str to Tensor of bool
        By parameter name; those of `sparse_layers` are looked at.
    sparse_layers : collection of str
        Among `sparse_candidates`.

    Attributes
    ----------
    values : dict of str to torch.nn.Parameter
        Kept weights by parameter name, each (kept,).
    takes_all_products : bool
        Whether no product is left to torch.
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
        self._stages = self._tile_stages() if is_tiled else []
        self._row_stages = [] if is_tiled else self._stages_on_rows()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the network's outputs, (n, classes), for inputs (n, features)."""
        if not self._stages:
            for on_rows in self._row_stages:
                inputs = on_rows(inputs)
            return inputs
        table = Table(inputs.detach().contiguous().numpy())
        return self.of_batch(Batch(table, np.arange(len(inputs))))

    def of_batch(self, batch: Batch) -> Tensor:
        """Return the outputs for samples of a table, on the CPU, without copying those first."""
        tiling = Tiling.of(len(batch.rows), self._widest)
        flow: Batch | Activations = batch
        for stage in self._stages:
            flow = stage(flow, tiling)
        assert isinstance(flow, Activations)
        return tiling.rows(flow.tiles)

    def parameters(self) -> list[nn.Parameter]:
        """Return the network's parameters in its order, kept weights in place of sparse layers' weights."""
        return [self.values.get(name, parameter) for name, parameter in self.network.named_parameters()]

    @torch.no_grad()
    def write_back(self) -> None:
        """Put the kept weights into the network."""
        for name, values in self.values.items():
            weight = self.network.get_parameter(name)
            positions = self._patterns[name.removesuffix(".weight")].positions
            weight.view(-1).index_copy_(0, positions, values)

    @torch.no_grad()
    def read(self) -> None:
        """Take the kept weights from the network."""
        for name, values in self.values.items():
            weight = self.network.get_parameter(name)
            values.copy_(weight.view(-1)[self._patterns[name.removesuffix(".weight")].positions])

    def _is_on_tiles(self, name: str, module: nn.Module) -> bool:
        return name in self._patterns or (type(module) is nn.Linear and module.out_features <= _FEW_UNITS)

    def _tile_stages(self) -> list[_Stage]:
        """Cut the network into blocks, each a layer on tiles with what stands before it, and the rest."""
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
        """Return the stages of the parts; blocks side by side leave out what is the same for all samples."""
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

    def _weights(self, name: str, layer: nn.Linear) -> _Weights:
        """Return how to get at a layer's kept weights, (kept,), and bias."""
        kept = self.values.get(f"{name}.weight")
        no_bias = layer.weight.new_zeros(layer.out_features)

        def weights() -> tuple[Tensor, Tensor]:
            values = layer.weight.view(-1) if kept is None else kept
            return values, no_bias if layer.bias is None else layer.bias

        return weights

    def _stages_on_rows(self) -> list[Callable[[Tensor], Tensor]]:
        """Return the stages for a GPU, samples by features."""
        stages: list[Callable[[Tensor], Tensor]] = []
        modules = list(self.network.named_children())
        while modules:
            name, module = modules.pop(0)
            following = modules[0] if modules else ("", nn.Identity())
            if is_supported(module) and not stages and following[0] in self._patterns:
                stages.append(self._product_on_rows(*modules.pop(0), module))
            elif name in self._patterns:
                stages.append(self._product_on_rows(name, module, None))
            else:
                stages.append(module)
        return stages

    def _product_on_rows(
        self, name: str, layer: nn.Module, norm: nn.Module | None
    ) -> Callable[[Tensor], Tensor]:
        from sparsight.sparse._block import folded

        assert isinstance(layer, nn.Linear)
        weights, pattern = self._weights(name, layer), self._patterns[name]

        def stage(rows: Tensor) -> Tensor:
            values, bias = weights()
            if norm is not None:
                assert isinstance(norm, nn.BatchNorm1d)
                values, bias = folded(values, bias, norm.weight, norm.bias, pattern)
                rows = _standardised(norm, rows)
            return sparse_product(values, bias, rows, pattern)

        return stage


def _split_block(
    modules: list[nn.Module], *, is_first: bool
) -> tuple[nn.BatchNorm1d | None, int, list[nn.Module]]:
    """Return the BatchNorm and the ReLU before a layer that its block can take, and what is before those."""
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


def _block_stage(block: "Block", weights: _Weights) -> _Stage:
    return lambda source, tiling: block(*weights(), source, tiling)


def _rest_stage(modules: list[nn.Module], dtype: torch.dtype) -> _Stage:
    """Return a stage of modules that torch computes: on tiles where each number is changed by itself."""
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


def _standardised(module: nn.BatchNorm1d, rows: Tensor) -> Tensor:
    """Return samples standardised as `module` does, before γ and β."""
    if module.training:
        assert module.num_batches_tracked is not None
        module.num_batches_tracked.add_(1)
    momentum = module.momentum
    assert momentum is not None
    return functional.batch_norm(
        rows, module.running_mean, module.running_var, None, None, module.training, momentum, module.eps
    )


def has_tiles(device: torch.device) -> bool:
    """Whether the compiled loops serve this device."""
    return device.type == "cpu"


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
