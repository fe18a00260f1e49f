"""What bounds say about a classifier: samples verified, certified radii, and units that cannot switch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._activation_lines import Norm
from sparsight.measure._bound_propagation import Affine, Method, propagate
from sparsight.measure._certified_bounds import ball_around, check_method
from sparsight.measure._chain import Chain, check_inputs, check_labels

_DECADES = 4
_STEPS = 10  # halvings of four decades: radii are within 1 %


@checked(finite=("inputs",))
def certified_margin(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    labels: Int[np.ndarray, " n"],
    *,
    epsilon: float | np.ndarray,
    norm: Norm = "inf",
    method: Method = "crown_linear",
) -> Float[np.ndarray, " n"]:
    """Return a lower bound of min over j ≠ y of (logit_y − logit_j) for every input x + δ with ‖δ‖ ≤ ε.

    The differences of logits are bounded, not the logits, which would be looser. Lines are ``tight``.

    Parameters
    ----------
    labels : numpy.ndarray of int, (n,)
        Class y of each sample.
    chain, inputs, epsilon, norm, method
        As for `certified_bounds`.

    Returns
    -------
    numpy.ndarray of float64, (n,)
        Above 0: no input in the ball is classified otherwise. With ε = 0, the margin itself.

    Raises
    ------
    InputError
        If an argument does not fit; the message names it.
    """
    check_labels(chain, inputs, labels)
    check_method(method)
    margins = np.empty(len(inputs))
    ball = ball_around(inputs, epsilon, norm)
    for rows, hidden in propagate(chain, ball, method, "tight"):
        margins[rows] = hidden.lowest(_differences(chain, labels[rows])).min(axis=1)
    return margins


def _differences(chain: Chain, labels: np.ndarray) -> Affine:
    """Return the last layer as differences logit_y − logit_j, j ≠ y: (n, classes − 1, units)."""
    classes = np.arange(chain.num_outputs)
    others = np.broadcast_to(classes, (len(labels), len(classes)))[classes != labels[:, None]]
    others = others.reshape(len(labels), -1)
    weight, bias = chain.weights[-1], chain.biases[-1]
    return weight[labels][:, None] - weight[others], bias[labels][:, None] - bias[others]


@checked(finite=("inputs",))
def verified_accuracy(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    labels: Int[np.ndarray, " n"],
    *,
    epsilons: Sequence[float],
    norm: Norm = "inf",
    method: Method = "crown_linear",
) -> np.ndarray:
    """Return, for each ε, the share of samples that are proved to be classified correctly in the whole ball.

    It is at most the accuracy under any attack with that ε. The difference to an attack is the looseness of
    the method together with the weakness of the attack. With tight lines it never rises with ε.

    Parameters
    ----------
    epsilons : sequence of float
        Radii; at ε = 0 the result is the accuracy.
    chain, inputs, labels, norm, method
        As for `certified_margin`.

    Returns
    -------
    numpy.ndarray of float64, (epsilon,)

    Raises
    ------
    InputError
        If an argument does not fit, or there are no samples.
    """
    check_samples(inputs)
    shares = [
        np.mean(certified_margin(chain, inputs, labels, epsilon=epsilon, norm=norm, method=method) > 0)
        for epsilon in epsilons
    ]
    return np.array(shares)


@checked(finite=("inputs",))
def certified_radius(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    labels: Int[np.ndarray, " n"],
    *,
    norm: Norm = "inf",
    method: Method = "crown_linear",
    largest: float = 1.0,
) -> Float[np.ndarray, " n"]:
    """Return a radius in which each sample is proved to be classified correctly, by bisection.

    Bisection is over log ε, from `largest` down four decades. The result is verified itself, and at most 1 %
    below the largest radius that the method verifies.

    Parameters
    ----------
    largest : float
        No larger radius is tried. A network whose logits do not depend on the input has this radius.
    chain, inputs, labels, norm, method
        As for `certified_margin`.

    Returns
    -------
    numpy.ndarray of float64, (n,)
        0 for a sample that is classified otherwise, or that is not verified at `largest` / 10⁴.

    Raises
    ------
    InputError
        If an argument does not fit; the message names it.
    """
    check_labels(chain, inputs, labels)
    if not (np.isfinite(largest) and largest > 0):
        raise InputError(f"largest is {largest}; a positive number is needed")

    def verified(rows: np.ndarray, exponents: np.ndarray) -> np.ndarray:
        margins = certified_margin(
            chain,
            inputs[rows],
            labels[rows],
            epsilon=largest * 10.0**exponents,
            norm=norm,
            method=method,
        )
        return np.asarray(margins > 0)

    # Exponents of the radii that are verified, and of those that are not.
    good, bad = np.full(len(inputs), -np.inf), np.zeros(len(inputs))
    everyone = np.arange(len(inputs))
    good[verified(everyone, np.full(len(inputs), -float(_DECADES)))] = -_DECADES
    good[verified(everyone, bad)] = 0.0
    open_rows = np.flatnonzero(good == -_DECADES)
    for _ in range(_STEPS):
        middle = (good[open_rows] + bad[open_rows]) / 2
        is_good = verified(open_rows, middle)
        good[open_rows[is_good]] = middle[is_good]
        bad[open_rows[~is_good]] = middle[~is_good]
    return np.asarray(largest * 10.0**good)


@dataclass(frozen=True, kw_only=True)
class SwitchingShares:
    """Shares of the pairs of a hidden ReLU and a sample, by what the unit does in the sample's ball.

    Attributes
    ----------
    dead : float
        Off in the whole ball.
    alive : float
        On in the whole ball.
    unstable : float
        Not proved to be either.
    num_units : int
        Hidden units that have an input; others never change and are not counted. Without any, and without
        samples, shares are NaN.
    """

    dead: float
    alive: float
    unstable: float
    num_units: int


@checked(finite=("inputs",))
def switching_shares(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    *,
    epsilon: float | np.ndarray,
    norm: Norm = "inf",
    method: Method = "linear",
) -> SwitchingShares:
    """Return how many hidden ReLUs are off, on, or may switch while the input moves in a ball.

    A unit whose weights are all 0 has no input and is not counted.

    Parameters
    ----------
    chain, inputs, epsilon, norm, method
        As for `certified_bounds`. Ranges of units are those that the method computes itself or starts from:
        ``crown_linear`` has those of ``linear``.

    Raises
    ------
    InputError
        If an argument does not fit, or an activation is not ReLU.
    """
    check_inputs(chain, inputs)
    check_method(method)
    for name in chain.activations:
        if name != "relu":
            raise InputError(f"the chain has the activation {name!r}; only relu switches off and on")
    counts, num_units = np.zeros(3), 0
    for weight in chain.weights[:-1]:
        num_units += int(weight.any(axis=1).sum())
    for _, hidden in propagate(chain, ball_around(inputs, epsilon, norm), method, "tight"):
        for weight, found in zip(chain.weights[:-1], hidden.ranges, strict=True):
            has_input = weight.any(axis=1)
            is_dead, is_alive = found.upper[:, has_input] <= 0, found.lower[:, has_input] >= 0
            counts += is_dead.sum(), (is_alive & ~is_dead).sum(), (~is_alive & ~is_dead).sum()
    dead, alive, unstable = counts / counts.sum() if counts.sum() else np.full(3, np.nan)
    return SwitchingShares(
        dead=float(dead), alive=float(alive), unstable=float(unstable), num_units=num_units
    )


def check_samples(inputs: np.ndarray) -> None:
    """Raise an `InputError` if there are no samples."""
    if not len(inputs):
        raise InputError("inputs are empty; an accuracy needs at least one sample")
