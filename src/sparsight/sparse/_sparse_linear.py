"""A linear layer that has kept weights only, for anybody's network."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.arguments import described
from sparsight.errors import InputError
from sparsight.sparse._compressed_rows import INDICES, check_csr, check_mask, csr_of, mask_of_csr
from sparsight.sparse._mask_change import move_state_, moved
from sparsight.sparse._pattern import Pattern
from sparsight.sparse._tiles import Activations, Tiling, widest_for

_TILED = (torch.float32, torch.float64)
"""The dtypes of the compiled products."""


class SparseLinear(nn.Module):
    r"""A linear layer whose weight exists at the entries of a mask only: y = W x + b.

    Forward and backward pass multiply kept weights. The only weight parameter is the vector of their values,
    so gradient, momentum and every other state of an optimizer have one number for each kept weight. In
    float32 and float64 on a CPU, the products are the compiled loops of the sparse step; on a GPU they are
    torch's sparse ones; with other dtypes the weight is unpacked, and the product is a dense one.

    Wide layers (about 1000 inputs and units) are faster than dense ones with a mask below about a fifth of
    the weights; small ones never are. The first product in a process loads or compiles the loops, which takes
    up to some seconds.

    Parameters
    ----------
    mask : Tensor of bool, (out_features, in_features)
        True = kept.
    bias : bool
        Whether there is a bias.
    dtype : torch.dtype, optional
        Of values and bias. Default: torch's default dtype.

    Attributes
    ----------
    in_features, out_features : int
    values : torch.nn.Parameter, (kept,)
        The kept weights, row by row: ``weight[mask]``. 0 in a new layer; `from_dense` takes them from a
        trained or initialised one.
    bias : torch.nn.Parameter, (out_features,), or None
    crow_indices : Tensor of int32, (out_features + 1,)
        Buffer. The kept weights of unit i are ``values[crow_indices[i] : crow_indices[i + 1]]``.
    col_indices : Tensor of int32, (kept,)
        Buffer. The input of each kept weight.
    shape : Tensor of int64, (2,)
        Buffer: out_features and in_features. With it, a state dict describes itself.

    Raises
    ------
    InputError
        If `mask` is no matrix of bools with at least one row and one column.

    Notes
    -----
    `state_dict` holds compressed sparse rows (CSR), by the names of ``torch.sparse_csr_tensor``; its size
    grows with kept weights. `load_state_dict` takes that, also with another mask, and the names of
    ``torch.nn.utils.prune`` (``weight_orig``, ``weight_mask``). ``copy.deepcopy`` and ``torch.save`` work
    as with any module. ``torch.compile`` leaves the layer as it is and compiles around it.

    Examples
    --------
    >>> import torch, sparsight
    >>> layer = sparsight.SparseLinear.from_dense(torch.nn.Linear(6, 2), torch.eye(2, 6).bool())
    >>> layer
    SparseLinear(in_features=6, out_features=2, bias=True, kept=2, density=16.7%)
    >>> layer(torch.zeros(3, 6)).shape
    torch.Size([3, 2])
    """

    crow_indices: Tensor
    col_indices: Tensor
    shape: Tensor

    def __init__(self, mask: Tensor, bias: bool = True, *, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        check_mask(mask)
        self.values = nn.Parameter(torch.zeros(int(mask.sum()), dtype=dtype, device=mask.device))
        if bias:
            self.bias = nn.Parameter(torch.zeros(len(mask), dtype=dtype, device=mask.device))
        else:
            self.register_parameter("bias", None)
        self.out_features, self.in_features = mask.shape
        for name, indices in csr_of(mask).items():
            self.register_buffer(name, indices)
        self._pattern: Pattern | None = None

    @classmethod
    def from_dense(cls, layer: nn.Linear, mask: Tensor) -> "SparseLinear":
        """Return the layer with the weights and bias of a dense one, without those outside the mask.

        The new layer shares no memory with the old one, and is in its mode, on its device and in its dtype.

        Raises
        ------
        InputError
            If the shapes of mask and weight differ, or `layer` is not exactly a ``torch.nn.Linear``: a
            subclass or a parametrised layer computes something else.
        """
        if type(layer) is not nn.Linear:
            raise InputError(
                f"layer is {type(layer).__name__}; only a plain torch.nn.Linear can be made sparse "
                "(torch.nn.utils.parametrize.remove_parametrizations or prune.remove makes a layer plain)"
            )
        check_mask(mask, tuple(layer.weight.shape))
        made = cls(mask.to(layer.weight.device), layer.bias is not None, dtype=layer.weight.dtype)
        with torch.no_grad():
            made.values.copy_(layer.weight[mask.to(layer.weight.device)])
            if layer.bias is not None:
                made.bias.copy_(layer.bias)
                made.bias.requires_grad_(layer.bias.requires_grad)
        made.values.requires_grad_(layer.weight.requires_grad)
        return made.train(layer.training)

    @property
    def num_kept(self) -> int:
        """Number of kept weights."""
        return len(self.col_indices)

    @property
    def density(self) -> float:
        """Kept weights over all weights."""
        return self.num_kept / (self.out_features * self.in_features)

    @property
    def mask(self) -> Tensor:
        """The mask, unpacked into a new tensor: bool, (out_features, in_features)."""
        return self._kept.mask.clone()

    @property
    def weight(self) -> Tensor:
        """The weight, unpacked: (out_features, in_features), 0 outside the mask.

        A new tensor, through which gradients flow to `values`; writing into it changes nothing here.
        """
        zeros = self.values.new_zeros(self.out_features, self.in_features)
        return zeros.index_put((self._kept.units, self._kept.inputs), self.values)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, inputs: Tensor) -> Tensor:
        """Return W x + b, (..., out_features), for inputs (..., in_features).

        Raises
        ------
        InputError
            If the last dimension or the dtype does not fit.
        """
        if inputs.ndim == 0 or inputs.shape[-1] != self.in_features:
            raise InputError(f"inputs are {described(inputs)}; (..., {self.in_features}) is needed")
        if torch.is_autocast_enabled(inputs.device.type):
            inputs = inputs.to(self.values.dtype)
        elif inputs.dtype != self.values.dtype:
            raise InputError(f"inputs are {inputs.dtype} and the layer is {self.values.dtype}; convert one")
        rows = inputs.reshape(-1, self.in_features)
        return self._product(rows).reshape(*inputs.shape[:-1], self.out_features)

    def _product(self, rows: Tensor) -> Tensor:
        # Degenerate shapes and other dtypes have no compiled loops.
        if not len(rows) or not self.num_kept or self.values.dtype not in _TILED:
            return functional.linear(rows, self.weight, self.bias)
        bias = self.values.new_zeros(self.out_features) if self.bias is None else self.bias
        if rows.device.type != "cpu":
            from sparsight.sparse._on_gpu import sparse_product

            return sparse_product(self.values, bias, rows, self._kept)
        # imported here, because numba takes a second to import
        from sparsight.sparse._tile_product import Standardisation, tile_product

        tiling = Tiling.of(len(rows), widest_for(self.density))
        # Tiles are a copy: whoever writes into the inputs before the backward pass does not change gradients.
        source = Activations(tiling.tiled(rows))
        outputs = tile_product(
            self.values, bias, source, None, pattern=self._kept, before=Standardisation(), tiling=tiling
        )
        return tiling.rows(outputs.tiles)

    @torch.no_grad()
    def change_mask_(
        self, mask: Tensor, *, grown: Tensor | None = None, optimizer: torch.optim.Optimizer | None = None
    ) -> "SparseLinear":
        """Prune and grow connections in place; return the layer.

        Weights that are kept before and after stay as they are. The gradient is dropped. `values` remains the
        same parameter, so that an optimizer goes on with it.

        Parameters
        ----------
        mask : Tensor of bool, (out_features, in_features)
            The new mask.
        grown : Tensor, (out_features, in_features), optional
            The first values of new connections, read there. Default: 0.
        optimizer : torch.optim.Optimizer, optional
            The one that trains this layer: its state of weights that stay is kept, and that of new
            connections begins with 0. Without it, an optimizer that has taken a step fails at the next one if
            the number of kept weights has changed.

        Raises
        ------
        InputError
            If a shape differs.
        """
        shape = (self.out_features, self.in_features)
        check_mask(mask, shape)
        if grown is not None and tuple(grown.shape) != shape:
            raise InputError(f"grown is {described(grown)}; the weight is {shape}")
        old, mask = self._kept.mask, mask.to(self.values.device)
        if optimizer is not None:
            move_state_(optimizer, self.values, old, mask)
        self._replace(moved(self.values, old, mask, grown), csr_of(mask))
        return self

    def extra_repr(self) -> str:
        """Return the sizes for ``repr``."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, kept={self.num_kept}, density={self.density:.1%}"
        )

    @property
    def _kept(self) -> Pattern:
        if self._pattern is None:
            self._pattern = Pattern.of(mask_of_csr({name: getattr(self, name) for name in INDICES}))
        return self._pattern

    def _replace(self, values: Tensor, indices: Mapping[str, Tensor]) -> None:
        """Take another set of kept weights; the parameter stays the same object."""
        self.values.data = values.to(self.values)
        self.values.grad = None
        for name in INDICES:
            setattr(self, name, indices[name].to(self.values.device))
        self._pattern = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "SparseLinear":
        self._pattern = None  # on the old device
        return cast("SparseLinear", super()._apply(fn, recurse))  # type: ignore[no-untyped-call]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pattern": None}  # made again from the buffers

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any, **named: Any
    ) -> None:
        """Load CSR entries, or those of torch.nn.utils.prune, with any mask of the same shape."""
        shape = (self.out_features, self.in_features)
        original, pruned = f"{prefix}weight_orig", f"{prefix}weight_mask"
        if original in state_dict and pruned in state_dict:
            mask = state_dict.pop(pruned) != 0
            check_mask(mask, shape, pruned)
            state_dict[f"{prefix}values"] = state_dict.pop(original)[mask]
            state_dict.update({prefix + name: indices for name, indices in csr_of(mask).items()})
        if all(prefix + name in state_dict for name in ("values", *INDICES)):
            indices = {name: state_dict[prefix + name] for name in INDICES}
            values = state_dict[f"{prefix}values"]
            check_csr(prefix, values, indices, shape)
            with torch.no_grad():
                self._replace(values, indices)
        super()._load_from_state_dict(state_dict, prefix, *arguments, **named)
