"""The sparse step's stand-in for a torch.nn.Sequential: the same function, on tiles and kept weights."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.sparse.batch_norm import batch_norm, is_supported, standardised
from sparsight.sparse.pattern import Pattern
from sparsight.sparse.products import dense_product, sparse_product
from sparsight.sparse.tiles import Tiling

_Stage = Callable[[Tensor, Tiling], Tensor]

_FEW_UNITS = 32
"""A dense layer of so few units takes the loops over kept weights, too: BLAS has to be called for every tile,
and wakes its threads for each."""

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


class SparseSequential:
    """A ``torch.nn.Sequential`` computed on tiles, some of its linear layers on kept weights only.

    The network stays what it is: BatchNorm and dense layers are its own modules, and the kept weights
    are written back into it with `write_back`.

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
        self.takes_all_products = self.device.type == "cpu" and all(
            name in self._patterns or layer.out_features <= _FEW_UNITS
            for name, layer in network.named_children()
            if isinstance(layer, nn.Linear)
        )
        self._input_tiles: Tensor | None = None
        self._stages = self._build_stages()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the network's outputs, (n, classes), for inputs (n, features)."""
        tiling = Tiling.of(len(inputs), inputs.device)
        return self._through_stages(tiling.tiled(inputs), tiling)

    def of_rows(self, table: np.ndarray, rows: np.ndarray) -> Tensor:
        """Return the outputs for ``table[rows]``, on the CPU, without copying those first.

        The tiles are the same memory at every call, so call ``backward`` before the next.

        Parameters
        ----------
        table : ndarray, (samples, features)
            The same at every call.
        rows : ndarray of int64, (n,)
        """
        tiling = Tiling.of(len(rows), self.device)
        self._input_tiles = tiling.gathered(table, rows, self._input_tiles)
        return self._through_stages(self._input_tiles, tiling)

    def _through_stages(self, tiles: Tensor, tiling: Tiling) -> Tensor:
        for stage in self._stages:
            tiles = stage(tiles, tiling)
        return tiling.rows(tiles)

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

    def _build_stages(self) -> list[_Stage]:
        stages: list[_Stage] = []
        modules = list(self.network.named_children())
        while modules:
            name, module = modules.pop(0)
            next_module = modules[0][1] if modules else None
            if type(module) is nn.Linear:
                stages.append(self._product(name, module, None))
            elif is_supported(module) and not stages and type(next_module) is nn.Linear:
                stages.append(self._product(modules.pop(0)[0], next_module, module))
            elif is_supported(module):
                is_rectified = type(next_module) is nn.ReLU
                if is_rectified:
                    modules.pop(0)
                stages.append(_norm_stage(module, is_rectified))
            elif type(module) in _ELEMENTWISE or getattr(module, "is_elementwise", False):
                stages.append(_elementwise_stage(module))
            else:
                stages.append(_rows_stage(module))
        return stages

    def _product(self, name: str, layer: nn.Linear, norm: nn.Module | None) -> _Stage:
        """Return a linear layer's product, with a BatchNorm on the network's own inputs folded in.

        With standardised pixels x̂, W (γ ⊙ x̂ + β) + b = (W γ) x̂ + (W β + b): so no gradient by the pixels is
        needed, and those by γ and β come from the kept weights' gradient.
        """
        pattern = self._patterns.get(name)
        is_whole = pattern is None and self.device.type == "cpu" and layer.out_features <= _FEW_UNITS
        if is_whole:
            pattern = Pattern.of(torch.ones(layer.weight.shape, dtype=torch.bool))

        def stage(tiles: Tensor, tiling: Tiling) -> Tensor:
            kept = self.values.get(f"{name}.weight")
            weight: Tensor = layer.weight if kept is None else kept
            if is_whole:
                weight = weight.view(-1)
            bias: Tensor = layer.bias if layer.bias is not None else weight.new_zeros(layer.out_features)
            if norm is not None:
                assert isinstance(norm, nn.BatchNorm1d)
                tiles = standardised(norm, tiles, tiling)
                bias = bias + _row_sums(weight * _spread(norm.bias, pattern), layer, pattern)
                weight = weight * _spread(norm.weight, pattern)
            if pattern is None:
                return dense_product(weight, bias, tiles)
            return sparse_product(weight, bias, tiles, pattern)

        return stage


def _spread(by_input: Tensor, pattern: Pattern | None) -> Tensor:
    return by_input if pattern is None else by_input[pattern.inputs]


def _row_sums(entries: Tensor, layer: nn.Linear, pattern: Pattern | None) -> Tensor:
    if pattern is None:
        return entries.sum(dim=1)
    nothing = entries.new_zeros(layer.out_features)
    return nothing.index_put((pattern.units,), entries, accumulate=True)  # on a GPU too the same every time


def _norm_stage(module: nn.Module, is_rectified: bool) -> _Stage:
    assert isinstance(module, nn.BatchNorm1d)
    return lambda tiles, tiling: batch_norm(module, tiles, tiling, is_rectified=is_rectified)


def _elementwise_stage(module: nn.Module) -> _Stage:
    return lambda tiles, _: module(tiles)


def _rows_stage(module: nn.Module) -> _Stage:
    return lambda tiles, tiling: tiling.tiled(module(tiling.rows(tiles)))


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
