"""Gaussians fitted to the training split: one a class, by moments, pooled, shrunk, or from two halves."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64

from sparsight.data._class_moments import ClassMoments
from sparsight.data.fields._white_noise import white_noise
from sparsight.streams import generator


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A Gaussian with this mean, (num_inputs,), and covariance FᵀF of the factor F, (rank, num_inputs)."""

    mean: Float64[np.ndarray, " num_inputs"]
    factor: Float32[np.ndarray, "rank num_inputs"]

    def sample(self, rng: np.random.Generator, num_samples: int) -> Float32[np.ndarray, "n num_inputs"]:
        """Return samples: mean + z F with white z."""
        offset, rows = torch.from_numpy(self.mean.astype(np.float32)), torch.from_numpy(self.factor)
        white = white_noise(rng, (num_samples, len(rows)))
        return torch.addmm(offset, white, rows).numpy()

    def covariance(self) -> Float32[torch.Tensor, "num_inputs num_inputs"]:
        """Return FᵀF."""
        factor = torch.from_numpy(self.factor)
        return factor.T @ factor


@dataclass(frozen=True, eq=False)
class GaussianFit:
    """Gaussians of each class for the training and the test split, made when they are asked for.

    `card` has facts about the fit; it is complete once every class was asked for.
    """

    train: Callable[[int], Gaussian]
    test: Callable[[int], Gaussian]
    card: dict[str, Any]


MakeFit = Callable[[ClassMoments, int], GaussianFit]
"""``make(moments, seed)`` fits Gaussians to the groups of `moments`."""


def fit_each_class(moments: ClassMoments, _seed: int = 0) -> GaussianFit:
    """Return Gaussians with the sample mean and unbiased sample covariance of each class."""

    @functools.lru_cache(maxsize=1)
    def model(label: int) -> Gaussian:
        return Gaussian(moments.mean(label), moments.factor(label))

    ranks = np.minimum(moments.counts - 1, moments.num_inputs)
    return GaussianFit(model, model, {"clone_rank_at_most": ranks.tolist()})


def fit_shared_covariance(moments: ClassMoments, _seed: int = 0) -> GaussianFit:
    """Return Gaussians with the mean of each class and the covariance around the class means."""
    factor = moments.pooled_factor()
    rank = min(int(moments.counts.sum()) - len(moments.groups), moments.num_inputs)

    def model(label: int) -> Gaussian:
        return Gaussian(moments.mean(label), factor)

    return GaussianFit(model, model, {"clone_rank_at_most": [rank] * len(moments.groups)})


def fit_halves(moments: ClassMoments, seed: int) -> GaussianFit:
    """Return `fit_each_class` of a random half of each class for training and of the other for the test."""
    halves = []
    for label, rows in enumerate(moments.groups):
        order = generator(seed, "clone", "halves", label).permutation(rows)
        halves.append((order[: len(rows) // 2], order[len(rows) // 2 :]))
    train, test = (fit_each_class(moments.of(groups)) for groups in zip(*halves, strict=True))
    return GaussianFit(train.train, test.train, dict(train.card))
