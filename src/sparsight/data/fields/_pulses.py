"""Sums of pulses at random places, with a Gaussian twin made by the same filter."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from pydantic import Field

from sparsight.data.fields._field_source import Clone, FieldClasses, Positive, Size, field_source
from sparsight.data.fields._gaussian_samplers import Sampler
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError

_Profile = Literal["gaussian", "box"]


def pulse_sampler(
    size: Sequence[int],
    width: float,
    rate: float,
    wraps: bool,
    profile: _Profile = "gaussian",
    twin: bool = False,
) -> Sampler:
    r"""Return a sampler of fields that are sums of pulses at random places, with random signs.

    .. math:: x_i = \sum_j n_j\, h(i - j) / \sqrt{\textstyle \mathrm{rate} \sum_j h(j)^2}

    n_j is the number of positive pulses minus the number of negative pulses at j, both Poisson with mean
    rate/2. The covariance is the normalised autocorrelation of h. The excess kurtosis of a pixel is Σh⁴ /
    (rate (Σh²)²), from 0 (many pulses) to ∞ (few). The twin replaces n by white noise of variance `rate`, so
    it has exactly the same covariance. If the field does not wrap, pulses that begin outside reach in.

    With the width ξ in pixels, the "gaussian" profile is h = exp(−2 d²/ξ²) per axis, so that the covariance
    is exp(−(d/ξ)²), that of `gp` (to 10⁻³ for ξ ≥ 2; `pulse_covariance_rows` returns the exact one). "box" is
    h = 1 for ⌈ξ⌉ pixels along each axis. `InputError`: ξ below 1 or above the smallest extent, or a rate not
    above 0.
    """
    filters = _filters(size, width, wraps, profile)
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"rate is {rate} pulses per pixel; give a finite number above 0")
    factors = [torch.from_numpy(matrix.astype(np.float32)) for matrix in filters]
    sites = tuple(matrix.shape[1] for matrix in filters)

    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples *size"]:
        shape = (num_samples, *sites)
        if twin:
            source = white_noise(rng, shape)
        else:
            counts = rng.poisson(rate / 2, shape) - rng.poisson(rate / 2, shape)
            source = torch.from_numpy((counts / math.sqrt(rate)).astype(np.float32))
        fields = source @ factors[-1].T
        if len(factors) == 2:
            fields = factors[0] @ fields
        return fields.numpy()

    return sample


def pulse_covariance_rows(
    size: Sequence[int], width: float, wraps: bool, profile: _Profile = "gaussian"
) -> tuple[Float64[np.ndarray, " extent"], ...]:
    """Return the covariance of pulse fields at displacement 0 … extent − 1 along each axis.

    The covariance of two pixels is the product over axes. Parameters and errors are those of
    `pulse_sampler`.
    """
    return tuple(matrix @ matrix[0] for matrix in _filters(size, width, wraps, profile))


def pulse_excess_kurtosis(
    size: Sequence[int],
    width: float,
    rate: float,
    wraps: bool,
    profile: _Profile = "gaussian",
) -> float:
    """Return Σh⁴ / (rate (Σh²)²), the excess kurtosis of a pixel; parameters are those of `pulse_sampler`."""
    fourth = math.prod(float((matrix[0] ** 4).sum()) for matrix in _filters(size, width, wraps, profile))
    return fourth / rate


@field_source("pulses")
def pulses(
    *,
    size: Size = (128,),
    widths: Annotated[Sequence[Annotated[float, Field(ge=1, allow_inf_nan=False)]], Field(min_length=1)] = (
        2.0,
        6.0,
    ),
    rate: Positive = 0.05,
    profile: _Profile = "gaussian",
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling sums of random pulses (in 2-D: spots or squares) apart by their width.

    Other parameters are those of `nlgp`.

    Parameters
    ----------
    widths : sequence of float
        ξ of each class, in pixels; see `pulse_sampler`.
    rate : float
        Mean number of pulses that begin at each pixel.
    profile : {"gaussian", "box"}
        Shape of a pulse; see `pulse_sampler`.

    Raises
    ------
    InputError
        If there are fewer than two widths, or an argument is out of range.
    """
    twin = clone == "gaussian"
    return FieldClasses(
        [pulse_sampler(size, width, rate, wraps, profile=profile, twin=twin) for width in widths],
        {
            "source": "sums of pulses with random signs at random places",
            "clone": clone,
            "width_per_class": list(widths),
            "pixel_excess_kurtosis_per_class": [
                0.0 if twin else pulse_excess_kurtosis(size, width, rate, wraps, profile) for width in widths
            ],
        },
    )


