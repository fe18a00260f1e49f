"""The cavity method: what each weight adds to the non-Gaussianity of its unit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import InputError

SMALLEST_VARIANCE = 1e-5
"""A unit, or what is left of it without a weight, with less of the unit's variance than this has no kurtosis.

Float32 moments carry a relative error near 1e-6 of the whole variance: below, it would be noise.
"""


@dataclass(frozen=True, eq=False)
class Cavity:
    """The effect of removing each weight of a layer, one at a time.

    Every Δ is the statistic with the weight minus the statistic without it: positive means that this
    weight raises it. 0 where the weight is 0 (removed already); NaN where the unit, or the unit without
    the weight, has (almost) no variance.

    Attributes
    ----------
    delta_kurtosis : numpy.ndarray of float64, (out, in)
        Δκ of the excess kurtosis κ = E[(λ−μ)⁴]/Var² − 3 of the pre-activation.
    delta_abs_kurtosis : numpy.ndarray of float64, (out, in)
        Δ|κ|. Where pre-activations are sub-Gaussian (κ < 0) a weight that makes its unit less Gaussian has
        Δκ < 0 and Δ|κ| > 0.
    delta_skewness : numpy.ndarray of float64, (out, in)
    delta_negentropy : numpy.ndarray of float64, (out, in)
        Δ(skewness²/12 + κ²/48).
    excess_kurtosis, skewness : numpy.ndarray of float64, (out,)
        With all weights; NaN for a unit without variance.
    num_undefined : int
        How many entries are NaN.
    """

    delta_kurtosis: np.ndarray
    delta_abs_kurtosis: np.ndarray
    delta_skewness: np.ndarray
    delta_negentropy: np.ndarray
    excess_kurtosis: np.ndarray
    skewness: np.ndarray
    num_undefined: int


def cavity(weight: Any, inputs: Any, *, dtype: torch.dtype = torch.float32) -> Cavity:
    """Compute what each weight of a layer adds to the non-Gaussianity of its unit.

    The pre-activation of unit k without input i is λ_k − W_ki h_i. With λ and h centred and
    m_ab = E[λ^a h^b],

        Var     = m20 − 2W m11 + W² m02
        third   = m30 − 3W m21 + 3W² m12 − W³ m03
        fourth  = m40 − 4W m31 + 6W² m22 − 4W³ m13 + W⁴ m04,

    so that six matrix products give every weight of the layer, exactly. λ and h are scaled to unit
    variance first, which changes no Δ and keeps float32 moments near 1.

    Parameters
    ----------
    weight : array-like or Tensor, (out, in)
        0 where removed. The bias changes nothing and is not asked for.
    inputs : array-like or Tensor, (n, in)
        The layer's inputs h.
    dtype : torch.dtype
        Of the matrix products: float32, or float64 for references.

    Returns
    -------
    Cavity

    Raises
    ------
    InputError
        If shapes do not fit, there are fewer than two samples, or values are not finite.

    Notes
    -----
    The paper's own definition of its cavity statistic was not at hand; this is ours (biased sample
    moments, as scipy.stats.kurtosis with ``bias=True``).
    """
    weight, inputs = _checked(weight, inputs)
    h = inputs.to(dtype)
    h = h - inputs.mean(dim=0, dtype=torch.float64).to(dtype)
    h -= h.mean(dim=0)  # what rounding of the mean has left
    input_sd = h.square().mean(dim=0, dtype=torch.float64).sqrt()
    h = torch.where(input_sd > 0, h / input_sd, 0.0).to(dtype)  # (n, in)
    scaled = weight.double() * input_sd  # (out, in)
    preactivation = (h @ scaled.to(dtype).T).double()
    preactivation -= preactivation.mean(dim=0)
    unit_sd = preactivation.square().mean(dim=0).sqrt()
    # The scale that the weights set: a unit whose parts cancel has no variance of its own.
    has_variance = unit_sd.square() > SMALLEST_VARIANCE * scaled.square().sum(dim=1) * torch.finfo(dtype).eps
    lam = torch.where(has_variance, preactivation / unit_sd, 0.0)  # (n, out)
    u = torch.where(has_variance, 1 / unit_sd, 0.0).unsqueeze(1) * scaled  # (out, in)
    return _assemble(lam, h, u, has_variance)


def _assemble(lam: Tensor, h: Tensor, u: Tensor, has_variance: Tensor) -> Cavity:
    rows, columns = u.nonzero(as_tuple=True)
    w = u[rows, columns]
    m = _moments_at(lam, h, rows, columns)
    mean3, mean4 = (lam**2 * lam).mean(dim=0), (lam**2).square().mean(dim=0)
    w2 = w * w
    variance = 1 - 2 * w * m["11"] + w2
    third = mean3[rows] - 3 * w * m["21"] + 3 * w2 * m["12"] - w2 * w * m["03"]
    fourth = mean4[rows] - 4 * w * m["31"] + 6 * w2 * m["22"] - 4 * w2 * w * m["13"] + w2 * w2 * m["04"]
    variance = torch.where(variance > SMALLEST_VARIANCE, variance, torch.nan)
    skew_without, kurt_without = third / variance**1.5, fourth / variance**2 - 3
    skewness = torch.where(has_variance, mean3, torch.nan)
    kurtosis = torch.where(has_variance, mean4 - 3, torch.nan)
    skew, kurt = skewness[rows], kurtosis[rows]
    deltas = {
        "delta_kurtosis": kurt - kurt_without,
        "delta_abs_kurtosis": kurt.abs() - kurt_without.abs(),
        "delta_skewness": skew - skew_without,
        "delta_negentropy": (skew**2 - skew_without**2) / 12 + (kurt**2 - kurt_without**2) / 48,
    }
    return Cavity(
        **{name: _spread(values, rows, columns, u.shape) for name, values in deltas.items()},
        excess_kurtosis=kurtosis.cpu().numpy(),
        skewness=skewness.cpu().numpy(),
        num_undefined=int(deltas["delta_kurtosis"].isnan().sum()),
    )


def _moments_at(lam: Tensor, h: Tensor, rows: Tensor, columns: Tensor) -> dict[str, Tensor]:
    """Return m_ab at the given entries, float64; `h` sets the dtype of the products."""
    lam1 = lam.to(h.dtype)
    lam2, h2 = lam1.square(), h.square()
    lam3, h3 = lam2 * lam1, h2 * h
    flat = rows * h.shape[1] + columns
    powers = {
        "11": (lam1, h),
        "21": (lam2, h),
        "31": (lam3, h),
        "12": (lam1, h2),
        "22": (lam2, h2),
        "13": (lam1, h3),
    }
    found = {
        name: (a.T @ b).reshape(-1)[flat].double() / len(h)  # (out, in) at the entries
        for name, (a, b) in powers.items()
    }
    found["03"] = h3.mean(dim=0, dtype=torch.float64)[columns]
    found["04"] = h2.square().mean(dim=0, dtype=torch.float64)[columns]
    return found


def _spread(values: Tensor, rows: Tensor, columns: Tensor, shape: torch.Size) -> np.ndarray:
    dense = torch.zeros(shape, dtype=torch.float64, device=values.device)
    dense[rows, columns] = values
    return dense.cpu().numpy()


def _checked(weight: Any, inputs: Any) -> tuple[Tensor, Tensor]:
    weight, inputs = torch.as_tensor(weight).detach(), torch.as_tensor(inputs).detach()
    if weight.ndim != 2 or inputs.ndim != 2 or weight.shape[1] != inputs.shape[1]:
        raise InputError(
            f"weight has shape {tuple(weight.shape)} and inputs {tuple(inputs.shape)}; "
            "(out, in) and (n, in) are needed"
        )
    if len(inputs) < 2:
        raise InputError(f"inputs hold {len(inputs)} sample; at least 2 are needed")
    for name, values in (("weight", weight), ("inputs", inputs)):
        if not torch.isfinite(values).all():
            raise InputError(f"{name} holds NaN or infinite values")
    return weight, inputs.to(weight.device)
