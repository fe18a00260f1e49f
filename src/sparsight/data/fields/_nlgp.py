"""Gaussian fields (GP), and Gaussian fields passed through a saturating nonlinearity (NLGP)."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import scipy.integrate
import scipy.special
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.data.fields._covariance import ProductCovariance, product_covariance
from sparsight.data.fields._field_source import Clone, FieldClasses, Lengths, Size, field_source
from sparsight.data.fields._gaussian_samplers import Sampler, pointwise_sampler, product_sampler
from sparsight.data.fields._vector_loops import scaled_erf
from sparsight.errors import InputError

_ROUNDING = 1e-9  # by which a computed correlation may exceed 1


def nlgp_variance(gain: float) -> float:
    """Return γ = (2/π) asin(g²/(1+g²)), the variance of erf(g z/√2) for standard normal z."""
    return 2 / math.pi * math.asin(_saturation(gain))


@checked(finite=("correlation",))
def nlgp_covariance(correlation: Float[np.ndarray, "*any"], gain: float) -> Float[np.ndarray, "*any"]:
    r"""Return the covariance of two NLGP pixels whose Gaussian variables have the correlation C.

    .. math:: \frac{2}{\pi\gamma} \arcsin\Bigl(\frac{g^2}{1+g^2} C_{ij}\Bigr)

    It is 1 where C is 1. A gain g that is not finite and above 0 raises `InputError`. Source: Williams,
    Neural Computation 10 (1998) 1203, eq. 11 (Gaussian integral of two error functions).
    """
    if (np.abs(correlation) > 1 + _ROUNDING).any():
        raise InputError("correlation holds values beyond ±1; divide the covariance by the variance")
    saturation = _saturation(gain)
    return np.arcsin(saturation * correlation) / math.asin(saturation)


def nlgp_excess_kurtosis(gain: float) -> float:
    """Return E[x⁴] − 3 of an NLGP pixel, by numerical integration: from 0 (g → 0) to −2 (g → ∞)."""
    variance = nlgp_variance(gain)

    def integrand(z: float) -> float:
        x: float = scipy.special.erf(gain * z / math.sqrt(2)) / math.sqrt(variance)
        return x**4 * math.exp(-z * z / 2) * math.sqrt(2 / math.pi)

    # In two pieces, or the quadrature misses the narrow range near 0 in which erf rises at large gains:
    # erf(3/√2) = 0.997, so the integrand is almost a plain Gaussian above the knee.
    knee = min(3 / gain, 5.0)
    fourth = scipy.integrate.quad(integrand, 0, knee)[0] + scipy.integrate.quad(integrand, knee, 12)[0]
    return float(fourth - 3)


def nlgp_sampler(covariance: ProductCovariance, gain: float) -> Sampler:
    r"""Return a sampler of x = erf(g z/√2)/√γ, with z a Gaussian field.

    Parameters
    ----------
    covariance : ProductCovariance
        Covariance of z: stationary, variance 1.
    gain : float
        g > 0. x has variance 1 at any gain; its limits are z for g → 0 and sign(z) for g → ∞.

    Raises
    ------
    InputError
        If the gain is not a finite number above 0.

    References
    ----------
    Ingrosso, Goldt, PNAS 119 (2022), arXiv 2202.00565, Methods. (Lufkin et al. write erf(g z), so their
    gain is ours divided by √2.)
    """
    inner, outer = np.float32(gain / math.sqrt(2)), np.float32(1 / math.sqrt(nlgp_variance(gain)))
    gaussian = product_sampler(covariance)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        fields = gaussian(rng, num_samples)
        scaled_erf(fields.reshape(-1), inner, outer)  # in place: fields are contiguous
        return fields

    return sample


def nlgp_twin_sampler(covariance: ProductCovariance, gain: float) -> Sampler:
    """Return a sampler of Gaussian fields with exactly the population covariance of the NLGP.

    That is `nlgp_covariance` of `covariance`. Parameters and errors are those of `nlgp_sampler`.
    """
    _saturation(gain)
    return pointwise_sampler(covariance, lambda correlation: nlgp_covariance(correlation, gain))


@field_source("nlgp")
def nlgp(
    *,
    size: Size = (128,),
    correlation_lengths: Lengths = (2.0, 6.0),
    gains: Lengths = (3.0,),
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling NLGP fields apart by correlation length, by gain, or by both.

    x = erf(g z/√2)/√γ with z Gaussian of covariance exp(−(d/ξ)^p) per axis; every pixel has mean 0 and
    variance 1 in every class. The twin is Gaussian with the same population covariance in each class
    (not one estimated from samples), and shares labels with the NLGP but no other random number.

    Every source of random fields also takes `channels` (independent fields per sample, default 1),
    `num_train` and `num_test` (10 000 and 5 000), `online` (draw fresh samples at every step of training;
    default false) and `seed`.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, in pixels.
    correlation_lengths : sequence of float
        ξ of each class, in pixels, or one value for all.
    gains : sequence of float
        g of each class, or one value for all.
    power : {1, 2}
        p: 1 = exponential, 2 = Gaussian.
    wraps : bool
        Whether opposite borders touch.
    clone : {"none", "gaussian"}
        "gaussian" makes the exact twin.

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
    return correlated_classes(
        [make(covariance, gain) for covariance, (_, gain) in zip(covariances, classes, strict=True)],
        covariances,
        kurtosis=[nlgp_excess_kurtosis(gain) if clone == "none" else 0.0 for _, gain in classes],
        source="x = erf(g z/√2)/√γ, z Gaussian with covariance exp(−(d/ξ)^p) per axis"
        + ("" if clone == "none" else "; its exact Gaussian twin"),
        clone=clone,
        gain_per_class=[gain for _, gain in classes],
    )


@field_source("gp")
def gp(
    *,
    size: Size = (128,),
    correlation_lengths: Lengths = (2.0, 6.0),
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling Gaussian fields apart by correlation length.

    Parameters, errors and warnings are those of `nlgp`, whose limit for g → 0 this is. The twin is another
    draw from the same distribution.
    """
    covariances = [product_covariance(size, length, power, wraps) for length in correlation_lengths]
    return correlated_classes(
        [product_sampler(covariance) for covariance in covariances],
        covariances,
        kurtosis=[0.0 for _ in covariances],
        source="Gaussian with covariance exp(−(d/ξ)^p) per axis",
        clone=clone,
    )


