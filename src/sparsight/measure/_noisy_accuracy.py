"""How often a network is right while multiplicative noise disturbs the inputs of all its layers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import ACTIVATIONS, Chain, check_labels
from sparsight.measure._noise_moments import check_noise
from sparsight.streams import generator

_BLOCK_NUMBERS = 2**18  # float32 in the widest layer of a block of samples: 1 MiB


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

    It is the only entry of `accuracy_by_noise` for one variance, where parameters and errors are.
    """
    found = accuracy_by_noise(
        chain, inputs, labels, noise_variances=(noise_variance,), num_draws=num_draws, seed=seed
    )
    return float(found[0])


@checked(finite=("inputs",))
def accuracy_by_noise(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    labels: Int[np.ndarray, " n"],
    *,
    noise_variances: Sequence[float],
    num_draws: int = 10,
    seed: int = 0,
) -> Float[np.ndarray, " noise"]:
    """Return, for each noise variance, the share of samples classified correctly, over all draws.

    All variances share their draws, so differences between them have less sampling error than the
    accuracies. Every sample has its own noise, and every other draw is the one before with opposite signs,
    which halves the cost. The standard error that sampling adds is about 0.5/√(n · `num_draws`) at most.
    Sums are in float32.

    Parameters
    ----------
    chain, inputs
        As for `noise_moments`.
    labels : numpy.ndarray of int, (n,)
        Classes.
    noise_variances : sequence of float
        σ² of the noise, at least 0. Without noise the result is the accuracy.
    num_draws : int
        At least 1.
    seed : int
        Seeds the stream ``(seed, "noisy accuracy", pair of draws)``.

    Returns
    -------
    numpy.ndarray of float64, (noise,)

    Raises
    ------
    InputError
        If an argument does not fit, or there are no samples.
    """
    check_labels(chain, inputs, labels)
    if not len(inputs):
        raise InputError("inputs are empty; an accuracy needs at least one sample")
    if num_draws < 1:
        raise InputError(f"num_draws is {num_draws}; 1 or more is needed")
    for each in noise_variances:
        check_noise(each)
    if not any(noise_variances):  # nothing to draw, and no rounding to float32
        clean = float((chain.logits(inputs).argmax(axis=1) == labels).mean())
        return np.full(len(noise_variances), clean)
    layers = [
        (weight.T.astype(np.float32), bias.astype(np.float32))
        for weight, bias in zip(chain.weights, chain.biases, strict=True)
    ]
    step = max(1, _BLOCK_NUMBERS // max(weight.shape[axis] for weight in chain.weights for axis in (0, 1)))
    deviations = [np.float32(np.sqrt(each)) for each in noise_variances]
    num_right = np.zeros(len(deviations))
    for first in range(0, num_draws, 2):
        stream = generator(seed, "noisy accuracy", first // 2)
        signs = (1, -1)[: num_draws - first]
        for start in range(0, len(inputs), step):
            block = inputs[start : start + step].astype(np.float32)
            expected = labels[start : start + step]
            logits = _noisy_logits(
                layers,
                chain.activations,
                block,
                deviations=[sign * each for sign in signs for each in deviations],
                stream=stream,
            )
            right = [(each.argmax(axis=1) == expected).sum() for each in logits]
            num_right += np.reshape(right, (len(signs), -1)).sum(axis=0)
    found: np.ndarray = num_right / (num_draws * len(inputs))
    return found


def _noisy_logits(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    activations: Sequence[str],
    inputs: np.ndarray,
    *,
    deviations: Sequence[np.float32],
    stream: np.random.Generator,
) -> list[np.ndarray]:
    """Return the logits of one draw for each standard deviation of the noise, of either sign."""
    weight, bias = layers[0]
    clean = inputs @ weight + bias
    # The first layer is linear in the noise: one product serves all deviations.
    noise = (inputs * stream.standard_normal(inputs.shape, dtype=np.float32)) @ weight
    values = [clean + each * noise for each in deviations]
    for activation, (weight, bias) in zip(activations, layers[1:], strict=True):
        drawn = stream.standard_normal((len(inputs), len(weight)), dtype=np.float32)
        for place, deviation in enumerate(deviations):
            received = ACTIVATIONS[activation](values[place])
            values[place] = (received * (1 + deviation * drawn)) @ weight + bias
    return values
