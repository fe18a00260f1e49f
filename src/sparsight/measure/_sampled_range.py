"""Ranges that logits reach at points of a ball: the inner estimate beside certified bounds."""

import numpy as np
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._activation_lines import Norm, Range, check_ball
from sparsight.measure._chain import ACTIVATIONS, Chain, check_inputs
from sparsight.streams import generator

_BLOCK_NUMBERS = 2**17  # float64 in the widest layer of a block of points: 1 MiB


@checked(finite=("inputs",))
def sampled_range(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    *,
    epsilon: float | np.ndarray,
    norm: Norm = "inf",
    num_points: int = 100,
    seed: int = 0,
) -> Range:
    """Return the smallest and largest logits at random inputs x + δ with ‖δ‖ ≤ ε.

    It lies within every certified range: the true range is between the two. One point is the sample itself;
    half of the others are on the border of the ball (for the norm ∞, at its corners).

    Parameters
    ----------
    num_points : int
        Points of each ball, at least 2. All samples move by the same draws.
    seed : int
        The points are drawn from the stream ``(seed, "points of a ball")``.
    chain, inputs, epsilon, norm
        As for `certified_bounds`.

    Returns
    -------
    Range
        `lower` and `upper`, float64 (n, classes).

    Raises
    ------
    InputError
        If an argument does not fit; the message names it.
    """
    check_inputs(chain, inputs)
    radii = check_ball(np.asarray(epsilon), len(inputs), norm)[:, None]
    if num_points < 2:
        raise InputError(f"num_points is {num_points}; at least 2 are needed")
    lower = chain.logits(inputs)
    upper = lower.copy()
    # The first layer is linear: it maps samples and directions, and not each point of each ball.
    first, bias = chain.weights[0], chain.biases[0]
    centres = inputs.astype(np.float64) @ first.T + bias
    moves = _points(chain.num_inputs, norm, num_points - 1, seed) @ first.T
    step = max(1, _BLOCK_NUMBERS // max(1, len(inputs) * max(len(each) for each in chain.weights)))
    for start in range(0, len(moves), step):
        moved = centres + radii * moves[start : start + step, None]
        logits = _above(chain, moved.reshape(-1, len(first))).reshape(len(moved), *lower.shape)
        np.minimum(lower, logits.min(axis=0), out=lower)
        np.maximum(upper, logits.max(axis=0), out=upper)
    return Range(lower, upper)


def _above(chain: Chain, preactivations: np.ndarray) -> np.ndarray:
    """Return the logits that pre-activations of the first layer lead to."""
    values = preactivations
    for activation, weight, bias in zip(chain.activations, chain.weights[1:], chain.biases[1:], strict=True):
        values = ACTIVATIONS[activation](values) @ weight.T + bias
    return values


def _points(num_inputs: int, norm: Norm, number: int, seed: int) -> np.ndarray:
    """Return points of the unit ball, (number, num_inputs); the first half is on its border."""
    stream, on_border = generator(seed, "points of a ball"), (number + 1) // 2
    if norm == "inf":
        drawn = stream.uniform(-1.0, 1.0, (number, num_inputs))
        drawn[:on_border] = np.sign(drawn[:on_border])
        return drawn
    drawn = stream.normal(size=(number, num_inputs))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn[on_border:] *= stream.random((number - on_border, 1)) ** (1 / num_inputs)
    return drawn
