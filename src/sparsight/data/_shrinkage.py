"""Class means and covariances shrunk toward those of all classes, as far as sampling error explains them."""

import functools
import itertools
import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64

from sparsight.data._class_moments import ClassMoments
from sparsight.data._gaussian_fits import Gaussian, GaussianFit
from sparsight.data._whitening import Axes, principal_axes

_DIGITS = 4
_NUM_ERRORS = 2  # standard errors within which a difference counts as sampling error


def fit_shrunk(moments: ClassMoments, _seed: int = 0) -> GaussianFit:
    r"""Return Gaussians whose means and covariances are shrunk toward those of all classes together.

    .. math:: \hat\Sigma_c = A_c S_c A_c + T \Lambda_c, \qquad A_c^2 = 1 - \Lambda_c, \qquad
              \hat\mu_c = m_c - \Lambda^m_c (m_c - \bar m)

    with the mean :math:`\bar m` of all samples and the covariance T pooled around the class means (divisor
    n − K). Λ is diagonal on the principal axes of T and has one intensity for each band of axes: the first
    axis, the second, the next 2, 4, 8, … by decreasing variance. So large differences between classes along a
    few axes are kept while sampling error along the many others is not. Intensities are
    `covariance_intensity` and `mean_intensity` of the band, in ridge-whitened coordinates: each axis is
    divided by √(t + 0.01 t̄), where t is its variance in T and t̄ the mean of these.
    """
    pooled = torch.from_numpy(moments.pooled_factor())
    axes = principal_axes(pooled.T @ pooled)
    del pooled
    counts, labels = moments.counts, range(len(moments.groups))
    overall = sum(moments.mean(label) * counts[label] for label in labels) / counts.sum()
    of_mean: list[list[float]] = [[] for _ in labels]
    of_covariance: list[list[float]] = [[] for _ in labels]

    @functools.lru_cache(maxsize=1)
    def model(label: int) -> Gaussian:
        offset = torch.from_numpy(moments.mean(label) - overall).float() @ axes.vectors
        factor = torch.from_numpy(moments.factor(label))
        in_mean, in_covariance = _intensities(moments, label, offset, axes)
        of_mean[label], of_covariance[label] = _by_band(in_mean), _by_band(in_covariance)
        own = (factor @ axes.vectors) * (1 - in_covariance).sqrt() @ axes.vectors.T
        shared = ((in_covariance * axes.variances).sqrt() * axes.vectors).T
        mean = moments.mean(label) - (axes.vectors @ (in_mean * offset)).double().numpy()
        # Not reduced to num_inputs rows by a QR factorisation, which takes longer than drawing twice the
        # noise.
        return Gaussian(mean, torch.cat([own, shared]).numpy())

    rank = min(int(counts.sum()) - len(counts), moments.num_inputs)
    card: dict[str, Any] = {
        "clone_rank_at_most": [rank] * len(counts),
        "mean_shrinkage_per_class_and_band": of_mean,
        "covariance_shrinkage_per_class_and_band": of_covariance,
    }
    return GaussianFit(model, model, card)


def covariance_intensity(
    num_samples: int, num_axes: int, share: float, *, fourth: float, square: float, distance: float
) -> float:
    r"""Return the weight λ of the pooled covariance T.

    .. math:: \lambda_c = (1 + 2 \varepsilon)
        \frac{(1 - w_c) \sum_{ij} \widehat{\mathrm{Var}}(s_{ij})}{\lVert S_c - T \rVert^2},
        \qquad \sum_{ij} \widehat{\mathrm{Var}}(s_{ij}) = \frac{n}{(n-1)^3}
        \Bigl[\sum_k \lVert y_k \rVert^4 - \frac{(n-1)^2}{n} \lVert S_c \rVert^2\Bigr]

    clipped to [0, 1], for n centred samples y of the class. T has the weight
    :math:`w_c = (n_c - 1)/(n - K)` of the class's own covariance, so the two covary. If classes do not
    differ, numerator and denominator have the same expectation. With ε = 0 λ would minimise the expected
    squared error, and half of the time be below 1 where classes do not differ. ε is the standard error of
    ‖S_c − T‖² relative to its expectation, for d axes of equal variance :math:`(4/(d(d+1)))^{1/2}`: what
    sampling error explains within two standard errors is taken for sampling error.

    Sources: Ledoit, Wolf, J. Multivar. Anal. 88 (2004) 365; Schäfer, Strimmer, Stat. Appl. Genet. Mol. Biol.
    4 (2005) 32, eq. 8.

    Parameters
    ----------
    num_axes : int
        d.
    share : float
        w_c.
    fourth, square, distance : float
        Σ‖y‖⁴, ‖S_c‖² and ‖S_c − T‖².
    """
    degrees = num_samples - 1
    variance = num_samples / degrees**3 * (fourth - degrees**2 / num_samples * square)
    relative_error = math.sqrt(4 / (num_axes * (num_axes + 1)))
    return _ratio((1 - share) * max(variance, 0.0), relative_error, distance)


