"""What a network says far from its data: slopes at infinity, the last kink, and rays in between."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import Chain, check_inputs

_PIECEWISE_LINEAR = ("relu", "linear")
_NUM_POINTS = 100  # on a ray
_ROUNDING = 1e-10  # a logit that varies less than this share of its size along a ray is constant


@dataclass(frozen=True, eq=False, kw_only=True)
class Far:
    """The logits f(t v) on rays t v, t → ∞, for each direction v.

    Attributes
    ----------
    slopes : numpy.ndarray of float64, (direction, class)
        Limit of f(t v)/t: the logits of the network without its biases. 0 if an activation saturates.
    intercepts : numpy.ndarray of float64, (direction, class)
        Beyond the last kink, f(t v) = slopes · t + intercepts. NaN if an activation saturates.
    last_kink : numpy.ndarray of float64, (direction,)
        Largest t > 0 at which a unit with a path to the logits switches; 0 if none does. NaN if an
        activation saturates.
    classes : numpy.ndarray of int64, (direction,)
        Class with the largest logit as t → ∞; −1 where the direction is ignored, and if an activation
        saturates.
    """

    slopes: np.ndarray
    intercepts: np.ndarray
    last_kink: np.ndarray
    classes: np.ndarray

    @property
    def is_ignored(self) -> np.ndarray:
        """Whether no logit has a slope in a direction: bool, (direction,)."""
        ignored: np.ndarray = (self.slopes == 0).all(axis=1)
        return ignored

    @property
    def margins(self) -> np.ndarray:
        """Largest minus second largest slope, (direction,): growth of the log-odds of the class."""
        ordered = np.sort(self.slopes, axis=1)
        found: np.ndarray = ordered[:, -1] - ordered[:, -2]
        return found


@checked(finite=("directions",))
def far_from_data(chain: Chain, directions: Float[np.ndarray, "direction in"]) -> Far:
    """Return what a chain says at the far end of rays from the origin.

    On the last piece of a ray a ReLU network is affine in t. Its slope is that of the network with all biases
    set to 0, and signs of the pre-activations there follow layer by layer: that of the slope or, without a
    slope, of the intercept. The last kink is the last sign change of one of these affine functions. A unit
    that has no path to the logits does not count; one that only units which are off read does, so that
    the logits may be affine from an earlier point on, never from a later one.

    Parameters
    ----------
    chain : Chain
        With activations that saturate (tanh, erf, sigmoid) slopes are 0 and the rest is undefined. At least
        two outputs.
    directions : numpy.ndarray of float, (direction, num_inputs)
        Not 0. t is measured in their lengths.

    Raises
    ------
    InputError
        If an argument does not fit, or a direction is 0.

    Notes
    -----
    After theorem 1 of Xu, Zhang, Li, Du, Kawarabayashi & Jegelka, arXiv 2009.11848, on the linear growth of
    ReLU networks along rays; that the slope is the network without biases, and the tracing, are exact.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> weights = [np.array([[2.0]]), np.array([[1.0], [0.0]])]
    >>> chain = sparsight.Chain(weights, [np.array([-3.0]), np.zeros(2)])
    >>> far = sparsight.far_from_data(chain, np.array([[1.0], [-1.0]]))
    >>> far.slopes[:, 0].tolist(), far.last_kink.tolist(), far.is_ignored.tolist()
    ([2.0, 0.0], [1.5, 0.0], [False, True])
    """
    check_inputs(chain, directions)
    if chain.num_outputs < 2:
        raise InputError(f"the chain has {chain.num_outputs} output; classes need at least 2")
    if not directions.any(axis=1).all():
        raise InputError("directions hold a row of zeros; a ray needs a direction")
    number = len(directions)
    if any(name not in _PIECEWISE_LINEAR for name in chain.activations):
        shape = (number, chain.num_outputs)
        return Far(
            slopes=np.zeros(shape),
            intercepts=np.full(shape, np.nan),
            last_kink=np.full(number, np.nan),
            classes=np.full(number, -1),
        )
    slopes, intercepts = directions.astype(np.float64), np.zeros(directions.shape)
    last_kink = np.zeros(number)
    for weight, bias, activation, is_heard in zip(
        chain.weights, chain.biases, (*chain.activations, "linear"), _heard(chain), strict=True
    ):
        slopes, intercepts = slopes @ weight.T, intercepts @ weight.T + bias
        if activation == "relu":
            last_kink = np.maximum(last_kink, _last_root(slopes, intercepts, is_heard))
            is_on = (slopes > 0) | ((slopes == 0) & (intercepts > 0))
            slopes, intercepts = np.where(is_on, slopes, 0.0), np.where(is_on, intercepts, 0.0)
    # By slope, then by intercept; of classes that are equal in both, the first one.
    order = np.lexsort((-np.arange(slopes.shape[1]) + 0 * slopes, intercepts, slopes), axis=1)
    return Far(
        slopes=slopes,
        intercepts=intercepts,
        last_kink=last_kink,
        classes=np.where((slopes == 0).all(axis=1), -1, order[:, -1]),
    )


def _heard(chain: Chain) -> list[np.ndarray]:
    """Return, for each layer, which of its units have a path of weights to a logit."""
    found = [np.ones(chain.num_outputs, dtype=bool)]
    for weight in reversed(chain.weights[1:]):
        found.append((weight[found[-1]] != 0).any(axis=0))
    return found[::-1]


def _last_root(slopes: np.ndarray, intercepts: np.ndarray, is_heard: np.ndarray) -> np.ndarray:
    """Return the largest t > 0 at which one of the affine functions that are heard is 0; 0 without any."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        roots = np.where((slopes != 0) & is_heard, -intercepts / slopes, 0.0)
    found: np.ndarray = np.maximum(roots, 0.0).max(axis=1, initial=0.0)
    return found


@checked(finite=("directions",))
def ray_linearity(
    chain: Chain, directions: Float[np.ndarray, "direction in"], *, nearest: float, farthest: float
) -> Float[np.ndarray, "direction class"]:
    """Return R² of a linear fit of each logit over 100 even points of each ray, from `nearest` to `farthest`.

    Parameters
    ----------
    directions : numpy.ndarray of float, (direction, num_inputs)
        The points are t v with t between both distances.
    nearest, farthest : float
        In lengths of the directions, 0 ≤ nearest < farthest.

    Returns
    -------
    numpy.ndarray of float64, (direction, class)
        1 if the logit is affine on the ray; NaN if it is constant there, so that there is nothing to fit.

    Raises
    ------
    InputError
        If an argument does not fit.

    Notes
    -----
    The measure of Xu et al., arXiv 2009.11848, in its released code.
    """
    check_inputs(chain, directions)
    if not (0 <= nearest < farthest and np.isfinite(farthest)):
        raise InputError(
            f"nearest is {nearest} and farthest {farthest}; 0 ≤ nearest < farthest, both finite, is needed"
        )
    distances = np.linspace(nearest, farthest, _NUM_POINTS)
    centred = distances - distances.mean()
    found = np.empty((len(directions), chain.num_outputs))
    for row, direction in enumerate(directions.astype(np.float64)):
        logits = chain.logits(distances[:, None] * direction)
        around = logits - logits.mean(axis=0)
        slopes = centred @ around / (centred @ centred)
        total = np.square(around).sum(axis=0)
        residual = np.square(around - centred[:, None] * slopes).sum(axis=0)
        is_constant = total <= len(logits) * np.square(_ROUNDING * np.abs(logits).max(axis=0))
        found[row] = np.where(is_constant, np.nan, 1 - residual / np.where(is_constant, 1.0, total))
    return found
