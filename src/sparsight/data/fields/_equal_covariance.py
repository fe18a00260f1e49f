"""Fields whose classes have equal mean and covariance: only higher moments tell them apart."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from pydantic import Field

from sparsight.data.fields._field_source import Clone, FieldClasses, Positive, Size, field_source
from sparsight.data.fields._gaussian_samplers import Sampler
from sparsight.data.fields._pulses import filter_matrix
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError

_Signs = Literal["positive", "random"]
_REACH = 6  # decay lengths after which a pulse is cut, at e^−6


def one_sided_sampler(
    size: Sequence[int],
    decay: float,
    rate: float,
    wraps: bool,
    *,
    signs: _Signs = "positive",
    mirrored: bool = False,
    twin: bool = False,
) -> Sampler:
    r"""Return a sampler of sums of pulses with a sharp edge on one side and a slow decay on the other.

    .. math:: x_i = \sum_j (n_j - \bar n)\, h(i - j) / \sqrt{\textstyle \mathrm{rate} \sum_j h(j)^2}

    Along the last axis h(d) = exp(−d/decay) for d ≥ 0 and 0 for d < 0, or the mirror image of this; along the
    first of two axes it is exp(−|d|/decay). n_j is Poisson with mean `rate`, or with random signs the number
    of positive minus the number of negative pulses, both Poisson with mean rate/2. A field and its mirror
    image have the same covariance, the autocorrelation of h, and the same distribution of a pixel. The twin
    replaces n by white noise of variance `rate`.
    """
    factors = [
        torch.from_numpy(matrix.astype(np.float32)) for matrix in _filters(size, decay, wraps, mirrored)
    ]
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"rate is {rate} pulses per pixel; give a finite number above 0")
    sites = tuple(matrix.shape[1] for matrix in factors)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        shape = (num_samples, *sites)
        if twin:
            source = white_noise(rng, shape)
        else:
            counts = (
                rng.poisson(rate, shape) - rate
                if signs == "positive"
                else rng.poisson(rate / 2, shape) - rng.poisson(rate / 2, shape)
            )
            source = torch.from_numpy((counts / math.sqrt(rate)).astype(np.float32))
        fields = source @ factors[-1].T
        if len(factors) == 2:
            fields = factors[0] @ fields
        return fields.numpy()

    return sample


def one_sided_covariance(
    size: Sequence[int], decay: float, wraps: bool, mirrored: bool = False
) -> Float64[np.ndarray, "pixels pixels"]:
    """Return the covariance of all pixels in C order, the same for a field and its mirror image."""
    covariances = [matrix @ matrix.T for matrix in _filters(size, decay, wraps, mirrored)]
    return covariances[0] if len(covariances) == 1 else np.kron(*covariances)


def one_sided_excess_kurtosis(size: Sequence[int], decay: float, rate: float, wraps: bool) -> float:
    """Return Σh⁴ / (rate (Σh²)²), the excess kurtosis of a pixel."""
    return math.prod(float((matrix[0] ** 4).sum()) for matrix in _filters(size, decay, wraps, False)) / rate


@field_source("equal_covariance")
def equal_covariance(
    *,
    size: Size = (96,),
    decay: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 4.0,
    rate: Positive = 0.06,
    signs: _Signs = "positive",
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling one-sided pulses from their mirror images: covariances are equal.

    Class 0 has pulses with a sharp left edge, class 1 with a sharp right edge (last axis). Means, covariances
    and the distribution of a pixel are exactly the same, so the classes differ in joint moments of third and
    higher order (with random signs of fourth), and only locally. The exact Gaussian twin has the same
    distribution in both classes: nothing tells it apart. Other parameters are those of `nlgp`.

    Parameters
    ----------
    decay : float
        Pixels after which a pulse has fallen to 1/e; at most a quarter of the smallest extent.
    rate : float
        Mean number of pulses for each pixel. The more, the more Gaussian, and the harder the task.
    signs : {"positive", "random"}
        Whether all pulses are positive or have random signs.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    twin = clone == "gaussian"
    samplers = [
        one_sided_sampler(size, decay, rate, wraps, signs=signs, mirrored=mirrored, twin=twin)
        for mirrored in (False, True)
    ]
    kurtosis = 0.0 if twin else one_sided_excess_kurtosis(size, decay, rate, wraps)
    return FieldClasses(
        samplers,
        {
            "source": "sums of one-sided pulses (class 0) and of their mirror images (class 1)"
            + ("; the exact Gaussian twin, equal in both" if twin else ""),
            "clone": clone,
            "pixel_excess_kurtosis_per_class": [kurtosis, kurtosis],
        },
    )


def _filters(
    size: Sequence[int], decay: float, wraps: bool, mirrored: bool
) -> list[Float64[np.ndarray, "extent sites"]]:
    """Return h as a matrix for each axis, rows of unit length: field = matrix @ pulses."""
    if len(size) not in (1, 2) or not 1 <= decay <= min(size) / 4:
        raise InputError(
            f"decay is {decay} pixels and size {tuple(size)}; one or two axes and a decay from 1 to a "
            "quarter of the smallest extent are allowed"
        )
    reach = math.ceil(_REACH * decay)
    one_sided = np.exp(-np.arange(reach + 1) / decay)
    shapes = [np.exp(-np.abs(np.arange(-reach, reach + 1)) / decay)] * (len(size) - 1)
    shapes.append(one_sided[::-1] if mirrored else one_sided)
    return [filter_matrix(extent, shape, wraps) for extent, shape in zip(size, shapes, strict=True)]
