"""Some samples that stand for a split: the first ones where classes are mixed, a draw where they are not."""

import numpy as np
from scipy import stats

from sparsight.streams import generator

_RARE = 1e-6
"""First samples of data in random order are taken for ordered as rarely as this."""


def representative_rows(labels: np.ndarray, number: int, seed: int) -> np.ndarray | None:
    """Return the rows of at most `number` samples in which classes have the shares that they have in all.

    Parameters
    ----------
    labels : numpy.ndarray of int64, (n,)
        Classes of all samples of a split.
    number : int
        Largest number of samples.
    seed : int
        Seeds the draw, the stream ``(seed, "representative samples", number)``. It depends on the labels as
        well: equal labels give equal rows.

    Returns
    -------
    numpy.ndarray of int64, or None
        None stands for the first `number` samples: there are no more, or the classes among these are as mixed
        as chance would mix them. Otherwise a draw without replacement within each class, in order. The number
        of a class c is n_c · `number` / n, rounded so that they add up (largest remainder), but at least 1 of
        every class where `number` allows it.
    """
    if number >= len(labels) or has_mixed_start(labels, number):
        return None
    counts = np.bincount(labels)
    stream = generator(seed, "representative samples", number)
    rows = [
        stream.permutation(np.flatnonzero(labels == label))[:wanted]
        for label, wanted in enumerate(_shares(counts, number))
    ]
    return np.sort(np.concatenate(rows))


def has_mixed_start(labels: np.ndarray, number: int) -> bool:
    """Return whether classes are among the first `number` samples as often as in a random order.

    Pearson's χ² of the counts of classes, for draws without replacement:
    Σ_c (o_c − e_c)²/e_c · (n − 1)/(n − `number`), with e_c = `number` · n_c / n. False if larger values have
    a probability below 10⁻⁶ in a random order.
    """
    classes, numbered = np.unique(labels, return_inverse=True)
    counts = np.bincount(numbered)
    if len(classes) < 2 or number >= len(labels):
        return True
    found = np.bincount(numbered[:number], minlength=len(classes))
    expected = number * counts / len(labels)
    statistic = ((found - expected) ** 2 / expected).sum() * (len(labels) - 1) / (len(labels) - number)
    return bool(stats.chi2.sf(statistic, len(classes) - 1) >= _RARE)


def order_of_classes(labels: np.ndarray) -> str:
    """Return in words how classes follow each other: "sorted by class", "in blocks of a class", "mixed".

    Blocks: labels change so rarely from one sample to the next that a random order has a probability
    below 10⁻⁶ (normal approximation).
    """
    changes = int(np.count_nonzero(np.diff(labels)))
    counts = np.bincount(labels).astype(float)
    counts = counts[counts > 0]
    if len(counts) < 2:
        return "one class"
    if changes == len(counts) - 1:
        return "sorted by class"
    total = counts.sum()
    expected = total - (counts**2).sum() / total  # changes in a random order
    # Mood (1940): variance of the number of runs of several kinds.
    squares, cubes = (counts**2).sum(), (counts**3).sum()
    variance = (squares * (squares + total * (total + 1)) - 2 * total * cubes - total**3) / (
        total**2 * (total - 1)
    )
    is_rare = stats.norm.cdf((changes - expected) / np.sqrt(max(variance, 1e-12))) < _RARE
    return "in blocks of a class" if is_rare else "mixed"


def _shares(counts: np.ndarray, number: int) -> np.ndarray:
    """Return how many of each class are drawn."""
    exact = counts * number / counts.sum()
    shares: np.ndarray = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: number - shares.sum()]] += 1
    # A class that is rarer than 1 in `number` would be left out: it takes the place of one of the largest.
    for label in np.flatnonzero((shares == 0) & (counts > 0)):
        if shares.max() > 1:
            shares[shares.argmax()] -= 1
            shares[label] = 1
    return shares
