"""The kept weights of a layer, scaled so that pre-activations and inputs are near 1."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import InputError
from sparsight.measure._moments import Moments
from sparsight.measure._unit_input_pairs import AllPairs, ListedPairs, Pairs

LISTING_PAYS_BELOW = 0.08
"""Density below which pairs are listed: there six products by pair cost as much as six matrix products."""
SAMPLES_FOR_PIVOT = 256
"""Samples whose mean is the pivot. It only has to be within a standard deviation or so of the true mean."""
MOST_INPUTS = 0.7
"""Share of inputs with a weight above which leaving out the others costs more (a copy) than it saves."""


@dataclass(frozen=True, eq=False)
class KeptWeights:
    """Weights of a layer without its empty units and, if there are many, without its unused inputs.

    `shape` is (out, in) of the whole layer; `rows` and `columns` are the units and inputs in it that are
    left. `weight`, float64, (rows, columns), is 0 where pruned.
    """

    shape: tuple[int, int]
    rows: Tensor
    columns: Tensor
    weight: Tensor

    @property
    def has_all_inputs(self) -> bool:
        """Whether no input is left out."""
        return len(self.columns) == self.shape[1]


def kept_weights(weight: np.ndarray | Tensor, mask: np.ndarray | Tensor | None) -> KeptWeights:
    """Return the kept weights of a layer, which must be finite; shapes and dtypes are already checked."""
    dense = torch.as_tensor(weight).detach().double()
    if not torch.isfinite(dense).all():
        raise InputError("weight holds NaN or infinite values; train with a lower learning rate")
    if mask is not None:
        dense = torch.where(torch.as_tensor(mask).to(dense.device), dense, 0.0)
    nonzero = dense != 0
    rows, columns = nonzero.any(dim=1).nonzero().flatten(), nonzero.any(dim=0).nonzero().flatten()
    if len(columns) > MOST_INPUTS * dense.shape[1]:
        columns = torch.arange(dense.shape[1], device=dense.device)
    if (len(rows), len(columns)) != dense.shape:
        dense = dense[rows][:, columns]
    return KeptWeights((nonzero.shape[0], nonzero.shape[1]), rows, columns, dense)


def near_one(kept: KeptWeights) -> KeptWeights:
    """Return kept weights with each unit scaled by a power of two, so that its largest is near 1."""
    largest = kept.weight.abs().amax(dim=1) if kept.weight.numel() else kept.weight.new_zeros(len(kept.rows))
    return replace(kept, weight=kept.weight / _power_of_two(largest)[:, None])


@dataclass(frozen=True, eq=False, kw_only=True)
class ScaledLayer:
    """Kept weights u_ki = W_ki s_i / r_k, scaled by inputs and by units, and listed if they are few.

    s_i (`input_scale`) is near the standard deviation of input i and r_k near the norm of unit k. Skewness
    and kurtosis do not depend on either. Without scaling, fourth powers in float32 would overflow for
    deviations above 4e9 and lose digits below 3e-10. Both scales are powers of two, so scaling rounds
    nothing.

    `weight` is u in the shape of the pairs; `dtype` is the precision of the matrix products.
    """

    kept: KeptWeights
    pairs: Pairs
    weight: Tensor
    input_scale: Tensor
    dtype: torch.dtype

    def moments(self, blocks: Iterable[Tensor]) -> Moments:
        """Return moments of scaled pre-activations and inputs; the pivots are means of the first samples.

        The blocks, (n, in), are not scaled. Pre-activations are computed from the inputs' deviations h − q,
        since W h would spend its digits on a large mean.
        """
        settings: dict[str, Any] = {"dtype": str(self.dtype).removeprefix("torch."), "highest_order": 4}
        found, pivot = Moments(self.pairs, **settings), None
        for block in blocks:
            h = block if self.kept.has_all_inputs else block[:, self.kept.columns]
            # Deviations are taken in the wider dtype and rounded afterwards: float64 inputs with a large mean
            # would otherwise lose in float32 what distinguishes them.
            h = h.to(torch.promote_types(h.dtype, self.dtype))
            if pivot is None:
                # rounded to h's dtype, so that for a constant float32 input h − pivot is exactly 0
                pivot = h[:SAMPLES_FOR_PIVOT].mean(dim=0, dtype=torch.float64).to(h.dtype)
                input_pivot = pivot.double() / self.input_scale
                unit_pivot = self.pairs.preactivations(input_pivot[None], self.weight.double())[0]
                found = Moments(self.pairs, **settings, unit_pivot=unit_pivot, input_pivot=input_pivot)
            scaled = (h - pivot).mul_(1 / self.input_scale.to(h.dtype)).to(self.dtype)
            deviations = self.pairs.arranged(scaled)
            found.add_deviations(self.pairs.preactivations(deviations, self.weight), deviations)
        return found


def scaled_layer(kept: KeptWeights, sample: Tensor, dtype: torch.dtype) -> ScaledLayer:
    """Return kept weights scaled by the standard deviations of a sample of the inputs, (n, in)."""
    seen = sample if kept.has_all_inputs else sample[:, kept.columns]
    deviations = seen.double() - seen.mean(dim=0, dtype=torch.float64)
    input_scale = _power_of_two(deviations.square().mean(dim=0).sqrt())
    scaled = kept.weight * input_scale
    scaled = scaled / _power_of_two(scaled.square().sum(dim=1).sqrt())[:, None]
    nonzero = scaled != 0
    pays = nonzero.sum() < LISTING_PAYS_BELOW * nonzero.numel()
    pairs: Pairs = ListedPairs(nonzero) if pays else AllPairs(*scaled.shape)
    return ScaledLayer(
        kept=kept,
        pairs=pairs,
        weight=pairs.values_of(scaled).to(dtype),
        input_scale=input_scale,
        dtype=dtype,
    )


def _power_of_two(size: Tensor) -> Tensor:
    """Return the power of two next above each size; 1 where the size is 0."""
    # frexp gives a mantissa in [½, 1) and this exponent; of 0 it gives exponent 0, hence 1
    return torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent)
