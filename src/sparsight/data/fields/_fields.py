"""Random fields to tell apart: Gaussian, and Gaussian passed through a saturating nonlinearity (NLGP)."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import scipy.integrate
import scipy.special
from jaxtyping import Float
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
from sparsight.data.fields._vector_loops import scaled_erf
from sparsight.errors import InputError
from sparsight.geometry import Geometry

Size = Annotated[Sequence[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=2)]
Lengths = Annotated[Sequence[Annotated[float, Field(gt=0, allow_inf_nan=False)]], Field(min_length=1)]
Count = Annotated[int, Field(ge=2)]
Channels = Annotated[int, Field(ge=1)]


def nlgp_variance(gain: float) -> float:
    r"""Return γ = (2/π) asin(g²/(1+g²)), the variance of erf(g z/√2) for standard normal z.

    Raises
    ------
    InputError
        If the gain is not a finite number above 0.
    """
    return 2 / math.pi * math.asin(_saturation(gain))


_ROUNDING = 1e-9


@checked(finite=("correlation",))
def nlgp_covariance(correlation: Float[np.ndarray, "*any"], gain: float) -> Float[np.ndarray, "*any"]:
    r"""Return the covariance of two NLGP pixels whose Gaussian variables are correlated.

    .. math:: \frac{2}{\pi\gamma} \arcsin\Bigl(\frac{g^2}{1+g^2} C_{ij}\Bigr)

    Parameters
    ----------
    correlation : numpy.ndarray of float64
        C_ij, in [−1, 1].
    gain : float
        g > 0.

    Returns
    -------
    numpy.ndarray of float64, same shape
        1 where the correlation is 1.

    Raises
    ------
    InputError
        If the gain is not a finite number above 0.

    References
    ----------
    Williams, Neural Computation 10 (1998) 1203, eq. 11 (the integral of two error functions).
    """
    if (np.abs(correlation) > 1 + _ROUNDING).any():
        raise InputError("correlation holds values beyond ±1; divide the covariance by the variance")
    saturation = _saturation(gain)
    return np.arcsin(saturation * correlation) / math.asin(saturation)


def nlgp_excess_kurtosis(gain: float) -> float:
    r"""Return E[x⁴] − 3 of an NLGP pixel, by numerical integration: from 0 (g → 0) to −2 (g → ∞).

    Raises
    ------
    InputError
        If the gain is not a finite number above 0.
    """
    variance = nlgp_variance(gain)

    def integrand(z: float) -> float:
        x: float = scipy.special.erf(gain * z / math.sqrt(2)) / math.sqrt(variance)
        return x**4 * math.exp(-z * z / 2) * math.sqrt(2 / math.pi)

    knee = min(3 / gain, 5.0)  # the error function bends below, and is 1 above
    fourth = scipy.integrate.quad(integrand, 0, knee)[0] + scipy.integrate.quad(integrand, knee, 12)[0]
    return float(fourth - 3)


def nlgp_sampler(covariance: ProductCovariance, gain: float) -> Sampler:
    r"""Return a sampler of x = erf(g z/√2)/√γ, with z a Gaussian field.

    Parameters
    ----------
    covariance : ProductCovariance
        Of z: stationary, variance 1.
    gain : float
        g > 0. x has variance 1 at any gain; it is z for g → 0 and sign(z) for g → ∞.

    Returns
    -------
    callable
        ``sampler(rng, n)``: float32, (n, *size).

    Raises
    ------
    InputError
        If the gain is not a finite number above 0.

    References
    ----------
    Ingrosso, Goldt, PNAS 119 (2022), arXiv 2202.00565, Methods. (Lufkin et al. write erf(g z): their gain
    is ours / √2.)
    """
    inner, outer = np.float32(gain / math.sqrt(2)), np.float32(1 / math.sqrt(nlgp_variance(gain)))
    gaussian = product_sampler(covariance)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        fields = gaussian(rng, num_samples)
        scaled_erf(fields.reshape(-1), inner, outer)  # in place: fields are contiguous
        return fields

    return sample


def nlgp_twin_sampler(covariance: ProductCovariance, gain: float) -> Sampler:
    """Return a sampler of the Gaussian field with exactly the (population) covariance of the NLGP.

    Parameters and errors are those of `nlgp_sampler`; `nlgp_covariance` of `covariance` is what results.
    """
    _saturation(gain)
    return pointwise_sampler(covariance, lambda correlation: nlgp_covariance(correlation, gain))


@data_source("nlgp")
def nlgp(
    *,
    size: Size = (128,),
    correlation_lengths: Lengths = (2.0, 6.0),
    gains: Lengths = (3.0,),
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    channels: Channels = 1,
    num_train: Count = 10_000,
    num_test: Count = 5_000,
    clone: Literal["none", "gaussian"] = "none",
    online: bool = False,
    seed: int,
) -> Task:
    """Return the task of telling NLGP fields apart by correlation length, by gain, or both.

    x = erf(g z/√2)/√γ with z Gaussian of covariance exp(−(d/ξ)^p) per axis; every pixel has mean 0 and
    variance 1 in every class. Its twin is Gaussian with the same population covariance in each class
    (not one estimated from samples), and shares labels with it but no other random number.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, in pixels.
    correlation_lengths : sequence of float
        ξ of each class, in pixels; or one, for all.
    gains : sequence of float
        g of each class; or one, for all.
    power : {1, 2}
        p: 1 = exponential, 2 = Gaussian.
    wraps : bool
        Whether opposite borders touch.
    channels : int
        Independent fields for each sample.
    num_train, num_test : int
    clone : {"none", "gaussian"}
        "gaussian": the exact twin.
    online : bool
        Fresh samples at every step of training.
    seed : int

    Raises
    ------
    InputError
        If the numbers of correlation lengths and gains do not fit, or an argument is out of range.

    Warns
    -----
    CovarianceWarning
        As `product_covariance`.
    """
    classes = _classes(correlation_lengths, gains)
    covariances = [product_covariance(size, length, power, wraps) for length, _ in classes]
    make = nlgp_sampler if clone == "none" else nlgp_twin_sampler
    samplers = [make(covariance, gain) for covariance, (_, gain) in zip(covariances, classes, strict=True)]
    kurtosis = [nlgp_excess_kurtosis(gain) if clone == "none" else 0.0 for _, gain in classes]
    return field_task(
        "nlgp" if clone == "none" else "nlgp-gaussian",
        samplers,
        Geometry(channels, tuple(size), wraps),
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
            "source": "x = erf(g z/√2)/√γ, z Gaussian with covariance exp(−(d/ξ)^p) per axis"
            + ("" if clone == "none" else "; its exact Gaussian twin"),
            "clone": clone,
            "correlation_length_per_class": [length for length, _ in classes],
            "gain_per_class": [gain for _, gain in classes],
            "pixel_excess_kurtosis_per_class": kurtosis,
            "covariance_change_per_class": [covariance.largest_change for covariance in covariances],
        },
    )


@data_source("gp")
def gp(
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
    """Return the task of telling Gaussian fields apart by correlation length.

    Parameters are those of `nlgp`, which this is for gain → 0. The twin is another draw of the same.

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
    return field_task(
        "gp" if clone == "none" else "gp-gaussian",
        [product_sampler(covariance) for covariance in covariances],
        Geometry(channels, tuple(size), wraps),
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
            "source": "Gaussian with covariance exp(−(d/ξ)^p) per axis",
            "clone": clone,
            "correlation_length_per_class": list(correlation_lengths),
            "pixel_excess_kurtosis_per_class": [0.0 for _ in correlation_lengths],
            "covariance_change_per_class": [covariance.largest_change for covariance in covariances],
        },
    )


def _saturation(gain: float) -> float:
    if not (math.isfinite(gain) and gain > 0):
        raise InputError(f"gain is {gain}; give a finite number above 0")
    return gain**2 / (1 + gain**2)


def _classes(correlation_lengths: Sequence[float], gains: Sequence[float]) -> list[tuple[float, float]]:
    """Return (ξ, g) of every class; the shorter list is one value for all."""
    num_classes = max(len(correlation_lengths), len(gains))
    for values in (correlation_lengths, gains):
        if len(values) not in (1, num_classes):
            raise InputError(
                f"there are {len(correlation_lengths)} correlation_lengths and {len(gains)} gains; "
                "give as many of one as of the other, or one for all classes"
            )
    return list(
        zip(
            list(correlation_lengths) * (num_classes // len(correlation_lengths)),
            list(gains) * (num_classes // len(gains)),
            strict=True,
        )
    )
