"""What an ensemble of classifiers says about samples one by one, about several at once, and where it splits.

Every function takes the logits of the members, (member, sample, class), and gives members equal weight.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import check_classes
from sparsight.streams import generator

NUM_ANCHORS, NUM_DRAWS = 2, 10
"""κ and τ of a `joint_nll`."""


@checked(finite=("logits",))
def ensemble_log_probabilities(logits: Float[np.ndarray, "member n class"]) -> Float[np.ndarray, "n class"]:
    """Return the logarithm of the mean of the members' probabilities, float64, (n, class).

    They are logits of the ensemble as one classifier: `calibration` takes them.

    Parameters
    ----------
    logits : numpy.ndarray of float, (member, n, class)
        Outputs of each member before softmax.

    Raises
    ------
    InputError
        If there is no member or no sample.
    """
    _check_members(logits)
    return _mean_over_members(special.log_softmax(logits.astype(np.float64), axis=2))


@checked(finite=("logits",))
def marginal_nll(logits: Float[np.ndarray, "member n class"], labels: Int[np.ndarray, " n"]) -> float:
    r"""Return the negative log-likelihood of the labels, one by one: the mean of −log mean_z p_z(y).

    Parameters
    ----------
    logits : numpy.ndarray of float, (member, n, class)
        Outputs of each member z before softmax.
    labels : numpy.ndarray of int, (n,)
        Classes y.

    Returns
    -------
    float
        In nats for each sample.

    Raises
    ------
    InputError
        If an argument does not fit, or there is no member or no sample.
    """
    return float(-_mean_over_members(_log_likelihoods(logits, labels)).mean())


@checked(finite=("logits",))
def joint_log_likelihood(logits: Float[np.ndarray, "member n class"], labels: Int[np.ndarray, " n"]) -> float:
    r"""Return the logarithm of the probability that an ensemble gives to all labels together.

    .. math:: \log \frac1M \sum_z \prod_t p_z(y_t \mid x_t)

    A member stands for one hypothesis about the world: what it says of one sample holds for the others as
    well. So labels are dependent, unless all members agree.

    Parameters
    ----------
    logits : numpy.ndarray of float, (member, n, class)
        Outputs of each of the M members z before softmax, for the samples x_t. A sample may stand there
        several times.
    labels : numpy.ndarray of int, (n,)
        Classes y_t.

    Raises
    ------
    InputError
        If an argument does not fit, or there is no member or no sample.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> coins = np.log([[[0.9, 0.1]] * 2, [[0.1, 0.9]] * 2])  # biased, nobody knows to which side
    >>> round(float(np.exp(sparsight.joint_log_likelihood(coins, np.array([0, 0])))), 12)
    0.41
    """
    return float(_mean_over_members(_log_likelihoods(logits, labels).sum(axis=1)))


@checked(finite=("logits",))
def joint_nll(
    logits: Float[np.ndarray, "member n class"],
    labels: Int[np.ndarray, " n"],
    *,
    num_anchors: int = NUM_ANCHORS,
    num_draws: int = NUM_DRAWS,
    num_rounds: int = 1,
    seed: int = 0,
) -> float:
    r"""Return the negative log-likelihood of τ labels together, drawn with replacement from κ samples.

    The mean of −log mean_z Π_t p_z(y_t | x_t) over groups of κ samples and over all κ^τ ways to draw τ times
    from a group. The mean over draws is exact. In each round samples are put into a random circle, and every
    κ neighbours are a group, so that each sample is in κ groups. A single member therefore has τ times its
    `marginal_nll`, up to rounding. What an ensemble has less than that, its members know together.

    Parameters
    ----------
    logits : numpy.ndarray of float, (member, n, class)
        Outputs of each member z before softmax.
    labels : numpy.ndarray of int, (n,)
        Classes y. A sample that is drawn several times keeps its label.
    num_anchors : int
        κ, from 1 to n.
    num_draws : int
        τ, at least 1.
    num_rounds : int
        Random circles, at least 1.
    seed : int
        Seeds the stream ``(seed, "joint nll", round)``.

    Returns
    -------
    float
        In nats for τ labels.

    Raises
    ------
    InputError
        If an argument does not fit, or there is no member or no sample.

    Notes
    -----
    After Osband et al. (arXiv 2302.09205), and their "dyadic sampling" with κ = 2 and τ = 10. There, labels
    of a repeated sample are drawn anew from the known truth; a data set has one label for each sample.
    """
    log_p = _log_likelihoods(logits, labels)
    num_samples = log_p.shape[1]
    if not 1 <= num_anchors <= num_samples:
        raise InputError(
            f"num_anchors is {num_anchors}; 1 to the number of samples, {num_samples}, is allowed"
        )
    for name, value in (("num_draws", num_draws), ("num_rounds", num_rounds)):
        if value < 1:
            raise InputError(f"{name} is {value}; 1 or more is needed")
    total = 0.0
    for number in range(num_rounds):
        circle = log_p[:, generator(seed, "joint nll", number).permutation(num_samples)]
        for counts, share in _draws(num_anchors, num_draws):
            together = sum(count * np.roll(circle, -place, axis=1) for place, count in enumerate(counts))
            total -= share * float(_mean_over_members(np.asarray(together)).mean())
    return total / num_rounds


@checked(finite=("logits",))
def disagreement(logits: Float[np.ndarray, "member n class"]) -> float:
    """Return how often two members predict different classes: the mean over pairs of members and samples.

    Parameters
    ----------
    logits : numpy.ndarray of float, (member, n, class)
        Outputs of each member before softmax. The predicted class has the largest; of equal ones it is the
        first.

    Returns
    -------
    float
        In [0, 1]. A single member agrees with itself: 0.

    Raises
    ------
    InputError
        If there is no member or no sample.
    """
    _check_members(logits)
    num_members, _, num_classes = logits.shape
    if num_members == 1:
        return 0.0
    predicted = logits.argmax(axis=2)
    votes = np.stack([(predicted == each).sum(axis=0) for each in range(num_classes)])
    agreeing = (votes * (votes - 1)).sum(axis=0)
    return float(1 - agreeing.mean() / (num_members * (num_members - 1)))


def _log_likelihoods(logits: np.ndarray, labels: np.ndarray) -> Float[np.ndarray, "member n"]:
    """Return log p_z(y) of each member and sample."""
    _check_members(logits)
    check_classes(logits.shape[2], labels)
    log_p = special.log_softmax(logits.astype(np.float64), axis=2)
    found: np.ndarray = log_p[:, np.arange(len(labels)), labels]
    return found


def _mean_over_members(log_values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the mean over the first axis; a single member is returned bit for bit."""
    if len(log_values) == 1:
        return np.asarray(log_values[0])
    return np.asarray(special.logsumexp(log_values, axis=0) - math.log(len(log_values)))


def _draws(num_anchors: int, num_draws: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield how often each anchor is drawn, and the multinomial probability of that."""
    bars = itertools.combinations(range(num_draws + num_anchors - 1), num_anchors - 1)
    for each in bars:
        edges = (-1, *each, num_draws + num_anchors - 1)
        counts = tuple(after - before - 1 for before, after in itertools.pairwise(edges))
        ways = math.factorial(num_draws) // math.prod(map(math.factorial, counts))
        yield counts, ways / num_anchors**num_draws


def _check_members(logits: np.ndarray) -> None:
    for axis, words in ((0, "member"), (1, "sample")):
        if not logits.shape[axis]:
            raise InputError(f"logits have shape {logits.shape}; at least one {words} is needed")
