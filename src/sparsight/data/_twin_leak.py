"""Whether a fitted twin leaks: its classes are told apart although labels were permuted before the fit."""

from typing import Any

import numpy as np
import scipy.stats
import torch
from jaxtyping import Float32

from sparsight.data._class_moments import ClassMoments
from sparsight.data._gaussian_fits import Gaussian, MakeFit
from sparsight.data._whitening import ridge_whitening
from sparsight.streams import generator

_NUM_CLASSES = 4  # that are told apart at most, to keep it cheap
_TEST_SAMPLES = 2000
_MAX_INPUTS = 1024
_CONFIDENCE = 0.99  # not 0.95: permutations and fits vary as well, which a binomial interval leaves out
_PRODUCTS = 10**10  # multiplications that drawing the training samples of the readout may take
_FEWEST = 1000  # training samples a class, where there are as many


def measure_leak(moments: ClassMoments, make_fit: MakeFit, seed: int) -> dict[str, Any]:
    r"""Return the accuracy on a twin that is made in the same way from permuted labels.

    Permuted labels say nothing about the inputs. Still, Gaussians fitted to each class carry the sampling
    error of its moments, the same in training and test, and a network can learn it. Here a cheap readout
    stands in for the network: with mean :math:`m_c` and covariance :math:`S_c` of the twin's training
    samples, ridge-whitened by their average over classes, the class of x is that of the largest

    .. math:: \tfrac12\, \mathrm{tr}\bigl[(S_c - \bar S)(x x^\top - \bar S)\bigr] + (m_c - \bar m)^\top x

    (the log-likelihood to first order in the differences between classes). There are as many training samples
    as the original has in each class, or fewer with many inputs (at least 1000), 2000 test samples, and at
    most four classes. With more than 1024 inputs, the twin is that of 1024 of them, at equal distances, which
    leaks no more than the whole.

    Returns
    -------
    dict
        ``accuracy``; ``chance``; ``interval``, its binomial 99 % interval (Clopper–Pearson);
        ``num_samples``, tested. Rounded to four digits.
    """
    counts = moments.counts[:_NUM_CLASSES]
    num_classes = len(counts)
    rows = generator(seed, "leak", "labels").permutation(np.concatenate(list(moments.groups)))
    ends = np.cumsum(moments.counts)
    permuted = moments.of(np.split(rows, ends[:-1])[:num_classes], _MAX_INPUTS)
    fit = make_fit(permuted, seed)
    most = max(_FEWEST, _PRODUCTS // (num_classes * permuted.num_inputs**2))
    num_test = -(-_TEST_SAMPLES // num_classes)
    train, test = [], []
    for label in range(num_classes):
        rng = generator(seed, "leak", "samples", label)
        train.append(_drawn(fit.train(label), rng, max(2, min(int(counts[label]), most))))
        test.append(_drawn(fit.test(label), rng, num_test))
    num_right = _num_right(train, test)
    total = num_test * num_classes
    interval = scipy.stats.binomtest(num_right, total).proportion_ci(_CONFIDENCE)
    return {
        "accuracy": round(num_right / total, 4),
        "chance": round(1 / num_classes, 4),
        "interval": [round(float(interval.low), 4), round(float(interval.high), 4)],
        "num_samples": total,
    }


def _drawn(model: Gaussian, rng: np.random.Generator, num_samples: int) -> Float32[torch.Tensor, "n inputs"]:
    return torch.from_numpy(model.sample(rng, num_samples))


def _num_right(train: list[torch.Tensor], test: list[torch.Tensor]) -> int:
    """Return how many test samples, listed by class, the readout puts in their class."""
    means = torch.stack([samples.mean(dim=0) for samples in train])
    covariances = [_covariance(samples) for samples in train]
    middle = means.mean(dim=0)
    average = sum(covariances[1:], covariances[0]) / len(train)
    whitening = ridge_whitening(average)
    scores: list[list[torch.Tensor]] = [[] for _ in test]
    whitened = [(samples - middle) @ whitening for samples in test]
    for mean, covariance in zip(means, covariances, strict=True):
        difference = whitening @ (covariance - average) @ whitening
        constant = float((difference * (whitening @ average @ whitening)).double().sum()) / 2
        linear = whitening @ (mean - middle)
        for of_class, samples in zip(scores, whitened, strict=True):
            quadratic = ((samples @ difference) * samples).sum(dim=1) / 2
            of_class.append(quadratic - constant + samples @ linear)
    return sum(
        int((torch.stack(of_class).argmax(dim=0) == label).sum()) for label, of_class in enumerate(scores)
    )


def _covariance(samples: torch.Tensor) -> torch.Tensor:
    centred = samples - samples.mean(dim=0)
    return centred.T @ centred / (len(samples) - 1)