@field_source("bars")
def bars(
    *,
    size: Size = (16, 16),
    width: Annotated[int, Field(ge=1)] = 2,
    rate: Positive = 0.1,
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling horizontal bars (class 0) from vertical bars (class 1).

    Bars run from border to border, are `width` pixels thick, and have random signs and places: each field
    is a 1-D field of box pulses along one axis, and constant along the other. Other parameters are those
    of `nlgp`.

    Parameters
    ----------
    size : sequence of int
        ``(height, width)``, in pixels.
    width : int
        Thickness of a bar, in pixels.
    rate : float
        Mean number of bars that begin at each row or column.

    Raises
    ------
    InputError
        If the field is not 2-D, or an argument is out of range.
    """
    if len(size) != 2:
        raise InputError(f"size is {tuple(size)}; bars need (height, width)")
    twin = clone == "gaussian"
    profiles = [
        pulse_sampler((extent,), float(width), rate, wraps, profile="box", twin=twin) for extent in size
    ]
    return FieldClasses(
        [_along_other_axis(profile, tuple(size), axis) for axis, profile in enumerate(profiles)],
        {
            "source": "horizontal (class 0) and vertical (class 1) bars with random signs at random places",
            "clone": clone,
            "pixel_excess_kurtosis_per_class": [
                0.0 if twin else pulse_excess_kurtosis((extent,), float(width), rate, wraps, "box")
                for extent in size
            ],
        },
    )


def _along_other_axis(profile: Sampler, size: tuple[int, ...], axis: int) -> Sampler:
    def sample(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "samples height width"]:
        lines = np.expand_dims(profile(rng, num_samples), axis=2 - axis)
        return np.broadcast_to(lines, (num_samples, *size))

    return sample


def _filters(
    size: Sequence[int], width: float, wraps: bool, profile: str
) -> list[Float64[np.ndarray, "extent sites"]]:
    """Return h as a matrix for each axis, rows of unit length: field = matrix @ pulses."""
    if len(size) not in (1, 2) or not 1 <= width <= min(size):
        raise InputError(
            f"width is {width} pixels and size {tuple(size)}; one or two axes and a width from 1 to the "
            "smallest extent are allowed"
        )
    reach = math.ceil(4 * width)  # h(4 ξ) = exp(−32) = 10⁻¹⁴: no visible edge where the pulse is cut
    gaussian = np.exp(-2 * (np.arange(-reach, reach + 1) / width) ** 2)
    shape = np.ones(math.ceil(width)) if profile == "box" else gaussian
    return [filter_matrix(extent, shape, wraps) for extent in size]


def filter_matrix(extent: int, shape: np.ndarray, wraps: bool) -> Float64[np.ndarray, "extent sites"]:
    """Return the matrix of x_i = Σ h_k n_(i+k): this shape at every pixel, rows of unit length."""
    # Without wrapping, pulses that begin outside reach in: otherwise pixels near a border, with fewer pulses,
    # would have a smaller variance.
    num_sites = extent if wraps else extent + len(shape) - 1
    rows = np.arange(extent)
    matrix = np.zeros((extent, num_sites))
    for offset, value in enumerate(shape):
        matrix[rows, (rows + offset) % num_sites] += value  # each row occurs once, so += loses nothing
    normalised: np.ndarray = matrix / np.linalg.norm(matrix[0])
    return normalised