def mean_intensity(
    num_samples: int, num_axes: int, share: float, *, variance: float, distance: float
) -> float:
    r"""Return the weight of the overall mean, clipped to [0, 1].

    .. math:: \lambda^m_c = (1 + 2 \varepsilon) (1 - n_c/n)\, \mathrm{tr}(S_c)
        / (n_c \lVert m_c - \bar m \rVert^2)

    with ε = √(2/d) for d axes, as in `covariance_intensity`. Source: James, Stein, Proc. 4th Berkeley Symp.
    (1961) 361, toward a mean that includes the class itself.

    Parameters
    ----------
    num_axes : int
        d.
    share : float
        n_c/n.
    variance, distance : float
        tr S_c and ‖m_c − m̄‖².
    """
    return _ratio((1 - share) * variance / num_samples, math.sqrt(2 / num_axes), distance)


def _ratio(variance: float, relative_error: float, distance: float) -> float:
    return min((1 + _NUM_ERRORS * relative_error) * variance / distance, 1.0) if distance > 0 else 1.0


def _intensities(
    moments: ClassMoments, label: int, offset: Float32[torch.Tensor, " axes"], axes: Axes
) -> tuple[Float32[torch.Tensor, " axes"], Float32[torch.Tensor, " axes"]]:
    """Return the intensities of a class's mean and covariance for each axis, the same within a band.

    `offset` is the class mean minus the overall mean, along the axes.
    """
    whitening = axes.vectors * axes.scale
    own = torch.from_numpy(moments.factor(label)) @ whitening
    target = axes.variances * axes.scale**2  # T is diagonal here
    bands = _bands(moments.num_inputs)
    fourth = _fourth_moments(moments, label, whitening, bands)
    counts = moments.counts
    num_samples, total = int(counts[label]), int(counts.sum())
    mean, covariance = torch.empty(len(offset)), torch.empty(len(offset))
    for band, fourth_of_band in zip(bands, fourth, strict=True):
        within = (own[:, band].T @ own[:, band]).double()
        difference = within - torch.diag(target[band]).double()
        covariance[band] = covariance_intensity(
            num_samples,
            len(target[band]),
            (num_samples - 1) / (total - len(counts)),
            fourth=float(fourth_of_band),
            square=float(within.square().sum()),
            distance=float(difference.square().sum()),
        )
        mean[band] = mean_intensity(
            num_samples,
            len(target[band]),
            num_samples / total,
            variance=float(within.diagonal().sum()),
            distance=float((offset * axes.scale)[band].double().square().sum()),
        )
    return mean, covariance


def _fourth_moments(
    moments: ClassMoments, label: int, whitening: torch.Tensor, bands: list[slice]
) -> Float64[np.ndarray, " bands"]:
    """Return Σ‖y‖⁴ of each band, over the whitened centred samples of a class."""
    total = np.zeros(len(bands))
    for block in moments.centred_blocks(label):
        squares = (torch.from_numpy(block) @ whitening).square()
        total += [float(squares[:, band].sum(dim=1).double().square().sum()) for band in bands]
    return total


def _bands(num_axes: int) -> list[slice]:
    """Return the first axis, the second, the next 2, 4, 8, …; the last band takes the rest."""
    ends = [0, 1]
    while 2 * ends[-1] <= num_axes:
        ends.append(2 * ends[-1])
    ends[-1] = num_axes
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def _by_band(intensities: torch.Tensor) -> list[float]:
    return [round(float(intensities[band][0]), _DIGITS) for band in _bands(len(intensities))]
