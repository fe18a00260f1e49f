"""Scores that tell inputs like the training data from others, and how well they do."""

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from sparsight.arguments import checked
from sparsight.errors import InputError

_SHARE_FOUND = 0.95


@checked(bounded=("inside", "outside"))
def auroc(inside: Float[np.ndarray, " n"], outside: Float[np.ndarray, " m"]) -> float:
    """Return the probability that an input of the distribution has a higher score than one from outside.

    It is the area under the ROC curve: pairs with inside > outside, and half of those with equal scores, over
    all pairs, from ranks.

    Parameters
    ----------
    inside, outside : numpy.ndarray of float, (n,) and (m,)
        Scores. NaN, where a score is undefined, is left out.

    Returns
    -------
    float
        ½ if scores are distributed alike; NaN if either side has no defined score. Of scores N(Δ, 1) against
        N(0, 1) it is Φ(Δ/√2).
    """
    own, other = inside[~np.isnan(inside)], outside[~np.isnan(outside)]
    if not len(own) or not len(other):
        return np.nan
    ranks = stats.rankdata(np.concatenate([own, other]).astype(np.float64))
    return float((ranks[: len(own)].sum() - len(own) * (len(own) + 1) / 2) / (len(own) * len(other)))


@checked(bounded=("inside", "outside"))
def fpr95(inside: Float[np.ndarray, " n"], outside: Float[np.ndarray, " m"]) -> float:
    """Return the share of inputs from outside that pass for inside if 95 % of those inside do.

    The threshold is the highest score that at least 95 % of the inside reach. Of scores N(Δ, 1) against
    N(0, 1) it is Φ(1.645 − Δ).

    Parameters
    ----------
    inside, outside
        As for `auroc`.

    Returns
    -------
    float
        0.95 if scores are distributed alike; NaN if either side has no defined score.
    """
    own, other = inside[~np.isnan(inside)], outside[~np.isnan(outside)]
    if not len(own) or not len(other):
        return np.nan
    # The tolerance keeps 0.95 · 20 samples from being 20 of them.
    needed = int(np.ceil(_SHARE_FOUND * len(own) - 1e-9))
    threshold = np.sort(own)[len(own) - needed]
    return float((other >= threshold).mean())


@checked(finite=("activations",))
def neural_activation_prior(
    activations: Float[np.ndarray, "n channel *position"], *, epsilon: float = 1.0
) -> Float[np.ndarray, " n"]:
    """Return how peaked the activations of each sample are: mean over channels of (max/(mean + ε))².

    Parameters
    ----------
    activations : numpy.ndarray of float, (n, channel, …)
        At least 0 (behind a ReLU); maximum and mean are over all positions of a channel. The units of a fully
        connected layer are the positions of a single channel, (n, 1, units).
    epsilon : float
        At least 0. As activations grow, it ceases to matter.

    Returns
    -------
    numpy.ndarray of float64, (n,)
        Higher for inputs like the training data, if their activations are more peaked. (a/(a + ε))² for
        constant activations a, and (a/(a/n + ε))² for a single active one of n positions. 0 for a channel
        without activation. NaN without positions.

    Raises
    ------
    InputError
        If an argument does not fit, or an activation is negative.

    Notes
    -----
    After Wan, Zhang, Zhou, Yi & Jin, arXiv 2402.18162, by way of an author's draft. There it is of
    convolutional networks, before global pooling.
    """
    if activations.ndim < 3:
        raise InputError(f"activations have {activations.ndim} axes; (n, channel, …positions) is needed")
    if (activations < 0).any():
        raise InputError("activations hold negative values; the score is for those behind a ReLU")
    if not (np.isfinite(epsilon) and epsilon >= 0):
        raise InputError(f"epsilon is {epsilon}; a finite number of at least 0 is needed")
    num_positions = int(np.prod(activations.shape[2:]))
    flat = activations.reshape(*activations.shape[:2], num_positions)
    if not flat.shape[1] or not flat.shape[2]:
        return np.full(len(flat), np.nan)
    highest, level = flat.max(axis=2).astype(np.float64), flat.mean(axis=2, dtype=np.float64) + epsilon
    ratios = np.divide(highest, level, out=np.zeros_like(highest), where=level > 0)
    scores: np.ndarray = np.square(ratios).mean(axis=1)
    return scores


