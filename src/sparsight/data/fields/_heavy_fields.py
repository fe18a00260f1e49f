"""Random fields with heavier tails than a Gaussian field of the same covariance, which is their twin."""

import functools
import math
from typing import Annotated, Literal

import numpy as np
import scipy.special
from jaxtyping import Float, Float64
from pydantic import Field

from sparsight.arguments import checked
from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.fields._covariance import (
    ProductCovariance,
    Sampler,
    pointwise_sampler,
    product_covariance,
    product_sampler,
)
from sparsight.data.fields._field_task import field_task
from sparsight.data.fields._fields import Channels, Count, Lengths, Size, nlgp_twin_sampler
from sparsight.errors import InputError
from sparsight.geometry import Geometry

_NUM_HERMITE = 200


def elliptical_sampler(gaussian: Sampler, degrees_of_freedom: float) -> Sampler:
    r"""Return a sampler of x = z √((ν − 2)/χ²_ν): a Gaussian field z times one random scale a field.

    Multivariate t with ν degrees of freedom, of the same covariance as z. Excess kurtosis of a pixel,
    and of every linear combination of pixels: 6/(ν − 4). Fields with a single random scale stay as far
    from Gaussian under a projection as they are.

    Parameters
    ----------
    gaussian : callable
        ``sampler(rng, n)``: float32, (n, *size).
    degrees_of_freedom : float
        ν > 4.

    Raises
    ------
    InputError
        If ν is not above 4 (the fourth moment would be infinite).
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

    F is Laplace's distribution with variance 1 (excess kurtosis 3), Φ the normal one. The covariance
    is `laplace_covariance` of that of z; far pixels add up to a Gaussian.
    """
    gaussian = product_sampler(covariance)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        return _laplace_of_normal(gaussian(rng, num_samples).astype(np.float64)).astype(np.float32)

    return sample


_ROUNDING = 1e-9


@checked(finite=("correlation",))
def laplace_covariance(correlation: Float[np.ndarray, "*any"]) -> Float64[np.ndarray, "*any"]:
    r"""Return the covariance of two Laplace pixels whose Gaussian variables are correlated.

    .. math:: \sum_k a_k^2\, \rho^k, \qquad a_k = E[x(z)\, \mathrm{He}_k(z)] / \sqrt{k!}

    (Mehler). Terms above k = 200 carry less than 10⁻⁷ of the variance and are put into the next one.

    Parameters
    ----------
    correlation : numpy.ndarray of float64
        ρ, in [−1, 1].

    Returns
    -------
    numpy.ndarray of float64, same shape
        1 where ρ is 1.
    """
    if (np.abs(correlation) > 1 + _ROUNDING).any():
        raise InputError("correlation holds values beyond ±1; divide the covariance by the variance")
    values: np.ndarray = np.polynomial.polynomial.polyval(correlation, _laplace_weights())
    return values


@data_source("elliptical")
def elliptical(
    *,
    size: Size = (128,),
    correlation_lengths: Lengths = (2.0, 6.0),
    degrees_of_freedom: Annotated[float, Field(gt=4, allow_inf_nan=False)] = 6.0,
    covariance_gain: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    channels: Channels = 1,
    num_train: Count = 10_000,
    num_test: Count = 5_000,
    clone: Literal["none", "gaussian"] = "none",
    online: bool = False,
    seed: int,
) -> Task:
    """Return the task of telling multivariate-t fields apart by correlation length.

    The covariance is that of `gp`, or, with `covariance_gain`, exactly that of `nlgp` with this gain:
    so NLGP, its twin and this one have pixel kurtosis below, at and above the Gaussian's at equal
    covariance. Each channel has a scale of its own.

    Parameters
    ----------
    degrees_of_freedom : float
        ν > 4; pixel excess kurtosis 6/(ν − 4).
    covariance_gain : float or None
    size, correlation_lengths, power, wraps, channels, num_train, num_test, clone, online, seed
        As for `nlgp`.

    Raises
    ------
    InputError
        If there are fewer than two correlation lengths, or an argument is out of range.

    Warns
    -----
    CovarianceWarning
        As `product_covariance`.
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
    return field_task(
        "elliptical" if clone == "none" else "elliptical-gaussian",
        heavy if clone == "none" else samplers,
        Geometry(channels, tuple(size), wraps),
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
            "source": "multivariate t: a Gaussian field times one random scale a field",
            "clone": clone,
            "correlation_length_per_class": list(correlation_lengths),
            "pixel_excess_kurtosis_per_class": [kurtosis for _ in covariances],
            "covariance_change_per_class": [covariance.largest_change for covariance in covariances],
        },
    )


@data_source("laplace")
def laplace(
    *,
    size: Size = (128,),
    correlation_lengths: Lengths = (2.0, 6.0),
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    channels: Channels = 1,
    num_train: Count = 10_000,
    num_test: Count = 5_000,
    clone: Literal["none", "gaussian"] = "none",
    online: bool = False,
    seed: int,
) -> Task:
    """Return the task of telling fields with Laplace pixels apart by correlation length.

    Pixels are a function of those of a Gaussian field, as in `nlgp`, whose parameters these are, but
    with excess kurtosis 3. The twin is Gaussian with the same population covariance.

    Raises
    ------
    InputError
        If there are fewer than two correlation lengths, or an argument is out of range.

    Warns
    -----
    CovarianceWarning
        As `product_covariance`.
    """
    covariances = [product_covariance(size, length, power, wraps) for length in correlation_lengths]
    if clone == "none":
        samplers = [laplace_sampler(covariance) for covariance in covariances]
    else:
        samplers = [pointwise_sampler(covariance, laplace_covariance) for covariance in covariances]
    kurtosis = 3.0 if clone == "none" else 0.0
    return field_task(
        "laplace" if clone == "none" else "laplace-gaussian",
        samplers,
        Geometry(channels, tuple(size), wraps),
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
            "source": "Laplace pixels: a function of those of a Gaussian field",
            "clone": clone,
            "correlation_length_per_class": list(correlation_lengths),
            "pixel_excess_kurtosis_per_class": [kurtosis for _ in covariances],
            "covariance_change_per_class": [covariance.largest_change for covariance in covariances],
        },
    )


def _laplace_of_normal(z: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Return the Laplace variable, variance 1, of the same rank: sign(z) · −ln(2 Φ(−|z|)) / √2."""
    magnitude: np.ndarray = -(math.log(2) + scipy.special.log_ndtr(-np.abs(z))) / math.sqrt(2)
    signed: np.ndarray = np.copysign(np.maximum(magnitude, 0), z)
    return signed


@functools.cache
def _laplace_weights() -> Float64[np.ndarray, " degrees"]:
    """Return a_k² for k = 0 … 200, and what is missing to 1 as the weight of k = 201."""
    z, spacing = np.linspace(-30, 30, 60_001, retstep=True)
    weighted = _laplace_of_normal(z) * np.exp(-(z**2) / 4) * spacing
    # Orthonormal Hermite functions He_k(z) exp(−z²/4) / √k!, by their recurrence.
    before, function = np.zeros_like(z), np.exp(-(z**2) / 4) / (2 * math.pi) ** 0.25
    coefficients = np.zeros(_NUM_HERMITE + 2)
    for k in range(_NUM_HERMITE + 1):
        coefficients[k] = weighted @ function / (2 * math.pi) ** 0.25
        before, function = function, (z * function - math.sqrt(k) * before) / math.sqrt(k + 1)
    weights: np.ndarray = coefficients**2
    weights[::2] = 0  # the function is odd
    weights[-1] = max(0.0, 1 - weights.sum())
    return weights
