"""Fields with heavier tails than their Gaussian twins: multivariate t, and Laplace pixels."""

import functools
import math
from typing import Annotated, Literal

import numpy as np
import scipy.special
from jaxtyping import Float, Float64
from pydantic import Field

from sparsight.arguments import checked
from sparsight.data.fields._covariance import ProductCovariance, product_covariance
from sparsight.data.fields._field_source import Clone, FieldClasses, Lengths, Positive, Size, field_source
from sparsight.data.fields._gaussian_samplers import Sampler, pointwise_sampler, product_sampler
from sparsight.data.fields._nlgp import correlated_classes, nlgp_twin_sampler
from sparsight.errors import InputError

_NUM_HERMITE = 200
_ROUNDING = 1e-9  # by which a computed correlation may exceed 1


def elliptical_sampler(gaussian: Sampler, degrees_of_freedom: float) -> Sampler:
    """Return a sampler of x = z √((ν − 2)/χ²_ν): a Gaussian field z times one random scale per field.

    x is multivariate t with ν degrees of freedom and the covariance of z. The excess kurtosis of a pixel, and
    of every linear combination of pixels, is 6/(ν − 4), so ν must be above 4: because all pixels of a field
    share one scale, a projection is as far from Gaussian as a pixel.
    """
    if not (math.isfinite(degrees_of_freedom) and degrees_of_freedom > 4):
        raise InputError(
            f"degrees_of_freedom is {degrees_of_freedom}; give a finite number above 4, "
            "below which the kurtosis is infinite"
        )

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        fields = gaussian(rng, num_samples)
        scale = np.sqrt((degrees_of_freedom - 2) / rng.chisquare(degrees_of_freedom, num_samples))
        fields *= scale.astype(np.float32).reshape(-1, *(1 for _ in fields.shape[1:]))
        return fields

    return sample


def laplace_sampler(covariance: ProductCovariance) -> Sampler:
    r"""Return a sampler of fields with Laplace pixels: x = F⁻¹(Φ(z)), z a Gaussian field.

    F is the Laplace distribution with variance 1 (excess kurtosis 3), Φ the standard normal one. The
    covariance is `laplace_covariance` of that of z. Unlike those of `elliptical_sampler`, distant pixels
    are independent, so their sums approach a Gaussian.
    """
    gaussian = product_sampler(covariance)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        return _laplace_of_normal(gaussian(rng, num_samples).astype(np.float64)).astype(np.float32)

    return sample


@checked(finite=("correlation",))
def laplace_covariance(correlation: Float[np.ndarray, "*any"]) -> Float64[np.ndarray, "*any"]:
    r"""Return the covariance of two Laplace pixels whose Gaussian variables have the correlation ρ.

    .. math:: \sum_k a_k^2\, \rho^k, \qquad a_k = E[x(z)\, \mathrm{He}_k(z)] / \sqrt{k!}

    (Mehler's formula). It is 1 where ρ is 1. Terms above k = 200 carry less than 10⁻⁷ of the variance; their
    sum is added as the term k = 201.
    """
    if (np.abs(correlation) > 1 + _ROUNDING).any():
        raise InputError("correlation holds values beyond ±1; divide the covariance by the variance")
    values: np.ndarray = np.polynomial.polynomial.polyval(correlation, _laplace_weights())
    return values


@field_source("elliptical")
def elliptical(
    *,
    size: Size = (128,),
    correlation_lengths: Lengths = (2.0, 6.0),
    degrees_of_freedom: Annotated[float, Field(gt=4, allow_inf_nan=False)] = 6.0,
    covariance_gain: Positive | None = None,
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling multivariate-t fields apart by correlation length.

    With `covariance_gain`, NLGP, its twin and this source have pixel kurtosis below, at and above the
    Gaussian's at equal covariance. Each channel has its own random scale. Other parameters, errors and
    warnings are those of `nlgp`.

    Parameters
    ----------
    degrees_of_freedom : float
        ν > 4; the excess kurtosis of a pixel is 6/(ν − 4).
    covariance_gain : float or None
        Take exactly the covariance of `nlgp` with this gain. Default: that of `gp`.
    """
    covariances = [product_covariance(size, length, power, wraps) for length in correlation_lengths]
    samplers = [
        product_sampler(covariance)
        if covariance_gain is None
        else nlgp_twin_sampler(covariance, covariance_gain)
        for covariance in covariances
    ]
    heavy = [elliptical_sampler(sampler, degrees_of_freedom) for sampler in samplers]
    kurtosis = 6 / (degrees_of_freedom - 4) if clone == "none" else 0.0
    return correlated_classes(
        heavy if clone == "none" else samplers,
        covariances,
        kurtosis=[kurtosis for _ in covariances],
        source="multivariate t: a Gaussian field times one random scale a field",
        clone=clone,
    )


@field_source("laplace")
def laplace(
    *,
    size: Size = (128,),
    correlation_lengths: Lengths = (2.0, 6.0),
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling fields with Laplace pixels apart by correlation length.

    Pixels are a function of those of a Gaussian field, as in `nlgp`, but with excess kurtosis 3. The twin is
    Gaussian with the same population covariance. Parameters, errors and warnings are those of `nlgp`.
    """
    covariances = [product_covariance(size, length, power, wraps) for length in correlation_lengths]
    if clone == "none":
        samplers = [laplace_sampler(covariance) for covariance in covariances]
    else:
        samplers = [pointwise_sampler(covariance, laplace_covariance) for covariance in covariances]
    return correlated_classes(
        samplers,
        covariances,
        kurtosis=[3.0 if clone == "none" else 0.0 for _ in covariances],
        source="Laplace pixels: a function of those of a Gaussian field",
        clone=clone,
    )


def _laplace_of_normal(z: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Return the Laplace variable, variance 1, at the same quantile: sign(z) · −ln(2 Φ(−|z|)) / √2."""
    # By the logarithm of the tail: 1 − Φ(z) would be 0 in float64 beyond 8.3 standard deviations.
    magnitude: np.ndarray = -(math.log(2) + scipy.special.log_ndtr(-np.abs(z))) / math.sqrt(2)
    signed: np.ndarray = np.copysign(np.maximum(magnitude, 0), z)
    return signed


@functools.cache
def _laplace_weights() -> Float64[np.ndarray, " degrees"]:
    """Return a_k² for k = 0 … 200 and, as the weight of k = 201, 1 minus their sum."""
    # On a grid, not by Gauss–Hermite quadrature, as the second derivative of x(z) jumps at 0; out to ±30, as
    # He_200 has its last turning point at 28.
    z, spacing = np.linspace(-30, 30, 60_001, retstep=True)
    weighted = _laplace_of_normal(z) * np.exp(-(z**2) / 4) * spacing
    # Orthonormal Hermite functions He_k(z) exp(−z²/4) / √k!, by their recurrence: neither factor overflows.
    before, function = np.zeros_like(z), np.exp(-(z**2) / 4) / (2 * math.pi) ** 0.25
    coefficients = np.zeros(_NUM_HERMITE + 2)
    for k in range(_NUM_HERMITE + 1):
        coefficients[k] = weighted @ function / (2 * math.pi) ** 0.25
        before, function = function, (z * function - math.sqrt(k) * before) / math.sqrt(k + 1)
    weights: np.ndarray = coefficients**2
    weights[::2] = 0  # x(z) is odd; what the grid leaves there is rounding
    weights[-1] = max(0.0, 1 - weights.sum())
    return weights
