"""What a clone keeps of its original and what it changes, in numbers, for its card."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sparsight.data._class_moments import ClassMoments, evenly_spaced
from sparsight.data._gaussian_fits import Gaussian
from sparsight.data._task import Task

NUM_CLASSES = 10  # classes that are looked at; the others of a task with more are like them
_SAMPLES_PER_CLASS = 4000
_MAX_INPUTS = 1024
_DIGITS = 4


def change_by_gaussian(moments: ClassMoments, label: int, model: Gaussian) -> tuple[float, float]:
    """Return how far the fitted Gaussian is from the moments of a class: of the mean, of the covariance.

    ‖μ − m‖/√tr S and ‖Σ − S‖/‖S‖ (Frobenius), with the sample mean m and covariance S of the class. They are
    those of the distribution, not of finitely many samples of it; of 1024 inputs at equal distances where
    there are more.
    """
    inputs = evenly_spaced(moments.num_inputs, _MAX_INPUTS)
    original, found = (
        Gaussian(mean[inputs], factor[:, inputs])
        for mean, factor in ((moments.mean(label), moments.factor(label)), (model.mean, model.factor))
    )
    covariance = original.covariance()
    return _relative(
        covariance,
        float(np.square(found.mean - original.mean).sum()),
        float((found.covariance() - covariance).double().square().sum()),
    )


def change_by_samples(
    original: np.ndarray, clone: np.ndarray, second_clone: np.ndarray
) -> tuple[float, float]:
    """Return the same as `change_by_gaussian` for a clone that is known by its samples alone.

    Two independent clones of the same samples, (n, num_inputs) each: the product of their deviations has the
    squared deviation of the distribution as its expectation, because their sampling errors do not covary.
    """
    inputs = evenly_spaced(original.shape[1], _MAX_INPUTS)
    (mean, covariance), first, second = (
        _moments(each[:, inputs]) for each in (original, clone, second_clone)
    )
    return _relative(
        covariance,
        float(((first[0] - mean) * (second[0] - mean)).sum()),
        float(((first[1] - covariance).double() * (second[1] - covariance).double()).sum()),
    )


def kept_and_changed(original: Task, clone: Task, changes: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the entry ``kept_and_changed`` of a clone's card, given the changes of mean and covariance.

    Lists are by class, for the first ten classes.
    """
    return {
        "mean_change_per_class": [round(mean, _DIGITS) for mean, _ in changes],
        "covariance_change_per_class": [round(covariance, _DIGITS) for _, covariance in changes],
        "pixel_excess_kurtosis_within_class_original": round(kurtosis_within_class(original), _DIGITS),
        "pixel_excess_kurtosis_within_class": round(kurtosis_within_class(clone), _DIGITS),
    }


def kurtosis_within_class(task: Task) -> float:
    """Return the excess kurtosis of training pixels within classes: Σ m₄ / Σ m₂² − 3.

    The moments are those of each pixel in each of the first ten classes, over at most 4000 samples; the sum
    runs over pixels and classes, so pixels that hardly vary count little. NaN if none varies.
    """
    fourth = square = 0.0
    for label in range(min(task.num_classes, NUM_CLASSES)):
        values = class_samples(task, label).astype(np.float64)
        if len(values) < 2:
            continue
        values -= values.mean(axis=0)
        squares = values**2  # and not a fourth power, which takes thirty times as long
        square += float((squares.mean(axis=0) ** 2).sum())
        fourth += float((squares**2).mean(axis=0).sum())
    return fourth / square - 3 if square > 0 else math.nan


def class_samples(task: Task, label: int) -> np.ndarray:
    """Return the first training inputs of a class, at most 4000: float32, (n, num_inputs)."""
    rows = np.flatnonzero(task.train_labels == label)[:_SAMPLES_PER_CLASS]
    return task.flat(task.train_inputs[rows])


def _moments(samples: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.from_numpy(samples)
    mean = values.mean(dim=0)
    centred = values - mean
    return mean.double(), centred.T @ centred / (len(values) - 1)


def _relative(covariance: torch.Tensor, mean_square: float, covariance_square: float) -> tuple[float, float]:
    trace, square = float(covariance.diagonal().double().sum()), float(covariance.double().square().sum())
    return (
        math.sqrt(max(mean_square, 0.0) / trace) if trace > 0 else 0.0,
        math.sqrt(max(covariance_square, 0.0) / square) if square > 0 else 0.0,
    )
