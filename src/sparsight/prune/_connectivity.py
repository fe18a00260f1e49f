"""Connectivity: which units the masks still connect to inputs and outputs, and by how many paths."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparsight.errors import InputError
from sparsight.network import linear_layers, linear_maps
from sparsight.prune._masks import check_mask
from sparsight.prune._schedule import layer_of


@dataclass(frozen=True)
class Connectivity:
    """The hidden units and layers of a chain that its masks leave connected.

    `num_units` counts all hidden units, `num_connected` those on at least one kept path from an input to an
    output. `severed_layers` are those without a single kept weight, and `has_path` says whether any kept path
    runs from an input to an output.
    """

    num_units: int
    num_connected: int
    severed_layers: tuple[str, ...]
    has_path: bool

    @property
    def connected_fraction(self) -> float:
        """Connected / all hidden units; without a hidden layer, 1 if there is a path and 0 if not."""
        return self.num_connected / self.num_units if self.num_units else float(self.has_path)


def connectivity(masks: Mapping[str, Tensor], layers: Mapping[str, tuple[int, int]]) -> Connectivity:
    """Count the hidden units on at least one kept path from an input to an output.

    Parameters
    ----------
    masks : mapping of str to Tensor of bool
        Masks by parameter name. A layer whose weight has no mask counts as dense.
    layers : mapping of str to (out, in)
        Shapes of the linear layers by name, in the order of computation; each reads the one before.

    Raises
    ------
    InputError
        If a mask is not bool, or does not have its layer's shape, or a layer does not read the one before.
    """
    shapes = list(layers.items())
    for (before, (units, _)), (name, (_, inputs)) in itertools.pairwise(shapes):
        if units != inputs:
            raise InputError(
                f"layers: {name!r} has {inputs} inputs and {before!r} before it {units} units; connected "
                "units are counted along a chain, in which each layer reads the one before"
            )
    for name, shape in shapes:
        if f"{name}.weight" in masks:
            check_mask(f"{name}.weight", masks[f"{name}.weight"], tuple(shape))
    weight_masks = [
        masks.get(f"{name}.weight", torch.ones(shape, dtype=torch.bool)) for name, shape in shapes
    ]
    # A unit is connected only if both hold: kept weights lead to it from an input, and from it to an output.
    # A unit that still has inputs but whose outputs are all pruned is severed, although its mask row is not.
    reached = [torch.ones(shapes[0][1][1], dtype=torch.bool, device=weight_masks[0].device)]
    for mask in weight_masks:
        reached.append((mask & reached[-1]).any(dim=1))
    read = torch.ones(shapes[-1][1][0], dtype=torch.bool, device=weight_masks[-1].device)
    connected = []
    for mask, from_input in zip(reversed(weight_masks), reversed(reached[:-1]), strict=True):
        read = (mask & read.unsqueeze(1)).any(dim=0)
        connected.append(read & from_input)
    hidden = connected[:-1]  # the walk back from the outputs ends with the network's inputs
    return Connectivity(
        num_units=sum(unit.numel() for unit in hidden),
        num_connected=sum(int(unit.sum()) for unit in hidden),
        severed_layers=tuple(
            layer_of(name) for name, mask in masks.items() if name.endswith(".weight") and not mask.any()
        ),
        has_path=bool(connected[-1].any()),
    )


def connectivity_of(network: nn.Module, masks: Mapping[str, Tensor]) -> Connectivity:
    """Return the connectivity of a network whose linear layers are a chain, in the order of their definition.

    Raises
    ------
    InputError
        If a layer with a mask is not a ``torch.nn.Linear``, or a layer does not read the one before.
    """
    linear = linear_layers(network)
    for name, layer in linear_maps(network).items():
        if layer.weight_name in masks and name not in linear:
            raise InputError(
                f"connected units are counted along linear layers, and layer {name!r} is a "
                f"{type(layer.module).__name__}; set pruning.min_connected_fraction to 0"
            )
    return connectivity(
        masks, {name: (layer.out_features, layer.in_features) for name, layer in linear.items()}
    )


def paths(weight_masks: Sequence[Tensor]) -> Tensor:
    """Count kept paths from each network input to each unit of the last layer given.

    Parameters
    ----------
    weight_masks : sequence of Tensor of bool, each (out, in)
        Masks of the first layer, the second, …; each layer reads the one before.

    Returns
    -------
    Tensor of float64, (out of the last, in of the first)
        The product of the masks as matrices.
    """
    product = weight_masks[0].double()  # float64 counts exactly up to 2^53 paths
    for mask in weight_masks[1:]:
        product = mask.double() @ product
    return product
