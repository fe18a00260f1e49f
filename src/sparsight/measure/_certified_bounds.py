"""Certified bounds on the logits of a chain while its input moves in a ball."""

from typing import get_args

import numpy as np
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._activation_lines import Lines, Norm, Range, check_ball
from sparsight.measure._bound_propagation import Ball, Method, propagate
from sparsight.measure._chain import Chain, check_inputs


@checked(finite=("inputs",))
def certified_bounds(
    chain: Chain,
    inputs: Float[np.ndarray, "n in"],
    *,
    epsilon: float | np.ndarray,
    norm: Norm = "inf",
    method: Method = "crown_linear",
    lines: Lines = "tight",
) -> Range:
    r"""Return bounds on the logits that hold for every input x + δ with ‖δ‖ ≤ ε.

    ==================  ================================================================================
    `method`            what is carried through the network
    ==================  ================================================================================
    ``interval``        the interval of every unit, forward (IBP); any activation of a `Chain`
    ``linear``          a linear function of the input below and above every unit, forward (LBP)
    ``crown_interval``  a linear function of the units below each logit, backward; ranges by ``interval``
    ``crown_linear``    the same; ranges by ``linear``
    ``crown``           the same; the ranges of every layer by the same way backward (CROWN)
    ==================  ================================================================================

    An affine function w·x + c has the range w·x + c ± ε ‖w‖\ :sub:`q`, where q = 1 for the norm ∞ and q = 2
    for the norm 2.

    Parameters
    ----------
    chain : Chain
        Of ReLU or linear activations, unless `method` is ``interval``.
    inputs : numpy.ndarray, (n, num_inputs)
        Samples x.
    epsilon : float or numpy.ndarray, (n,)
        Radius ε of the ball, in units of the inputs: one for all samples, or one for each.
    norm : {"inf", "2"}
        Norm of δ.
    method : str
        A row of the table.
    lines : {"tight", "adaptive", "constant"}
        Line below a ReLU that may be on or off in the range l < z < u: 0; or z if u ≥ \|l\| and 0 otherwise;
        or constants, relu(l) below and relu(u) above every unit, with which ``linear`` is ``interval``.

    Returns
    -------
    Range
        `lower` and `upper`, float64 (n, classes).

    Raises
    ------
    InputError
        If an argument does not fit or a value is unknown; the message names it.

    Notes
    -----
    Lyu, Guo, Wu, Xu, Zhang & Lin, arXiv 2104.00447: eq. 17–18 and appendix A.7 for the way forward, and
    theorem 2 for the order, which holds with ``tight`` lines only: from the loosest, interval, then linear
    and crown_interval, then crown_linear, then crown. A network that is linear has the same, exact bounds by
    linear and all crowns. Sums are in float64 and not rounded outward, so bounds hold up to rounding.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> first = np.ones((2, 2))
    >>> chain = sparsight.Chain([first, np.array([[1.0, -1.0]])], [np.zeros(2), np.zeros(1)])
    >>> where = np.array([[2.0, 2.0]])
    >>> [
    ...     sparsight.certified_bounds(chain, where, epsilon=1.0, method=method).upper.item()
    ...     for method in ("interval", "linear")
    ... ]
    [4.0, 0.0]
    """
    check_inputs(chain, inputs)
    check_method(method, lines)
    ball = ball_around(inputs, epsilon, norm)
    found = Range(*np.empty((2, len(inputs), chain.num_outputs)))
    for rows, hidden in propagate(chain, ball, method, lines):
        piece = hidden.range_of((chain.weights[-1], chain.biases[-1]))
        found.lower[rows], found.upper[rows] = piece.lower, piece.upper
    return found


def ball_around(inputs: np.ndarray, epsilon: float | np.ndarray, norm: Norm) -> Ball:
    """Return the ball around each input; raise an `InputError` if a radius or the norm is not allowed."""
    return Ball(inputs.astype(np.float64), check_ball(np.asarray(epsilon), len(inputs), norm), norm)


def check_method(method: str, lines: str = "tight") -> None:
    """Raise an `InputError` unless the method and the lines are known."""
    for name, value, allowed in (("method", method, get_args(Method)), ("lines", lines, get_args(Lines))):
        if value not in allowed:
            raise InputError(f"{name} is {value!r}; allowed are {', '.join(map(repr, allowed))}")
