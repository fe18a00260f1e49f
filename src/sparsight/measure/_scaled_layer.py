"""The kept weights of a layer, in units in which pre-activations and inputs are near 1."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import InputError
from sparsight.measure._moments import Moments
from sparsight.measure._unit_input_pairs import AllPairs, ListedPairs, Pairs

LISTING_PAYS_BELOW = 0.08
"""Density under which pairs are listed: there 6 products by pair cost as much as 6 matrix products."""
SAMPLES_FOR_PIVOT = 256
MOST_INPUTS = 0.7
"""Share of inputs with a weight above which leaving out the others costs more than it saves."""


@dataclass(frozen=True, eq=False)
class KeptWeights:
    """Weights of a layer, without the units that have none; without inputs that have none if they are many.

    Attributes
    ----------
    shape : tuple of int
        (out, in) of the whole layer.
    rows, columns : Tensor of int64
        The units and inputs that are left, among all.
    weight : Tensor of float64, (rows, columns)
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
    """Check a layer's weight and mask, and return what is kept.

    Raises
    ------
    InputError
        If shapes or dtypes do not fit, or a weight is NaN or infinite.
    """
    dense = torch.as_tensor(weight).detach()
    if dense.ndim != 2:
        raise InputError(f"weight has shape {tuple(dense.shape)}; (out, in) is needed, as in torch.nn.Linear")
    dense = dense.double()
    if not torch.isfinite(dense).all():
        raise InputError("weight holds NaN or infinite values; train with a lower learning rate")
    if mask is not None:
        kept = torch.as_tensor(mask)
        if kept.shape != dense.shape or kept.dtype != torch.bool:
            raise InputError(
                f"mask is {kept.dtype} of shape {tuple(kept.shape)}; bool of weight's shape "
                f"{tuple(dense.shape)} is needed"
            )
        dense = torch.where(kept.to(dense.device), dense, 0.0)
    nonzero = dense != 0
    rows, columns = nonzero.any(dim=1).nonzero().flatten(), nonzero.any(dim=0).nonzero().flatten()
    if len(columns) > MOST_INPUTS * dense.shape[1]:
        columns = torch.arange(dense.shape[1], device=dense.device)
    if (len(rows), len(columns)) != dense.shape:
        dense = dense[rows][:, columns]
    return KeptWeights((nonzero.shape[0], nonzero.shape[1]), rows, columns, dense)


@dataclass(frozen=True, eq=False)
class ScaledLayer:
    """Kept weights u_ki = W_ki s_i / r_k, with s_i near the input's sd and r_k near the unit's norm.

    Skewness and kurtosis do not depend on either. Both are powers of two, so that no digit is lost; float32
    moments then neither overflow nor vanish, whatever the layer's scale.

    Attributes
    ----------
    kept : KeptWeights
    pairs : AllPairs or ListedPairs
        Of the kept weights; listed where they are few.
    weight : Tensor of `dtype`, in the shape of the pairs
    input_scale : Tensor of float64, (columns,)
    dtype : torch.dtype
        Of the matrix products.
    """

    kept: KeptWeights
    pairs: Pairs
    weight: Tensor
    input_scale: Tensor
    dtype: torch.dtype

    def no_moments(self, **pivots: Tensor) -> Moments:
        """Return an empty accumulator."""
        name = str(self.dtype).removeprefix("torch.")
        return Moments(self.pairs, dtype=name, highest_order=4, **pivots)

    def moments(self, blocks: Iterable[Tensor]) -> Moments:
        """Return moments of pre-activations and inputs, both scaled; pivots are means of the first samples.

        Pre-activations are computed from the inputs' deviations: W h would lose the digits that a large
        mean takes.

        Parameters
        ----------
        blocks : iterable of Tensor of float32 or float64, (n, in)
        """
        found, pivot = self.no_moments(), None
        for block in blocks:
            h = block if self.kept.has_all_inputs else block[:, self.kept.columns]
            h = h.to(torch.promote_types(h.dtype, self.dtype))
            if pivot is None:
                pivot = h[:SAMPLES_FOR_PIVOT].mean(dim=0, dtype=torch.float64).to(h.dtype)
                input_pivot = pivot.double() / self.input_scale
                unit_pivot = self.pairs.preactivations(input_pivot[None], self.weight.double())[0]
                found = self.no_moments(unit_pivot=unit_pivot, input_pivot=input_pivot)
            scaled = (h - pivot).mul_(1 / self.input_scale.to(h.dtype)).to(self.dtype)
            deviations = self.pairs.arranged(scaled)
            found.add_deviations(self.pairs.preactivations(deviations, self.weight), deviations)
        return found


def scaled_layer(kept: KeptWeights, sample: Tensor, dtype: torch.dtype) -> ScaledLayer:
    """Scale kept weights for moments, by the standard deviations of a sample of the inputs, (n, in)."""
    seen = sample if kept.has_all_inputs else sample[:, kept.columns]
    deviations = seen.double() - seen.mean(dim=0, dtype=torch.float64)
    input_scale = _power_of_two(deviations.square().mean(dim=0).sqrt())
    scaled = kept.weight * input_scale
    scaled = scaled / _power_of_two(scaled.square().sum(dim=1).sqrt())[:, None]
    nonzero = scaled != 0
    pays = nonzero.sum() < LISTING_PAYS_BELOW * nonzero.numel()
    pairs: Pairs = ListedPairs(nonzero) if pays else AllPairs(*scaled.shape)
    return ScaledLayer(kept, pairs, pairs.values_of(scaled).to(dtype), input_scale, dtype)


def _power_of_two(size: Tensor) -> Tensor:
    """Return the power of two next above each size; 1 where it is 0."""
    return torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent)
