"""Rearranged masks: permutations that keep some properties of a mask and destroy the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.network import as_matrix
from sparsight.prune._mask_sources import MaskSource, as_source
from sparsight.prune._schedule import layer_of
from sparsight.streams import generator
from sparsight.train import Masks


@dataclass(frozen=True, eq=False, kw_only=True)
class RearrangedMasks:
    """The masks of another source, permuted in the same way at all levels, so that they remain nested.

    ================  ==========================================  ===============================
    `how`             what is permuted                            what stays
    ================  ==========================================  ===============================
    ``none``          nothing                                     everything
    ``layer``         all weights of a layer                      weights of each layer
    ``unit``          the inputs of each unit, on their own       … and of each unit
    ``rows_columns``  the units of a layer, and its inputs, all   … and numbers of weights by unit
                      rows and all columns alike                  and by input, and the overlap
                                                                  of any two units
    ``pixels``        the positions of the network's inputs, for  … all but the positions
                      all units and channels alike; other layers
                      stay as they are
    ================  ==========================================  ===============================

    ``rows_columns`` destroys the alignment between layers, and between a mask and the weights and inputs that
    it was found on; ``pixels`` destroys the geometry of receptive fields only. Masks of biases are permuted
    with ``layer`` on their own and with ``rows_columns`` as the units of their layer. In a convolution, the
    units are the output channels, and their inputs the entries of a patch, of all channels.

    Parameters
    ----------
    source : MaskSource or sequence of dict of str to Tensor of bool
        Where the masks come from, as for `sparsight.imp`.
    how : str
        A row of the table.
    seed : int
        Each parameter draws from the stream ``(seed, "rearranged", how, name)``.
    geometry : Geometry
        That of the network's input; needed for ``pixels``.

    Raises
    ------
    InputError
        With ``pixels``, if the first layer does not have an input for every value of the geometry.
    """

    source: MaskSource | Sequence[Mapping[str, Tensor]]
    how: str
    seed: int
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.how not in _PERMUTE and self.how not in ("none", "pixels"):
            raise InputError(f"rearranged is {self.how!r}; allowed are none, pixels, {', '.join(_PERMUTE)}")
        if self.how == "pixels":
            check_first_layer(
                {name: tuple(mask.shape) for name, mask in self._source.masks(0).items()},
                self.geometry,
                "rearranged = 'pixels'",
            )

    @property
    def num_levels(self) -> int:
        """Levels to train."""
        return self._source.num_levels

    @cached_property
    def _source(self) -> MaskSource:
        return as_source(self.source)

    def masks(self, level: int) -> Masks:
        """Return the permuted masks of a level."""
        masks = self._source.masks(level)
        if self.how == "none":
            return masks
        if self.how == "pixels":
            first = next(iter(masks))
            return masks | {first: _pixels_permuted(masks[first], self.geometry, self.seed)}
        return rearranged(masks, self.how, self.seed)


def rearranged(values: Mapping[str, Tensor], how: str, seed: int) -> dict[str, Tensor]:
    """Return masks or weights by parameter name, permuted as `RearrangedMasks` permutes masks.

    Parameters
    ----------
    values : mapping of str to Tensor
        Masks of bool, or weights: equal names and `seed` give equal permutations.
    how : {"layer", "unit", "rows_columns"}
        A row of the table there.
    """
    permute = _PERMUTE[how]
    return {name: permute(name, value, seed) for name, value in values.items()}


def check_first_layer(shapes: Mapping[str, tuple[int, ...]], geometry: Geometry, asker: str) -> None:
    """Refuse a first masked layer that does not read the whole input; messages call the setting `asker`."""
    name = next(iter(shapes))
    if shapes[name][1:] != (geometry.num_inputs,):
        raise InputError(
            f"{asker} needs a first layer that reads the {geometry.num_inputs} inputs of the geometry, but "
            f"{name} has shape {tuple(shapes[name])}"
        )


def _layer(name: str, mask: Tensor, seed: int) -> Tensor:
    order = generator(seed, "rearranged", "layer", name).permutation(mask.numel())
    return mask.reshape(-1)[torch.from_numpy(order)].view(mask.shape)


def _unit(name: str, mask: Tensor, seed: int) -> Tensor:
    if mask.dim() < 2:
        return mask
    stream = generator(seed, "rearranged", "unit", name)
    by_unit = as_matrix(mask)
    order = stream.permuted(np.broadcast_to(np.arange(by_unit.shape[1]), by_unit.shape), axis=1)
    return by_unit.gather(1, torch.from_numpy(order)).view(mask.shape)


def _rows_columns(name: str, mask: Tensor, seed: int) -> Tensor:
    # A bias moves with its unit: both read the rows' stream of their layer.
    rows = generator(seed, "rearranged", "rows", layer_of(name)).permutation(mask.shape[0])
    permuted = mask[torch.from_numpy(rows)]
    if mask.dim() < 2:
        return permuted
    by_unit = as_matrix(permuted)
    columns = generator(seed, "rearranged", "columns", layer_of(name)).permutation(by_unit.shape[1])
    return by_unit[:, torch.from_numpy(columns)].view(mask.shape)


def _pixels_permuted(mask: Tensor, geometry: Geometry, seed: int) -> Tensor:
    order = generator(seed, "rearranged", "pixels").permutation(geometry.num_pixels)
    by_channel = mask.view(mask.shape[0], geometry.channels, geometry.num_pixels)
    return by_channel[:, :, torch.from_numpy(order)].reshape(mask.shape)


_PERMUTE: dict[str, Callable[[str, Tensor, int], Tensor]] = {
    "layer": _layer,
    "unit": _unit,
    "rows_columns": _rows_columns,
}
