"""Coordinates in which a covariance is nearly the identity, so that all directions count alike."""

from typing import NamedTuple

import torch
from jaxtyping import Float32

_RIDGE = 0.01  # of the mean variance


class Axes(NamedTuple):
    """The principal axes of a covariance, by decreasing variance: columns of `vectors`."""

    variances: Float32[torch.Tensor, " inputs"]
    vectors: Float32[torch.Tensor, "inputs inputs"]
    scale: Float32[torch.Tensor, " inputs"]  # (variance + 0.01 mean variance)^(−1/2)


def principal_axes(covariance: Float32[torch.Tensor, "inputs inputs"]) -> Axes:
    """Return the principal axes of a covariance, and the scale that ridge-whitens each.

    Without the ridge, pixels that vary in a single image would outweigh all others. A covariance of 0 has
    scale 1.
    """
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    variances = eigenvalues.flip(0).clamp(min=0)
    ridge = _RIDGE * float(variances.mean())
    scale = (variances + ridge).rsqrt() if ridge > 0 else torch.ones_like(variances)
    return Axes(variances, vectors.flip(1), scale)


def ridge_whitening(
    covariance: Float32[torch.Tensor, "inputs inputs"],
) -> Float32[torch.Tensor, "inputs inputs"]:
    r"""Return the symmetric :math:`W = (T + 0.01\, \bar v\, 1)^{-1/2}`, where v̄ is the mean variance of T."""
    axes = principal_axes(covariance)
    return axes.vectors * axes.scale @ axes.vectors.T
