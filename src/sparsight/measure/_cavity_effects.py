"""From joint moments to the effect of removing each weight."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsight.measure._moments import Moments
from sparsight.measure._scaled_layer import KeptWeights, ScaledLayer
from sparsight.measure._unit_input_pairs import ListedPairs

DELTAS = ("delta_kurtosis", "delta_abs_kurtosis", "delta_skewness", "delta_negentropy")
MAPS = (*DELTAS, "variance_ratio")

# Thresholds in units of the rounding error ε; derived in the Notes of `cavity`.
_LEAST_RESOLVED_VARIANCE = 300.0  # times √ε: below it the kurtosis without a weight is off by more than 1e-3
_LEAST_SD = 1e4  # times ε: below it the standard deviation of a unit is rounding
_LEAST_INPUT_SD = 64.0  # times ε of float64 and the mean: below it an input is constant


@dataclass(frozen=True, eq=False, kw_only=True)
class Cavity:
    """The effect of removing each weight of a layer, one at a time.

    Every Δ is the statistic with the weight minus the statistic without it: positive means that this
    weight raises it. It is exactly 0 where the weight is 0 or masked out (there is nothing to remove), and
    NaN where the unit, or the unit without the weight, has (almost) no variance.

    Attributes
    ----------
    delta_kurtosis : numpy.ndarray of float64, (out, in)
        Δκ of the excess kurtosis κ = E[(λ−μ)⁴]/Var² − 3 of the pre-activation.
    delta_abs_kurtosis : numpy.ndarray of float64, (out, in)
        Δ|κ|. Where pre-activations are sub-Gaussian (κ < 0), a weight that makes its unit less Gaussian has
        Δκ < 0 and Δ|κ| > 0.
    delta_skewness : numpy.ndarray of float64, (out, in)
        Δγ of the skewness γ = E[(λ−μ)³]/Var^1.5.
    delta_negentropy : numpy.ndarray of float64, (out, in)
        Δ(γ²/12 + κ²/48), the leading terms of the distance to a Gaussian (Jones & Sibson 1987, eq. 3.4 ff).
    variance_ratio : numpy.ndarray of float64, (out, in)
        Variance of the unit without the weight over that with it: 1 where there is nothing to remove.
    excess_kurtosis, skewness : numpy.ndarray of float64, (out,)
        Statistics of each unit with all its weights; NaN for a unit without variance.
    num_undefined : int
        Number of NaN entries in a map (the same entries in all five).
    """

    delta_kurtosis: np.ndarray
    delta_abs_kurtosis: np.ndarray
    delta_skewness: np.ndarray
    delta_negentropy: np.ndarray
    variance_ratio: np.ndarray
    excess_kurtosis: np.ndarray
    skewness: np.ndarray
    num_undefined: int


def effects(layer: ScaledLayer, moments: Moments) -> tuple[Cavity, Tensor]:
    """Return every Δ, computed from moments, and which units need a second look.

    The formula and the thresholds are those of `sparsight.measure.cavity`. The units, indices among the kept
    ones, have a value that float32 cannot resolve but float64 may: none if the moments are already float64.
    """
    pairs, kept = layer.pairs, layer.pairs.values_of(layer.kept.weight != 0)
    unit, inputs, parts = moments.central()
    eps = torch.finfo(layer.dtype).eps
    # The pivot of a constant input may miss its value by some float64 rounding errors: that is not variance.
    varies = inputs[2] > (_LEAST_INPUT_SD * torch.finfo(torch.float64).eps * moments.means()[1]) ** 2
    terms = pairs.preactivations((inputs[2] * varies)[None], layer.weight.double() ** 2)[0]  # Σ W² Var h
    num_live = pairs.preactivations(varies.double()[None], kept.double())[0]
    # Relative to Σ W² Var h, not to 0: weights on correlated inputs may cancel and leave rounding alone.
    has_variance = unit[2] > (_LEAST_SD * eps) ** 2 * terms
    # By the same operations as below, so that removing a constant input changes not even the last digit.
    inverse = torch.where(has_variance, unit[2], torch.nan).reciprocal()
    skewness, kurtosis = unit[3] * inverse * inverse.sqrt(), unit[4] * inverse * inverse - 3
    negentropy = (skewness.square() / 12).add_(kurtosis.square(), alpha=1 / 48)
    of_unit = torch.stack(
        [*unit[2:5], skewness, kurtosis, kurtosis.abs(), negentropy, has_variance.double(), num_live]
    )
    of_input = torch.stack([*inputs[2:5], varies.double()])
    maps = torch.empty((len(MAPS), *pairs.shape), dtype=torch.float64, device=unit.device)
    coarse = torch.zeros(pairs.num_units, dtype=torch.bool, device=unit.device)
    # Part by part and in place: temporaries of the size of the layer would leave the cache, and the six
    # float64 moments alone are 48 bytes per weight.
    for part, cross in parts:
        m20, m30, m40, skew, kurt, abs_kurt, negent, has, live = pairs.of_units(of_unit, part)
        m02, m03, m04, varying = pairs.of_inputs(of_input, part)
        v = (layer.weight[part].double() * varying).neg_()  # −W; polynomials in it by Horner's rule
        var = (v * m02).add_(cross[1, 1], alpha=2).mul_(v).add_(m20)
        third = (v * m03).add_(cross[1, 2], alpha=3).mul_(v).add_(cross[2, 1], alpha=3).mul_(v).add_(m30)
        fourth = (v * m04).add_(cross[1, 3], alpha=4).mul_(v).add_(cross[2, 2], alpha=6).mul_(v)
        fourth.add_(cross[3, 1], alpha=4).mul_(v).add_(m40)
        # Var + W² m02 = var + 2W m11, the largest of the terms that cancel in `var`
        largest = var.add(cross[1, 1].mul_(v), alpha=-2)
        resolved = (var > largest.mul_(_LEAST_RESOLVED_VARIANCE * eps**0.5)).logical_and_(has)
        unresolved = kept[part] & ~resolved
        # Without its only varying input a unit has no variance in any precision: no second look for it.
        coarse[pairs.units_among(unresolved & (live > 1), part)] = True
        here = maps[:, part]
        torch.div(var.masked_fill_(~resolved, torch.nan), m20, out=here[4])
        inverse = var.reciprocal_()
        skew0, kurt0 = third.mul_(inverse).mul_(inverse.sqrt()), fourth.mul_(inverse).mul_(inverse).sub_(3)
        torch.sub(kurt, kurt0, out=here[0])
        torch.sub(abs_kurt, kurt0.abs(), out=here[1])
        torch.sub(skew, skew0, out=here[2])
        torch.sub(negent, skew0.square_().div_(12).add_(kurt0.square_(), alpha=1 / 48), out=here[3])
        here[:4].masked_fill_(~kept[part], 0.0)
        here[4].masked_fill_(~kept[part], 1.0)
    found = Cavity(
        **{name: _whole(values, layer) for name, values in zip(DELTAS, maps[:4], strict=True)},
        variance_ratio=_whole(maps[4], layer, elsewhere=1.0),
        excess_kurtosis=_whole_units(kurtosis, layer.kept),
        skewness=_whole_units(skewness, layer.kept),
        num_undefined=int(maps[0].isnan().sum()),
    )
    return found, coarse.nonzero().flatten() if layer.dtype == torch.float32 else coarse.nonzero()[:0, 0]


def _whole(values: Tensor, layer: ScaledLayer, elsewhere: float = 0.0) -> np.ndarray:
    """Return a map of the whole layer from the values of its kept pairs, and the value of all others."""
    kept = layer.kept
    if values.ndim == 2 and tuple(values.shape) == kept.shape:
        return values.cpu().numpy()
    # The system hands out zero pages only when they are written to.
    whole = np.full(kept.shape, elsewhere) if elsewhere else np.zeros(kept.shape)
    rows, columns = kept.rows[:, None], kept.columns[None, :]
    if isinstance(layer.pairs, ListedPairs):
        rows, columns = kept.rows[layer.pairs.rows], kept.columns[layer.pairs.columns]
    whole[rows.cpu().numpy(), columns.cpu().numpy()] = values.cpu().numpy()
    return whole


def _whole_units(values: Tensor, kept: KeptWeights) -> np.ndarray:
    whole = np.full(kept.shape[0], np.nan)
    whole[kept.rows.cpu().numpy()] = values.cpu().numpy()
    return whole
