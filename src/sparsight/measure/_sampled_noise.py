"""What multiplicative noise and imperfect devices do to the units of a network, by sampling."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special
from scipy.linalg import lapack

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import ACTIVATIONS, Chain, check_inputs
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
    r"""Sample the noise of `noise_moments` for each input on its own.

    The noise on the inputs h of a layer need not be sampled for the moments of that layer. Over the draws of
    the layers below,

    .. math:: E = W \langle h \rangle + b, \qquad
        V = \mathrm{Var}(W h) + σ^2 \sum w^2 \langle h^2 \rangle

    so the first layer is exact: its pre-activations are Gaussian with the covariance σ² W diag(x²) Wᵀ.
    Surrogates are drawn from the Gaussian with mean E and the covariance that belongs to V. In a network of
    one hidden layer they are what they replace.

    Parameters
    ----------
    chain, inputs, noise_variance
        As for `noise_moments`.
    num_draws : int
        Draws K of the noise for each input, at least 2. The relative error of a variance is at most about
        √(2/K).
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
        stream = generator(seed, "noise", row)
        # Two groups of draws that are one as long as they agree: those of the network, and surrogates.
        draws = [sample[None]]
        for layer, (weight, bias) in enumerate(zip(chain.weights, chain.biases, strict=True)):
            behind = [_Behind.of(each, weight, bias, noise_variance) for each in draws]
            for moments, each in zip((own, gaussian), (behind[0], behind[-1]), strict=True):
                moments[layer].mean[row], moments[layer].variance[row] = each.mean, each.variance
            if layer == len(chain.activations):
                break
            before = [behind[-1].surrogate(num_draws, stream)]
            if layer:
                before.insert(0, behind[0].noisy(draws[0], weight, stream))
            draws = [ACTIVATIONS[chain.activations[layer]](each) for each in before]
    return SampledNoise(layers=own, gaussian=gaussian)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Behind:
    """Pre-activations W h (1 + σε) + b behind draws of h, the noise ε of this layer integrated out.

    `without_noise` holds W h + b for each draw, (draw, units), and `from_noise` the matrix (in, units) whose
    product with its own transpose is the covariance that ε adds.
    """

    mean: np.ndarray
    variance: np.ndarray
    without_noise: np.ndarray
    from_noise: np.ndarray
    deviation: float

    @classmethod
    def of(cls, draws: np.ndarray, weight: np.ndarray, bias: np.ndarray, noise_variance: float) -> "_Behind":
        """Return them for draws (draw, in); a single draw stands for a sample that is known."""
        without_noise = draws @ weight.T + bias
        from_noise = (np.sqrt(noise_variance * np.square(draws).mean(axis=0)) * weight).T
        variance = np.square(from_noise).sum(axis=0)
        if len(draws) > 1:
            variance += without_noise.var(axis=0, ddof=1)
        return cls(
            mean=without_noise.mean(axis=0),
            variance=variance,
            without_noise=without_noise,
            from_noise=from_noise,
            deviation=float(np.sqrt(noise_variance)),
        )

    def noisy(self, draws: np.ndarray, weight: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        """Return pre-activations with a draw of the noise for each draw of h."""
        noise = draws * stream.standard_normal(draws.shape)
        found: np.ndarray = self.without_noise + self.deviation * (noise @ weight.T)
        return found

    def surrogate(self, num_draws: int, stream: np.random.Generator) -> np.ndarray:
        """Return Gaussian draws of the mean and the covariance of these pre-activations."""
        root = self.from_noise
        if len(self.without_noise) > 1:
            centred = (self.without_noise - self.mean) / np.sqrt(len(self.without_noise) - 1)
            root = np.concatenate([root, centred])
        if root.shape[1] < min(len(root), num_draws):
            root = _root(root.T @ root)
        found: np.ndarray = self.mean + stream.standard_normal((num_draws, len(root))) @ root
        return found


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return R with RᵀR = covariance, (rank, units), by Cholesky's decomposition with pivots."""
    upper, order, rank, _ = lapack.dpstrf(covariance)
    root = np.zeros((rank, len(covariance)))
    root[:, order - 1] = np.triu(upper)[:rank]
    return root


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
