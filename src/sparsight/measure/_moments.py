"""Joint moments of pre-activations and inputs, streaming and mergeable."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import InputError
from sparsight.measure._power_sums import add_in_pieces, add_power_sums, shifted, shifted_sum
from sparsight.measure._sample_blocks import BLOCK
from sparsight.measure._unit_input_pairs import Pairs

CROSS_ORDERS = ((1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (1, 3))
"""Orders (a, b) of E[λ^a h^b] with a + b ≤ 4, both at least 1."""


class Moments:
    """Sums of (λ_k − p_k)^a (h_i − q_i)^b over samples, for pairs of units k and inputs i.

    Orders are a + b ≤ 4 where both are at least 1, and up to `highest_order` (4 or more) for units or inputs
    alone. Within a block of samples, matrix products in `dtype` sum the products of powers; blocks are added
    up in float64. Memory does not grow with the number of samples. For moments by class, keep one accumulator
    per class and merge them for those of all samples.

    The pivots p and q, (out,) and (in,), save digits: a sum of fourth powers around 0 loses all of them if
    the mean is 10⁴ standard deviations. Unless given, they are the means of the first batch. The result
    depends on them, and on the batch size, by rounding only (below 1e-5 of the moment's scale in float32,
    1e-10 in float64).
    """

    def __init__(
        self,
        pairs: Pairs,
        *,
        dtype: str = "float32",
        highest_order: int = 6,
        unit_pivot: Tensor | None = None,
        input_pivot: Tensor | None = None,
    ) -> None:
        if (unit_pivot is None) != (input_pivot is None):
            raise InputError("one of unit_pivot and input_pivot is given; give both or neither")
        if highest_order < 4:
            raise InputError(f"highest_order is {highest_order}; at least 4 is needed")
        self.pairs, self.dtype, self.highest_order = pairs, dtype_named(dtype), highest_order
        self.num_samples = 0
        self._pivots: tuple[Tensor, Tensor] | None = None
        if unit_pivot is not None and input_pivot is not None:
            if unit_pivot.shape != (pairs.num_units,) or input_pivot.shape != (pairs.num_inputs,):
                raise InputError(
                    f"pivots have shapes {tuple(unit_pivot.shape)} and {tuple(input_pivot.shape)}; "
                    f"({pairs.num_units},) and ({pairs.num_inputs},) are needed"
                )
            self._start(unit_pivot, input_pivot)

    def _start(self, unit_pivot: Tensor, input_pivot: Tensor) -> None:
        # Sums over blocks are float64 whatever the products are: a million float32 additions would add up
        # their rounding errors.
        self._pivots = unit_pivot.double(), input_pivot.double()
        zeros = unit_pivot.new_zeros
        self._unit = zeros((self.highest_order + 1, self.pairs.num_units), dtype=torch.float64)
        self._input = zeros((self.highest_order + 1, self.pairs.num_inputs), dtype=torch.float64)
        self._cross = {order: zeros(self.pairs.shape, dtype=torch.float64) for order in CROSS_ORDERS}

    def update(self, preactivations: np.ndarray | Tensor, inputs: np.ndarray | Tensor) -> None:
        """Add a batch of pre-activations λ, (n, out), and inputs h, (n, in); λ need not be linear in h."""
        lam, h = torch.as_tensor(preactivations).detach(), torch.as_tensor(inputs).detach()
        num_samples, sizes = len(h), (self.pairs.num_units, self.pairs.num_inputs)
        if lam.shape != (num_samples, sizes[0]) or h.shape != (num_samples, sizes[1]):
            raise InputError(
                f"preactivations have shape {tuple(lam.shape)} and inputs {tuple(h.shape)}; "
                f"(n, {sizes[0]}) and (n, {sizes[1]}) are needed"
            )
        if not (torch.isfinite(lam).all() and torch.isfinite(h).all()):
            raise InputError("preactivations or inputs hold NaN or infinite values; remove those samples")
        if num_samples == 0:
            return
        if self._pivots is None:
            self._start(lam.mean(dim=0, dtype=torch.float64), h.mean(dim=0, dtype=torch.float64))
        unit_pivot, input_pivot = self.pivots
        for start in range(0, num_samples, BLOCK):
            block = slice(start, start + BLOCK)
            # Rounded to `dtype` only after the (float64) pivot is subtracted: what is left is small, so its
            # leading digits are those that matter.
            unit_deviations = (lam[block] - unit_pivot).to(self.dtype)
            input_deviations = (h[block] - input_pivot).to(self.dtype)
            self.add_deviations(self.pairs.arranged(unit_deviations), self.pairs.arranged(input_deviations))

    @property
    def pivots(self) -> tuple[Tensor, Tensor]:
        """The values subtracted from pre-activations, (out,), and from inputs, (in,); float64."""
        if self._pivots is None:
            raise InputError("these moments hold no samples; update them first")
        return self._pivots

    def add_deviations(self, units: Tensor, inputs: Tensor) -> None:
        """Add one block of λ − p, (n, out), and h − q, (n, in), in `dtype` and arranged by the pairs.

        Nothing is checked. Use this if you know the deviations better than as differences of rounded
        numbers: W(h − q) has digits that W h − W q has lost.
        """
        self.num_samples += len(inputs)
        add_power_sums(self._unit, units)
        add_power_sums(self._input, inputs)
        square_of_units, square_of_inputs = units * units, inputs * inputs
        unit_powers = {1: units, 2: square_of_units, 3: square_of_units * units}
        input_powers = {1: inputs, 2: square_of_inputs, 3: square_of_inputs * inputs}
        for (a, b), total in self._cross.items():
            add_in_pieces(total, self.pairs.products(unit_powers[a], input_powers[b]))

    def merge_(self, other: "Moments") -> None:
        """Add the samples of `other`, which is about the same pairs in the same precision, to these.

        The binomial theorem moves the sums from the pivots of `other` to those of this accumulator. This is
        exact up to float64 rounding, in any order of merging.
        """
        kinds = [(m.dtype, m.highest_order, m.pairs.shape) for m in (self, other)]
        if kinds[0] != kinds[1] or not self.pairs.same_as(other.pairs):
            raise InputError(
                f"moments of {kinds[0]} and of {kinds[1]} (dtype, highest order, shape of the pairs) "
                "cannot be merged; give both the same, and the same mask"
            )
        if other._pivots is None:
            return
        if self._pivots is None:
            self._start(*other._pivots)
        # λ − p = (λ − p') + (p' − p) with p' the other's pivot, and likewise for the inputs.
        unit_shift = other.pivots[0] - self.pivots[0]
        input_shift = other.pivots[1] - self.pivots[1]
        self.num_samples += other.num_samples
        self._unit += shifted(other._unit, unit_shift)
        self._input += shifted(other._input, input_shift)
        for part, cross in other._shifted_parts(unit_shift, input_shift):
            for order, values in cross.items():
                self._cross[order][part] += values

    def means(self) -> tuple[Tensor, Tensor]:
        """Return E λ, (out,), and E h, (in,), float64."""
        unit_pivot, input_pivot = self.pivots
        count = max(self.num_samples, 1)
        return unit_pivot + self._unit[1] / count, input_pivot + self._input[1] / count

    def central(self) -> tuple[Tensor, Tensor, Iterator[tuple[slice, Mapping[tuple[int, int], Tensor]]]]:
        """Return central sample moments (ddof 0) of units, of inputs, and of pairs part by part; float64.

        E[(λ − E λ)^p] and E[(h − E h)^p] have a row for each p = 0 … highest_order, of which row 1 is 0 up to
        rounding; E[(λ − E λ)^a (h − E h)^b] comes by (a, b) for each of `pairs.parts()`.
        """
        unit_pivot, input_pivot = self.pivots
        if self.num_samples == 0:
            raise InputError("these moments hold no samples; update them first")
        unit_mean, input_mean = self.means()
        # λ − E λ = (λ − p) + (p − E λ): central sums are the stored ones, moved from the pivots to the means.
        unit_shift, input_shift = unit_pivot - unit_mean, input_pivot - input_mean
        count = self.num_samples
        parts = (
            (part, {order: values.div_(count) for order, values in cross.items()})
            for part, cross in self._shifted_parts(unit_shift, input_shift)
        )
        return shifted(self._unit, unit_shift) / count, shifted(self._input, input_shift) / count, parts

    def _shifted_parts(
        self, unit_shift: Tensor, input_shift: Tensor
    ) -> Iterator[tuple[slice, dict[tuple[int, int], Tensor]]]:
        """Yield, part by part, the sums of (λ − p + unit_shift)^a (h − q + input_shift)^b."""
        pairs = self.pairs
        sums_of_units, sums_of_inputs = self._unit[:4], self._input[:4]
        # Sums with a = 0 do not depend on the unit: they are shifted once, not once per pair.
        shifted_inputs = shifted(sums_of_inputs, input_shift)
        for part in pairs.parts():
            unit, by_input = pairs.of_units(sums_of_units, part), pairs.of_inputs(shifted_inputs, part)
            delta, epsilon = pairs.of_units(unit_shift, part), pairs.of_inputs(input_shift, part)
            # One variable after the other: first the inputs are shifted, at every order of the unit.
            half: dict[tuple[int, int], Tensor] = {}
            for a, b in CROSS_ORDERS:
                known = [unit[a], *(self._cross[a, j][part] for j in range(1, b + 1))]
                half[a, b] = shifted_sum(known, epsilon)
            yield (
                part,
                {
                    (a, b): shifted_sum([by_input[b], *(half[i, b] for i in range(1, a + 1))], delta)
                    for a, b in CROSS_ORDERS
                },
            )


def dtype_named(name: str) -> torch.dtype:
    """Return the torch dtype of that name; raise InputError unless it is float32 or float64."""
    if name not in ("float32", "float64"):
        raise InputError(f"dtype is {name!r}; choose 'float32' (fast) or 'float64' (for references)")
    return torch.float32 if name == "float32" else torch.float64
