"""Mean field theory of wide random networks: variance, susceptibility, and the edge of chaos."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import ACTIVATIONS, DERIVATIVES, Chain, check_inputs, layer_states

_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(200)
_SHARES = _SHARES / _SHARES.sum()


@dataclass(frozen=True, kw_only=True)
class MeanField:
    """Fixed point of a wide random network.

    Attributes
    ----------
    variance : float
        q* = σ_w² E φ(√q* z)² + σ_b², z ~ N(0, 1): variance of a pre-activation far from the input. Infinite
        if it grows without limit; NaN if every value is a fixed point.
    susceptibility : float
        χ = σ_w² E φ'(√q* z)²: factor by which a layer multiplies the squared distance of two close inputs.
        Below 1 is order, above 1 chaos; 1 is the edge of chaos.
    """

    variance: float
    susceptibility: float


def mean_field(activation: str, *, weight_variance: float, bias_variance: float = 0.0) -> MeanField:
    """Return the fixed point of networks with weights of variance σ_w² / fan-in and biases of variance σ_b².

    Expectations are closed for ReLU and linear units, and by Gauss–Hermite quadrature otherwise (200 nodes).

    Parameters
    ----------
    activation : {"relu", "tanh", "erf", "sigmoid", "linear"}
        φ.
    weight_variance, bias_variance : float
        σ_w² and σ_b², at least 0.

    Raises
    ------
    InputError
        If the activation is unknown or a variance is negative or not finite.

    Notes
    -----
    χ = 1 at σ_w² = 2 for ReLU, 1 for linear units and, without biases, for tanh, and π/4 for erf. After
    Poole et al. (NeurIPS 2016) and Schoenholz et al. (ICLR 2017). Random pruning to density α multiplies
    σ_w² by α.
    """
    if activation not in ACTIVATIONS:
        raise InputError(f"activation is {activation!r}; allowed are {', '.join(ACTIVATIONS)}")
    for name, value in (("weight_variance", weight_variance), ("bias_variance", bias_variance)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name} is {value}; a finite number of at least 0 is needed")
    if activation in ("relu", "linear"):
        slope = weight_variance / (2 if activation == "relu" else 1)
        return MeanField(variance=_of_homogeneous(slope, bias_variance), susceptibility=slope)
    variance = _fixed_point(activation, weight_variance, bias_variance)
    slopes = DERIVATIVES[activation](np.sqrt(variance) * _NODES) ** 2
    return MeanField(variance=variance, susceptibility=float(weight_variance * (_SHARES @ slopes)))


def _of_homogeneous(slope: float, bias_variance: float) -> float:
    if slope < 1:
        return bias_variance / (1 - slope)
    return float("nan") if slope == 1 and bias_variance == 0 else float("inf")


def _fixed_point(activation: str, weight_variance: float, bias_variance: float) -> float:
    function = ACTIVATIONS[activation]

    def excess(variance: float) -> float:
        squares = function(np.sqrt(variance) * _NODES) ** 2
        return float(weight_variance * (_SHARES @ squares)) + bias_variance - variance

    # The activation is bounded by 1, and the right side is concave for odd ones: 0, and at most one other.
    tiny = 1e-12
    if excess(tiny) <= 0:
        return 0.0
    return float(optimize.brentq(excess, tiny, weight_variance + bias_variance + 1.0, xtol=1e-14))


@dataclass(frozen=True, eq=False, kw_only=True)
class Susceptibilities:
    """Effective variances of the hidden layers of a chain, and χ as they predict it and as samples show it.

    Attributes
    ----------
    weight_variance, bias_variance : numpy.ndarray, (depth,)
        σ_w² = Σ W² / units, the fan-in times the mean square of all weights, pruned ones included; and the
        mean square of the biases.
    predicted : numpy.ndarray, (depth,)
        χ of `mean_field` with these.
    measured : numpy.ndarray, (depth,)
        Mean over samples of Σ (D W)² / units, D the slopes φ'(λ): the sum of squared singular values of the
        layer's Jacobian over its units.
    """

    weight_variance: np.ndarray
    bias_variance: np.ndarray
    predicted: np.ndarray
    measured: np.ndarray


@checked(finite=("inputs",))
def susceptibilities(chain: Chain, inputs: Float[np.ndarray, "n in"]) -> Susceptibilities:
    """Return the `Susceptibilities` of each hidden layer of a chain on samples.

    Raises
    ------
    InputError
        If inputs do not fit, or there are none.
    """
    check_inputs(chain, inputs)
    if not len(inputs):
        raise InputError("inputs are empty; a mean over samples needs at least one")
    _, preactivations = layer_states(chain, inputs)
    rows = []
    for weight, bias, values, name in zip(
        chain.weights, chain.biases, preactivations, chain.activations, strict=False
    ):
        squares = (weight**2).sum(axis=1)
        of_weights, of_biases = float(squares.mean()), float((bias**2).mean())
        predicted = mean_field(name, weight_variance=of_weights, bias_variance=of_biases).susceptibility
        measured = (DERIVATIVES[name](values) ** 2 @ squares).mean() / len(weight)
        rows.append((of_weights, of_biases, predicted, measured))
    found = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Susceptibilities(
        weight_variance=found[0], bias_variance=found[1], predicted=found[2], measured=found[3]
    )


def retained_variance(density: float, distribution: Literal["normal", "uniform"]) -> float:
    """Return the share of Σ w² that remains if all but the largest weights of an initialisation are removed.

    With t = Φ⁻¹(1 − α/2): 2 (t φ(t) + Φ(−t)) for centred Gaussian weights, and 1 − (1 − α)³ for uniform ones.
    Random pruning retains α.

    Parameters
    ----------
    density : float
        α, the share of the weights that is kept, from 0 to 1.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    if not 0 <= density <= 1:
        raise InputError(f"density is {density}; 0 to 1 is allowed")
    allowed = get_args(Literal["normal", "uniform"])
    if distribution not in allowed:
        raise InputError(f"distribution is {distribution!r}; allowed are {', '.join(allowed)}")
    if distribution == "uniform":
        return 1 - (1 - density) ** 3
    if density == 0:
        return 0.0
    threshold = stats.norm.isf(density / 2)
    return float(2 * (threshold * stats.norm.pdf(threshold) + stats.norm.sf(threshold)))
