"""What multiplicative noise and imperfect devices do to a network, by sampling."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import ACTIVATIONS, Chain, check_inputs, check_labels
from sparsight.measure._noise_moments import Moments, check_noise
from sparsight.streams import generator


@dataclass(frozen=True, eq=False, kw_only=True)
class SampledNoise:
    """Moments of every layer's pre-activations under multiplicative noise, by sampling.

    Attributes
    ----------
    layers : list of Moments
        Of each layer, float64 (n, units); the last ones are those of the logits.
    gaussian : list of Moments
        The same if every layer's pre-activations, before their activation, are replaced by Gaussian ones of
        the covariance that they have there. `layers` and these differ by what is not Gaussian; these and
        `noise_moments` by what is correlated.
    """

    layers: list[Moments]
    gaussian: list[Moments]


@checked(finite=("inputs",))
def sampled_noise(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    *,
    noise_variance: float,
    num_draws: int = 512,
    seed: int = 0,
) -> SampledNoise:
    """Sample the noise of `noise_moments` for each input on its own.

    Surrogates are drawn from the Gaussian with the mean and covariance of the draws they replace.

    Parameters
    ----------
    chain, inputs, noise_variance
        As for `noise_moments`.
    num_draws : int
        Draws K of the noise for each input, at least 2. The relative error of a variance is about √(2/K).
    seed : int
        Seeds the stream ``(seed, "noise", row of inputs)``.

    Raises
    ------
    InputError
        If an argument does not fit.
    """
    check_inputs(chain, inputs)
    check_noise(noise_variance)
    if num_draws < 2:
        raise InputError(f"num_draws is {num_draws}; 2 or more are needed")
    shapes = [(len(inputs), len(bias)) for bias in chain.biases]
    own, gaussian = ([Moments(np.empty(each), np.empty(each)) for each in shapes] for _ in range(2))
    for row, sample in enumerate(inputs.astype(np.float64)):
        for moments, is_gaussian in ((own, False), (gaussian, True)):
            stream = generator(seed, "noise", row)
            values = np.broadcast_to(sample, (num_draws, len(sample)))
            for layer, (weight, bias) in enumerate(zip(chain.weights, chain.biases, strict=True)):
                values = _noisy(values, noise_variance, stream) @ weight.T + bias
                moments[layer].mean[row] = values.mean(axis=0)
                moments[layer].variance[row] = values.var(axis=0, ddof=1)
                if layer < len(chain.activations):
                    before = _surrogate(values, stream) if is_gaussian else values
                    values = ACTIVATIONS[chain.activations[layer]](before)
    return SampledNoise(layers=own, gaussian=gaussian)


def _noisy(values: np.ndarray, noise_variance: float, stream: np.random.Generator) -> np.ndarray:
    noisy: np.ndarray = values * (1 + np.sqrt(noise_variance) * stream.normal(size=values.shape))
    return noisy


def _surrogate(values: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Return Gaussian draws with the mean and the covariance of the draws that are given."""
    mean, number = values.mean(axis=0), len(values)
    root = values - mean  # any matrix R with RᵀR = (K − 1) · covariance will do, best one of few rows
    if values.shape[1] < number:
        root = np.linalg.qr(root, mode="r")
    drawn: np.ndarray = stream.normal(size=(number, len(root))) @ root
    surrogate: np.ndarray = mean + drawn / np.sqrt(number - 1)
    return surrogate


@checked(finite=("inputs",))
def noisy_accuracy(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    labels: Int[np.ndarray, " n"],
    *,
    noise_variance: float,
    num_draws: int = 10,
    seed: int = 0,
) -> float:
    """Return the share of samples classified correctly under the noise of `noise_moments`, over all draws.

    Parameters
    ----------
    labels : numpy.ndarray of int, (n,)
        Classes.
    num_draws : int
        At least 1.
    seed : int
        Seeds the stream ``(seed, "noisy accuracy", draw)``.
    chain, inputs, noise_variance
        As for `noise_moments`. Without noise the result is the accuracy.

    Raises
    ------
    InputError
        If an argument does not fit, or there are no samples.
    """
    _check_accuracy(chain, inputs, labels, num_draws)
    check_noise(noise_variance)
    found = []
    for draw in range(num_draws):
        stream = generator(seed, "noisy accuracy", draw)
        values = inputs.astype(np.float64)
        for weight, bias, activation in zip(
            chain.weights, chain.biases, (*chain.activations, "linear"), strict=True
        ):
            values = ACTIVATIONS[activation](_noisy(values, noise_variance, stream) @ weight.T + bias)
        found.append((values.argmax(axis=1) == labels).mean())
    return float(np.mean(found))


@checked(finite=("inputs",))
def switching_logits(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    *,
    spread: float,
    num_draws: int = 100,
    seed: int = 0,
) -> Float[np.ndarray, "n out"]:
    """Return the mean logits of a network whose hidden units are switches of imperfect devices.

    A hidden unit with pre-activation z is 1 with probability 1/(1 + exp(−(z − δ)/γ)), and 0 otherwise. Its
    device has the offset δ, Gaussian with standard deviation `spread`, and the width γ = exp(g) with g the
    same; each draw has new devices. Without spread it is a network of stochastic units, whose expectation is
    a sum over all their states.

    Parameters
    ----------
    chain : Chain
        All activations are ``sigmoid``.
    inputs : numpy.ndarray, (n, num_inputs)
        Samples.
    spread : float
        At least 0, in units of the pre-activations.
    num_draws : int
        At least 1.
    seed : int
        Seeds the stream ``(seed, "switches", draw)``.

    Returns
    -------
    numpy.ndarray of float64, (n, classes)

    Raises
    ------
    InputError
        If an argument does not fit, or an activation is not ``sigmoid``.

    Notes
    -----
    After the probabilistic bits of Xu et al., arXiv 2504.08257, of which only the abstract was read. Nothing
    here is a statement about a particular device.
    """
    check_inputs(chain, inputs)
    for name in chain.activations:
        if name != "sigmoid":
            raise InputError(f"the chain has the activation {name!r}; switches take the place of sigmoid")
    if not (np.isfinite(spread) and spread >= 0):
        raise InputError(f"spread is {spread}; a finite number of at least 0 is needed")
    if num_draws < 1:
        raise InputError(f"num_draws is {num_draws}; 1 or more is needed")
    total = np.zeros((len(inputs), chain.num_outputs))
    for draw in range(num_draws):
        stream = generator(seed, "switches", draw)
        values = inputs.astype(np.float64)
        for weight, bias in zip(chain.weights[:-1], chain.biases[:-1], strict=True):
            offset, width = spread * stream.normal(size=(2, len(bias)))
            probability = special.expit((values @ weight.T + bias - offset) / np.exp(width))
            values = (stream.random(probability.shape) < probability).astype(np.float64)
        total += values @ chain.weights[-1].T + chain.biases[-1]
    return total / num_draws


def _check_accuracy(chain: Chain, inputs: np.ndarray, labels: np.ndarray, num_draws: int) -> None:
    check_labels(chain, inputs, labels)
    if not len(inputs):
        raise InputError("inputs are empty; an accuracy needs at least one sample")
    if num_draws < 1:
        raise InputError(f"num_draws is {num_draws}; 1 or more is needed")
