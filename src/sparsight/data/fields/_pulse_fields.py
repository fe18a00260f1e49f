"""Sums of pulses at random places: non-Gaussian by their number, with a Gaussian twin of one filter."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from pydantic import Field

from sparsight.data._sources import data_source
from sparsight.data._task import Task
from sparsight.data.fields._covariance import Sampler
from sparsight.data.fields._field_task import field_task
from sparsight.data.fields._fields import Channels, Count, Size
from sparsight.data.fields._white_noise import white_noise
from sparsight.errors import InputError
from sparsight.geometry import Geometry


def pulse_sampler(
    size: Sequence[int],
    width: float,
    rate: float,
    wraps: bool,
    profile: Literal["gaussian", "box"] = "gaussian",
    twin: bool = False,
) -> Sampler:
    r"""Return a sampler of fields that are sums of pulses at random places, with random signs.

    .. math:: x_i = \sum_j n_j\, h(i - j) / \sqrt{\textstyle \mathrm{rate} \sum_j h(j)^2}

    n_j is the number of positive less the number of negative pulses at j, both Poisson with mean
    rate/2. Covariance: the autocorrelation of h, normalised. Excess kurtosis of a pixel:
    Σh⁴ / (rate (Σh²)²), from 0 (many pulses) to ∞ (few). The twin has white noise of variance `rate` in
    the place of n, so exactly the same covariance.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, in pixels.
    width : float
        ξ > 0, in pixels. "gaussian": h = exp(−2 d²/ξ²) per axis, so that the covariance is
        exp(−(d/ξ)²), that of `gp` (to 10⁻³ where ξ ≥ 2; `pulse_covariance_rows` has it exactly).
        "box": h = 1 for ⌈ξ⌉ pixels along each axis.
    rate : float
        Mean number of pulses that begin at each pixel, > 0.
    wraps : bool
        Whether opposite borders touch. Otherwise pulses from outside reach in.
    profile : {"gaussian", "box"}
    twin : bool

    Raises
    ------
    InputError
        If the width is below 1 or above the extent, or the rate is not above 0.
    """
    filters = _filters(size, width, wraps, profile)
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"rate is {rate} pulses a pixel; give a finite number above 0")
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
    size: Sequence[int], width: float, wraps: bool, profile: Literal["gaussian", "box"] = "gaussian"
) -> tuple[Float64[np.ndarray, " extent"], ...]:
    """Return the covariance of pulse fields at displacement 0 … extent − 1 along each axis.

    The covariance of two pixels is the product over axes. Arguments and errors as `pulse_sampler`.
    """
    return tuple(matrix @ matrix[0] for matrix in _filters(size, width, wraps, profile))


def pulse_excess_kurtosis(
    size: Sequence[int],
    width: float,
    rate: float,
    wraps: bool,
    profile: Literal["gaussian", "box"] = "gaussian",
) -> float:
    """Return Σh⁴ / (rate (Σh²)²), the excess kurtosis of a pixel. Arguments and errors as `pulse_sampler`."""
    fourth = math.prod(float((matrix[0] ** 4).sum()) for matrix in _filters(size, width, wraps, profile))
    return fourth / rate


@data_source("pulses")
def pulses(
    *,
    size: Size = (128,),
    widths: Annotated[Sequence[Annotated[float, Field(ge=1, allow_inf_nan=False)]], Field(min_length=1)] = (
        2.0,
        6.0,
    ),
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05,
    profile: Literal["gaussian", "box"] = "gaussian",
    wraps: bool = True,
    channels: Channels = 1,
    num_train: Count = 10_000,
    num_test: Count = 5_000,
    clone: Literal["none", "gaussian"] = "none",
    online: bool = False,
    seed: int,
) -> Task:
    """Return the task of telling sums of random pulses (in 2-D: spots or squares) apart by their width.

    Parameters
    ----------
    widths : sequence of float
        ξ of each class, in pixels. See `pulse_sampler`.
    rate : float
        Mean number of pulses that begin at each pixel.
    profile : {"gaussian", "box"}
    size, wraps, channels, num_train, num_test, clone, online, seed
        As for `nlgp`.

    Raises
    ------
    InputError
        If there are fewer than two widths, or an argument is out of range.
    """
    twin = clone == "gaussian"
    return field_task(
        "pulses" if clone == "none" else "pulses-gaussian",
        [pulse_sampler(size, width, rate, wraps, profile, twin) for width in widths],
        Geometry(channels, tuple(size), wraps),
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
            "source": "sums of pulses with random signs at random places",
            "clone": clone,
            "width_per_class": list(widths),
            "pixel_excess_kurtosis_per_class": [
                0.0 if twin else pulse_excess_kurtosis(size, width, rate, wraps, profile) for width in widths
            ],
        },
    )


@data_source("bars")
def bars(
    *,
    size: Size = (16, 16),
    width: Annotated[int, Field(ge=1)] = 2,
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1,
    wraps: bool = True,
    channels: Channels = 1,
    num_train: Count = 10_000,
    num_test: Count = 5_000,
    clone: Literal["none", "gaussian"] = "none",
    online: bool = False,
    seed: int,
) -> Task:
    """Return the task of telling horizontal bars (class 0) from vertical ones (class 1).

    Bars run from border to border, are `width` pixels thick, and have random signs and places: a 1-D
    field of box pulses along one axis, constant along the other.

    Parameters
    ----------
    width : int
        In pixels.
    rate : float
        Mean number of bars that begin at each row or column.
    size, wraps, channels, num_train, num_test, clone, online, seed
        As for `nlgp`; two axes.

    Raises
    ------
    InputError
        If the field is not 2-D, or an argument is out of range.
    """
    if len(size) != 2:
        raise InputError(f"size is {tuple(size)}; bars need (height, width)")
    twin = clone == "gaussian"
    profiles = [pulse_sampler((extent,), float(width), rate, wraps, "box", twin) for extent in size]
    return field_task(
        "bars" if clone == "none" else "bars-gaussian",
        [_along_other_axis(profile, tuple(size), axis) for axis, profile in enumerate(profiles)],
        Geometry(channels, tuple(size), wraps),
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
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
    reach = math.ceil(4 * width)  # h(4 ξ) = exp(−32)
    gaussian = np.exp(-2 * (np.arange(-reach, reach + 1) / width) ** 2)
    shape = np.ones(math.ceil(width)) if profile == "box" else gaussian
    return [_filter(extent, shape, wraps) for extent in size]


def _filter(extent: int, shape: np.ndarray, wraps: bool) -> Float64[np.ndarray, "extent sites"]:
    num_sites = extent if wraps else extent + len(shape) - 1
    rows = np.arange(extent)
    matrix = np.zeros((extent, num_sites))
    for offset, value in enumerate(shape):
        matrix[rows, (rows + offset) % num_sites] += value  # each row once, so nothing is lost
    normalised: np.ndarray = matrix / np.linalg.norm(matrix[0])
    return normalised
