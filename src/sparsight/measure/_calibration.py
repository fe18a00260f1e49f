"""Whether a classifier's confidences are the shares in which it is right."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special

from sparsight.arguments import checked
from sparsight.errors import InputError
from sparsight.measure._chain import check_classes
from sparsight.streams import generator

NUM_BINS = 15
"""Bins of an expected calibration error."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the probabilities p of a classifier fit the classes y of n samples.

    The confidence of a sample is its largest probability, and its class there the predicted one.

    Attributes
    ----------
    accuracy : float
        Share of samples whose predicted class is y.
    confidence : float
        Mean confidence. Minus the accuracy, it is the overconfidence.
    ece : float
        `expected_calibration_error` of the confidences.
    brier : float
        Mean of Σ_c (p_c − [y = c])², from 0 to 2.
    nll : float
        Mean of −log p_y, in nats.
    confidence_when_wrong : float
        Mean confidence where the predicted class is not y; NaN if there is no such sample.
    brier_per_class, nll_per_class, accuracy_per_class, confidence_when_wrong_per_class : numpy.ndarray
        The same over the samples of each class, float64 (class,); NaN for a class without any.
    ece_per_class : numpy.ndarray of float64, (class,)
        `expected_calibration_error` of p_c as the probability of class c, over all samples.
    """

    accuracy: float
    confidence: float
    ece: float
    brier: float
    nll: float
    confidence_when_wrong: float
    accuracy_per_class: np.ndarray
    brier_per_class: np.ndarray
    nll_per_class: np.ndarray
    confidence_when_wrong_per_class: np.ndarray
    ece_per_class: np.ndarray


@checked(finite=("logits",))
def calibration(
    logits: Float[np.ndarray, "n class"], labels: Int[np.ndarray, " n"], *, num_bins: int = NUM_BINS
) -> Calibration:
    """Return how the probabilities softmax(logits) fit the classes of the samples.

    Parameters
    ----------
    logits : numpy.ndarray of float, (n, class)
        Outputs of a classifier before softmax. Logarithms of probabilities do as well.
    labels : numpy.ndarray of int, (n,)
        Classes.
    num_bins : int
        As for `expected_calibration_error`.

    Raises
    ------
    InputError
        If an argument does not fit, or there are no samples.

    Examples
    --------
    >>> import numpy as np, sparsight
    >>> probabilities = np.array([[0.8, 0.2]] * 5)
    >>> found = sparsight.calibration(np.log(probabilities), np.array([0, 0, 0, 0, 1]))
    >>> round(found.ece, 12), round(found.brier, 12), round(found.confidence_when_wrong, 12)
    (0.0, 0.32, 0.8)
    """
    _check_samples(logits, "logits")
    check_classes(logits.shape[1], labels)
    log_p = special.log_softmax(logits.astype(np.float64), axis=1)
    p = np.exp(log_p)
    is_class = np.arange(p.shape[1]) == labels[:, None]
    confidences, is_right = p.max(axis=1), p.argmax(axis=1) == labels
    brier, nll = np.square(p - is_class).sum(axis=1), -log_p[is_class]
    return Calibration(
        accuracy=float(is_right.mean()),
        confidence=float(confidences.mean()),
        ece=expected_calibration_error(confidences, is_right, num_bins=num_bins),
        brier=float(brier.mean()),
        nll=float(nll.mean()),
        confidence_when_wrong=float(_means(confidences, ~is_right[:, None])[0]),
        accuracy_per_class=_means(is_right, is_class),
        brier_per_class=_means(brier, is_class),
        nll_per_class=_means(nll, is_class),
        confidence_when_wrong_per_class=_means(confidences, is_class & ~is_right[:, None]),
        ece_per_class=np.array(
            [
                expected_calibration_error(p[:, each], is_class[:, each], num_bins=num_bins)
                for each in range(p.shape[1])
            ]
        ),
    )


@checked(finite=("confidences",))
def expected_calibration_error(
    confidences: Float[np.ndarray, " n"], is_right: Bool[np.ndarray, " n"], *, num_bins: int = NUM_BINS
) -> float:
    """Return the expected calibration error (ECE) with bins of equal mass.

    Samples are sorted by confidence and cut into bins of as equal numbers as possible. Samples of equal
    confidence are never cut apart, so the order of the samples does not matter. The error is Σ over bins
    of n_b/n · |share right − mean confidence|.

    Parameters
    ----------
    confidences : numpy.ndarray of float, (n,)
        Probabilities given to statements.
    is_right : numpy.ndarray of bool, (n,)
        Whether each statement was right.
    num_bins : int
        Number of bins, at least 1. Fewer are filled if there are fewer different confidences.

    Returns
    -------
    float
        In [0, 1]. Exact probabilities do not give 0 but what sampling leaves, about
        √(2 num_bins p(1−p)/(π n)) for probabilities near p: see `calibrated_ece`.

    Raises
    ------
    InputError
        If an argument does not fit, or there are no samples.

    Notes
    -----
    After Naeini, Cooper & Hauskrecht (AAAI 2015), who introduced it, and Nguyen & O'Connor (EMNLP 2015), who
    take bins of equal mass.
    """
    _check_samples(confidences, "confidences")
    if num_bins < 1:
        raise InputError(f"num_bins is {num_bins}; 1 or more is needed")
    if confidences.min() < 0 or confidences.max() > 1:
        raise InputError("confidences hold values outside [0, 1]; probabilities are needed")
    order = np.argsort(confidences, kind="stable")
    values = confidences[order].astype(np.float64)
    gaps = is_right[order] - values
    ends = np.arange(1, num_bins) * len(values) // num_bins
    # A bin ends behind all samples that are as confident as its last one.
    cuts = np.searchsorted(values, values[ends[ends > 0] - 1], side="right")
    starts = np.unique(np.concatenate([[0], cuts[cuts < len(values)]]))
    return float(np.abs(np.add.reduceat(gaps, starts)).sum() / len(values))


@checked(finite=("confidences",))
def calibrated_ece(
    confidences: Float[np.ndarray, " n"], *, num_bins: int = NUM_BINS, num_draws: int = 20, seed: int = 0
) -> float:
    """Return the `expected_calibration_error` that these confidences would have if they were exact.

    In each draw a statement is right with the probability that its confidence says. The mean over draws is
    what the number of samples and the bins alone give.

    Parameters
    ----------
    confidences : numpy.ndarray of float, (n,)
        Probabilities given to statements.
    num_bins, num_draws : int
        At least 1.
    seed : int
        Seeds the stream ``(seed, "calibrated")``.

    Raises
    ------
    InputError
        If an argument does not fit, or there are no samples.
    """
    if num_draws < 1:
        raise InputError(f"num_draws is {num_draws}; 1 or more is needed")
    stream = generator(seed, "calibrated")
    drawn = [
        expected_calibration_error(
            confidences, stream.random(len(confidences)) < confidences, num_bins=num_bins
        )
        for _ in range(num_draws)
    ]
    return float(np.mean(drawn))


def _means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the mean over each group of samples; groups are the columns of bool, (n, group)."""
    sizes = groups.sum(axis=0)
    totals = values.astype(np.float64) @ groups
    return np.where(sizes > 0, totals / np.maximum(sizes, 1), np.nan)


def _check_samples(values: np.ndarray, name: str) -> None:
    if not len(values):
        raise InputError(f"{name} are empty; at least one sample is needed")