def correlated_classes(
    samplers: Sequence[Sampler],
    covariances: Sequence[ProductCovariance],
    *,
    kurtosis: Sequence[float],
    source: str,
    clone: Clone,
    **facts: Any,
) -> FieldClasses:
    """Return classes of fields made from Gaussian ones, with a card that says how they differ.

    Each class has a sampler, the covariance of the Gaussian fields behind it and a pixel's excess kurtosis.
    `source` describes the fields in one line; `facts` are further entries of the card.
    """
    return FieldClasses(
        samplers,
        {
            "source": source,
            "clone": clone,
            "correlation_length_per_class": [covariance.correlation_length for covariance in covariances],
            **facts,
            "pixel_excess_kurtosis_per_class": list(kurtosis),
            "covariance_change_per_class": [covariance.largest_change for covariance in covariances],
        },
    )


def _saturation(gain: float) -> float:
    if not (math.isfinite(gain) and gain > 0):
        raise InputError(f"gain is {gain}; give a finite number above 0")
    return gain**2 / (1 + gain**2)


def _classes(correlation_lengths: Sequence[float], gains: Sequence[float]) -> list[tuple[float, float]]:
    """Return (ξ, g) of every class; a list of one value holds for all classes."""
    num_classes = max(len(correlation_lengths), len(gains))
    for values in (correlation_lengths, gains):
        if len(values) not in (1, num_classes):
            raise InputError(
                f"there are {len(correlation_lengths)} correlation_lengths and {len(gains)} gains; "
                "give equal numbers, or one value for all classes"
            )
    return list(
        zip(
            list(correlation_lengths) * (num_classes // len(correlation_lengths)),
            list(gains) * (num_classes // len(gains)),
            strict=True,
        )
    )
