"""The live part of a layer: without units and inputs that are the same for all samples, or unused.

A pruned network has many units without a kept input. Their outputs are constants, which need no tile: what
they contribute to the next layer is added to its biases. See "What is the same for every sample is left out
of the tiles" in docs/decisions.md.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.sparse._pattern import Pattern

# Constant units are left out of the tiles from this fraction of a layer's units on: constants cost
# operations of torch at every step, which a few units do not repay.
_FEWEST_CONSTANT = 1 / 8

# Used pixels are gathered one by one up to this fraction of all pixels; above it, reading whole rows in
# blocks of 16 × 16 is faster.
_MOST_PIXELS = 1 / 4


@dataclass(frozen=True, eq=False)
class Constants:
    """The kept weights whose input is the same for all samples; their products are added to the bias.

    `values` are positions among the layer's kept weights, `inputs` positions among the constant inputs.
    """

    values: Tensor
    units: Tensor
    inputs: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class LivePart:
    """The live units and live inputs of a layer, and how the others are treated; None where all are live.

    The pattern is that of the kept weights from live inputs to live units, and `values` are their positions
    among the layer's kept weights. Units are live, and in the tiles, if they have a live input; inputs if
    they differ between samples. `constants` are None if no kept weight has a constant input.
    """

    pattern: Pattern
    values: Tensor | None = None
    units: Tensor | None = None
    constant_units: Tensor | None = None
    inputs: Tensor | None = None
    constant_inputs: Tensor | None = None
    constants: Constants | None = None

    @classmethod
    def of(cls, mask: Tensor, is_constant: Tensor | None, *, leaves_units_out: bool) -> "LivePart":
        """Return the live part of a layer.

        `is_constant` marks inputs that are the same for all samples or that no unit uses. `leaves_units_out`:
        the next stage is a block, which accepts that constant units are missing from the tiles.
        """
        live = mask if is_constant is None else mask & ~is_constant
        has_input = live.any(dim=1)
        constant_units = None
        num_constant = int((~has_input).count_nonzero())
        if leaves_units_out and _FEWEST_CONSTANT * len(mask) <= num_constant < len(mask):
            constant_units = (~has_input).nonzero().squeeze(1)
        if is_constant is None and constant_units is None:
            return cls(pattern=Pattern.of(mask))
        whole, constants, values = Pattern.of(mask), None, None
        if is_constant is not None:
            is_on_constant = is_constant[whole.inputs]
            values = (~is_on_constant).nonzero().squeeze(1)
            constants = _constants(whole, is_on_constant.nonzero().squeeze(1), is_constant)
            live = live[:, ~is_constant]
        return cls(
            pattern=Pattern.of(live if constant_units is None else live[has_input]),
            values=values if constants is not None else None,
            units=None if constant_units is None else has_input.nonzero().squeeze(1),
            constant_units=constant_units,
            inputs=None if is_constant is None else (~is_constant).nonzero().squeeze(1),
            constant_inputs=None if is_constant is None else is_constant.nonzero().squeeze(1),
            constants=constants,
        )


def unused_pixels(mask: Tensor) -> Tensor | None:
    """Return which inputs no unit of the first layer uses: bool, (in,); None if they are too few, or all."""
    is_used = mask.any(dim=0)
    return ~is_used if 0 < int(is_used.count_nonzero()) <= _MOST_PIXELS * len(is_used) else None


def constant_units(part: LivePart, num_units: int) -> Tensor | None:
    """Return which units are left out of the tiles: bool, (out,); None if there are none."""
    if part.constant_units is None:
        return None
    is_constant = torch.zeros(num_units, dtype=torch.bool)
    is_constant[part.constant_units] = True
    return is_constant


def _constants(pattern: Pattern, places: Tensor, is_constant: Tensor) -> Constants | None:
    if len(places) == 0:
        return None
    number = is_constant.cumsum(0) - 1
    return Constants(places, pattern.units[places], number[pattern.inputs[places]])
