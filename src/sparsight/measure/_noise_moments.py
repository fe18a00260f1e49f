"""Means and variances behind multiplicative noise on every unit, layer by layer and in closed form."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import ACTIVATIONS, Chain, check_inputs

_NODES = 64  # of Gauss–Hermite quadrature, for activations without a closed form


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of random numbers: arrays of one shape."""

    mean: np.ndarray
    variance: np.ndarray


@checked(finite=("mean", "variance"))
def relu_moments(mean: Float[np.ndarray, "*shape"], variance: Float[np.ndarray, "*shape"]) -> Moments:
    r"""Return mean and variance of max(x, 0) for Gaussian x.

    With s = √v, a = m/s, the density φ and distribution function Φ of a standard Gaussian:

    .. math:: E = m Φ(a) + s φ(a), \qquad E[x_+^2] = (m^2 + v) Φ(a) + m s φ(a)

    They are computed from the tail beyond ``|a|``: neither a large ``|a|`` nor a small v loses digits.

    Parameters
    ----------
    mean, variance : numpy.ndarray of float
        m, and v of at least 0. Where v is 0, so is the variance of the result.

    Raises
    ------
    InputError
        If shapes differ, or a variance is negative.
    """
    if mean.shape != variance.shape:
        raise InputError(f"mean has shape {mean.shape}, and variance {variance.shape}; they must be equal")
    if (variance < 0).any():
        raise InputError("variance holds negative values; variances are at least 0")
    deviation = np.sqrt(variance.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        distance = np.where(deviation > 0, np.abs(mean) / deviation, np.inf)
    distance = np.minimum(distance, 40.0)  # the tail beyond is below 1e-300
    density = np.exp(-(distance**2) / 2) / np.sqrt(2 * np.pi)
    mills = special.erfcx(distance / np.sqrt(2)) * np.sqrt(np.pi / 2)
    # E[(z − b)₊] and E[(z − b)₊²] of a standard Gaussian z
    first = density * (1 - distance * mills)
    second = density * ((distance**2 + 1) * mills - distance)
    is_on = mean > 0
    scaled = np.where(is_on, 1 - second - 2 * distance * first - first**2, second - first**2)
    return Moments(np.where(is_on, mean, 0.0) + deviation * first, deviation**2 * np.maximum(scaled, 0.0))


def activation_moments(name: str, before: Moments) -> Moments:
    """Return the moments behind an activation of a `Chain`, for Gaussian pre-activations."""
    if name == "linear":
        return before
    if name == "relu":
        return relu_moments(before.mean, before.variance)
    nodes, weights = _quadrature()
    values = ACTIVATIONS[name](before.mean[..., None] + np.sqrt(before.variance)[..., None] * nodes)
    mean = values @ weights
    return Moments(mean, np.square(values - mean[..., None]) @ weights)


@functools.cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, weights / weights.sum()


@checked(finite=("inputs",))
def noise_moments(chain: Chain, inputs: Float[np.ndarray, "n in"], *, noise_variance: float) -> list[Moments]:
    r"""Return mean and variance of every layer's units if noise multiplies the inputs of all layers.

    Each input h of a layer, and each input of the network, is multiplied by its own 1 + σε with a standard
    Gaussian ε. With mean m and variance v of h, a unit with weights w and bias b has

    .. math:: E = \sum w m + b, \qquad V = \sum w^2 \left( (1 + σ^2) v + σ^2 m^2 \right)

    This takes the inputs of a unit for uncorrelated and, at the activation, its pre-activation for Gaussian.
    Both hold exactly in the first layer; `sampled_noise` says how far they hold in the others.

    Parameters
    ----------
    chain : Chain
        Activations other than ReLU and linear are integrated by Gauss–Hermite quadrature.
    inputs : numpy.ndarray, (n, num_inputs)
        Samples.
    noise_variance : float
        σ², at least 0.

    Returns
    -------
    list of Moments
        Of the pre-activations of each layer, float64 (n, units); the last ones are those of the logits.

    Raises
    ------
    InputError
        If an argument does not fit.

    Notes
    -----
    Schmitt & Roth, arXiv 2103.08497, whose code was read: the variance of the noise is there one number for
    each input unit, which training fits.
    """
    check_inputs(chain, inputs)
    check_noise(noise_variance)
    here = Moments(inputs.astype(np.float64), np.zeros(inputs.shape))
    found = []
    for weight, bias, activation in zip(
        chain.weights, chain.biases, (*chain.activations, "linear"), strict=True
    ):
        noisy = (1 + noise_variance) * here.variance + noise_variance * np.square(here.mean)
        here = Moments(here.mean @ weight.T + bias, noisy @ np.square(weight).T)
        found.append(here)
        here = activation_moments(activation, here)
    return found


def check_noise(noise_variance: float) -> None:
    """Raise an `InputError` unless the variance of the noise is a finite number of at least 0."""
    if not (np.isfinite(noise_variance) and noise_variance >= 0):
        raise InputError(f"noise_variance is {noise_variance}; a finite number of at least 0 is needed")