@checked(finite=("logits",))
def energy_score(
    logits: Float[np.ndarray, "n class"], *, temperature: float = 1.0
) -> Float[np.ndarray, " n"]:
    """Return T · log Σ exp(logit/T), minus the energy of each sample: high for inputs like the data.

    Notes
    -----
    After Liu, Wang, Owens & Li (NeurIPS 2020).
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature is {temperature}; a positive number is needed")
    if not logits.shape[1]:
        raise InputError("logits have no classes; at least one is needed")
    found: np.ndarray = temperature * special.logsumexp(logits.astype(np.float64) / temperature, axis=1)
    return found


@checked(finite=("logits",))
def largest_probability(logits: Float[np.ndarray, "n class"]) -> Float[np.ndarray, " n"]:
    """Return the largest softmax probability (MSP) of each sample, after Hendrycks & Gimpel (ICLR 2017)."""
    if not logits.shape[1]:
        raise InputError("logits have no classes; at least one is needed")
    found: np.ndarray = special.softmax(logits.astype(np.float64), axis=1).max(axis=1)
    return found


@checked(bounded=("score", "prior"))
def combined_score(
    score: Float[np.ndarray, " n"], prior: Float[np.ndarray, " n"], *, weight: float = 0.5
) -> Float[np.ndarray, " n"]:
    """Return score^w · prior^(1 − w), the weighted geometric mean of a score and the activation prior.

    Returns
    -------
    numpy.ndarray of float64, (n,)
        NaN where either is not above 0: minus an energy may be negative, and then no power is defined.

    Raises
    ------
    InputError
        If an argument does not fit, or `weight` is not in [0, 1].
    """
    if not 0 <= weight <= 1:
        raise InputError(f"weight is {weight}; a number in [0, 1] is needed")
    is_defined = (score > 0) & (prior > 0)
    logs = [np.log(np.where(is_defined, each, 1.0).astype(np.float64)) for each in (score, prior)]
    return np.where(is_defined, np.exp(weight * logs[0] + (1 - weight) * logs[1]), np.nan)


@checked(bounded=("score", "prior", "outside_score", "outside_prior"))
def prior_weight(
    score: Float[np.ndarray, " n"],
    prior: Float[np.ndarray, " n"],
    outside_score: Float[np.ndarray, " m"],
    outside_prior: Float[np.ndarray, " m"],
) -> float:
    """Return the weight w of `combined_score` that best tells samples from stand-ins for others.

    The stand-ins take the place of inputs that are not known beforehand, as permuted training samples do. The
    criterion is the AUROC. w begins at ½, and the interval around it, from 0 to 1, is halved seven times
    around the better of its middle and the middles of its halves, so w is a multiple of 1/256.

    Parameters
    ----------
    score, prior : numpy.ndarray of float, (n,)
        Score and activation prior of samples of the data, preferably training samples.
    outside_score, outside_prior : numpy.ndarray of float, (m,)
        The same of the stand-ins.

    Returns
    -------
    float
        In (0, 1). With two independent log-normal scores of equal spread, whose logarithms differ by a and b
        between both kinds of samples, it tends to a/(a + b). NaN where no combined score is defined.

    Notes
    -----
    In arXiv 2402.18162, w is found by bisection on such stand-ins; what is bisected there, the text that was
    read does not say.
    """

    def area(weight: float) -> float:
        inside, outside = (
            combined_score(*each, weight=weight) for each in ((score, prior), (outside_score, outside_prior))
        )
        return auroc(inside, outside)

    best, highest, step = 0.5, area(0.5), 0.25
    if np.isnan(highest):
        return np.nan
    for _ in range(7):
        for weight in (best - step, best + step):
            found = area(weight)
            if found > highest:
                best, highest = weight, found
        step /= 2
    return best
