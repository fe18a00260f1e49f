"""From joint moments to the effect of removing each weight."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsight.measure.moments import Moments
from sparsight.measure.scaled_layer import KeptWeights, ScaledLayer
from sparsight.measure.unit_input_pairs import ListedPairs

MAPS = ("delta_kurtosis", "delta_abs_kurtosis", "delta_skewness", "delta_negentropy")


@dataclass(frozen=True, eq=False)
class Cavity:
    """The effect of removing each weight of a layer, one at a time.

    Every Δ is the statistic with the weight minus the statistic without it: positive means that this
    weight raises it. Exactly 0 where the weight is 0 or masked out (there is nothing to remove); NaN where
    the unit, or the unit without the weight, has (almost) no variance.

    Attributes
    ----------
    delta_kurtosis : numpy.ndarray of float64, (out, in)
        Δκ of the excess kurtosis κ = E[(λ−μ)⁴]/Var² − 3 of the pre-activation.
    delta_abs_kurtosis : numpy.ndarray of float64, (out, in)
        Δ|κ|. Where pre-activations are sub-Gaussian (κ < 0) a weight that makes its unit less Gaussian has
        Δκ < 0 and Δ|κ| > 0.
    delta_skewness : numpy.ndarray of float64, (out, in)
        Δγ of the skewness γ = E[(λ−μ)³]/Var^1.5.
    delta_negentropy : numpy.ndarray of float64, (out, in)
        Δ(γ²/12 + κ²/48), the leading terms of the distance to a Gaussian (Jones & Sibson 1987, eq. 3.4 ff).
    excess_kurtosis, skewness : numpy.ndarray of float64, (out,)
        With all weights; NaN for a unit without variance.
    num_undefined : int
        How many entries of a map are NaN (the same entries in all four).
    """

    delta_kurtosis: np.ndarray
    delta_abs_kurtosis: np.ndarray
    delta_skewness: np.ndarray
    delta_negentropy: np.ndarray
    excess_kurtosis: np.ndarray
    skewness: np.ndarray
    num_undefined: int


def effects(layer: ScaledLayer, moments: Moments) -> tuple[Cavity, Tensor]:
    """Return every Δ from moments, and which units need a second look.

    Formula and thresholds: `sparsight.measure.cavity.cavity`.

    Returns
    -------
    Cavity
    Tensor of int64
        Units, among the kept, with a value that float32 cannot resolve but float64 may; none in float64.
    """
    pairs, kept = layer.pairs, layer.pairs.values_of(layer.kept.weight != 0)
    unit, inputs, parts = moments.central_parts()
    eps = torch.finfo(layer.dtype).eps
    varies = inputs[2] > (64 * torch.finfo(torch.float64).eps * moments.means()[1]) ** 2
    terms = pairs.preactivations((inputs[2] * varies)[None], layer.weight.double() ** 2)[0]  # Σ W² Var h
    num_live = pairs.preactivations(varies.double()[None], kept.double())[0]
    has_variance = unit[2] > (1e4 * eps) ** 2 * terms
    # in the same operations as below, so that removing nothing changes not even the last digit
    inverse = torch.where(has_variance, unit[2], torch.nan).reciprocal()
    skewness, kurtosis = unit[3] * inverse * inverse.sqrt(), unit[4] * inverse * inverse - 3
    of_unit = torch.stack([*unit[2:5], skewness, kurtosis, has_variance.double(), num_live])
    of_input = inputs[2:5]
    deltas = torch.empty((4, *pairs.shape), dtype=torch.float64, device=unit.device)
    coarse = torch.zeros(pairs.num_units, dtype=torch.bool, device=unit.device)
    for part, cross in parts:
        m20, m30, m40, skew, kurt, has, live = pairs.of_units(of_unit, part)
        m02, m03, m04 = pairs.of_inputs(of_input, part)
        w = layer.weight[part].double() * pairs.of_inputs(varies, part)
        largest = m20 + w * w * m02
        var = torch.addcmul(largest, w, cross[1, 1], value=-2)
        third = m30 - w * (3 * cross[2, 1] - w * (3 * cross[1, 2] - w * m03))
        fourth = m40 - w * (4 * cross[3, 1] - w * (6 * cross[2, 2] - w * (4 * cross[1, 3] - w * m04)))
        resolved = (var > 300 * eps**0.5 * largest) & (has != 0)
        inverse = torch.where(resolved, var, torch.nan).reciprocal()
        skew0, kurt0 = third * inverse * inverse.sqrt(), fourth * inverse * inverse - 3
        coarse[pairs.units_among(kept[part] & ~resolved & (live > 1), part)] = True
        here = deltas[:, part]
        here[0] = kurt - kurt0
        here[1] = kurt.abs() - kurt0.abs()
        here[2] = skew - skew0
        here[3] = (skew**2 - skew0**2) / 12 + (kurt**2 - kurt0**2) / 48
        here.masked_fill_(~kept[part], 0.0)
    found = Cavity(
        delta_kurtosis=_whole(deltas[0], layer),
        delta_abs_kurtosis=_whole(deltas[1], layer),
        delta_skewness=_whole(deltas[2], layer),
        delta_negentropy=_whole(deltas[3], layer),
        excess_kurtosis=_whole_units(kurtosis, layer.kept),
        skewness=_whole_units(skewness, layer.kept),
        num_undefined=int(deltas[0].isnan().sum()),
    )
    return found, coarse.nonzero().flatten() if layer.dtype == torch.float32 else coarse.nonzero()[:0, 0]


def _whole(values: Tensor, layer: ScaledLayer) -> np.ndarray:
    """Return a map of the whole layer from values of its kept pairs."""
    kept = layer.kept
    if values.ndim == 2 and tuple(values.shape) == kept.shape:
        return values.cpu().numpy()
    whole = np.zeros(kept.shape)  # pages that stay 0 cost nothing
    rows, columns = kept.rows[:, None], kept.columns[None, :]
    if isinstance(layer.pairs, ListedPairs):
        rows, columns = kept.rows[layer.pairs.rows], kept.columns[layer.pairs.columns]
    whole[rows.cpu().numpy(), columns.cpu().numpy()] = values.cpu().numpy()
    return whole


def _whole_units(values: Tensor, kept: KeptWeights) -> np.ndarray:
    whole = np.full(kept.shape[0], np.nan)
    whole[kept.rows.cpu().numpy()] = values.cpu().numpy()
    return whole


def undefined(kept: KeptWeights) -> Cavity:
    """Return what a single sample, or none, says: nothing."""
    nan_at_kept = np.zeros(kept.shape)
    rows, columns = (index.cpu().numpy() for index in kept.weight.nonzero(as_tuple=True))
    nan_at_kept[kept.rows.cpu().numpy()[rows], kept.columns.cpu().numpy()[columns]] = np.nan
    no_value = np.full(kept.shape[0], np.nan)
    return Cavity(
        delta_kurtosis=nan_at_kept,
        delta_abs_kurtosis=nan_at_kept.copy(),
        delta_skewness=nan_at_kept.copy(),
        delta_negentropy=nan_at_kept.copy(),
        excess_kurtosis=no_value,
        skewness=no_value.copy(),
        num_undefined=len(rows),
    )
