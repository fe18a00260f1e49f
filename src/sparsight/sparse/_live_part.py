"""The part of a layer that sees the sample: without inputs that are the same for all samples, or unused."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.sparse._pattern import Pattern

_FEWEST_CONSTANT = 1 / 8
"""Share of a layer's units from which on it is worth to leave them out of the tiles."""

_MOST_PIXELS = 1 / 4
"""Share of the pixels up to which the used ones are read one by one; whole rows are read faster than that."""


@dataclass(frozen=True, eq=False)
class Constants:
    """The kept weights on inputs that are the same for all samples: what they give is added to the bias.

    Attributes
    ----------
    values, units, inputs : Tensor of int64, (weights,)
        Place among the layer's kept weights, unit, and place among the constant inputs.
    """

    values: Tensor
    units: Tensor
    inputs: Tensor


@dataclass(frozen=True, eq=False)
class LivePart:
    """A layer's live units and live inputs, and what becomes of the others.

    Attributes
    ----------
    pattern : Pattern
        Of the live inputs' weights to the live units.
    values : Tensor of int64, or None
        Places of these weights among the layer's kept weights; None: all of them.
    units, constant_units : Tensor of int64, or None
        Units with a live input, which lie in the tiles, and those without; None: all units are in the tiles.
    inputs, constant_inputs : Tensor of int64, or None
        The same of the inputs; None: all inputs are live.
    constants : Constants or None
        None if no kept weight is on a constant input.
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

        Parameters
        ----------
        mask : Tensor of bool, (out, in)
        is_constant : Tensor of bool, (in,), or None
            The inputs that are the same for all samples, or that no unit uses. None: none.
        leaves_units_out : bool
            Whether the next layer can do without units that are the same for all samples.
        """
        live = mask if is_constant is None else mask & ~is_constant
        has_input = live.any(dim=1)
        constant_units = None
        num_constant = int((~has_input).count_nonzero())
        if leaves_units_out and _FEWEST_CONSTANT * len(mask) <= num_constant < len(mask):
            constant_units = (~has_input).nonzero().squeeze(1)
        if is_constant is None and constant_units is None:
            return cls(Pattern.of(mask))
        whole, constants, values = Pattern.of(mask), None, None
        if is_constant is not None:
            is_on_constant = is_constant[whole.inputs]
            values = (~is_on_constant).nonzero().squeeze(1)
            constants = _constants(whole, is_on_constant.nonzero().squeeze(1), is_constant)
            live = live[:, ~is_constant]
        return cls(
            Pattern.of(live if constant_units is None else live[has_input]),
            values if constants is not None else None,
            None if constant_units is None else has_input.nonzero().squeeze(1),
            constant_units,
            None if is_constant is None else (~is_constant).nonzero().squeeze(1),
            None if is_constant is None else is_constant.nonzero().squeeze(1),
            constants,
        )


def unused_pixels(mask: Tensor) -> Tensor | None:
    """Return which inputs no unit of the first layer uses: bool, (in,); None: too few, or all."""
    is_used = mask.any(dim=0)
    return ~is_used if 0 < int(is_used.count_nonzero()) <= _MOST_PIXELS * len(is_used) else None


def constant_units(part: LivePart, num_units: int) -> Tensor | None:
    """Return which units are left out of the tiles: bool, (out,); None: none."""
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
