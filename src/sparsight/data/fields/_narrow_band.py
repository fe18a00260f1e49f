"""Waves over a whole ring or torus: fields whose classes differ in the power of a narrow band of waves.

A negative control of locality measures. What tells the classes apart is spread over the whole image, so a
network that learns it keeps waves. Neighbouring inputs are then kept together, but no field is bounded.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import scipy.fft
from jaxtyping import Float
from pydantic import Field

from sparsight.arguments import checked
from sparsight.data.fields._covariance import product_covariance, torus_spectrum
from sparsight.data.fields._field_source import Clone, FieldClasses, Lengths, Positive, Size, field_source
from sparsight.data.fields._gaussian_samplers import Sampler, torus_sampler
from sparsight.errors import InputError


def narrow_band_spectrum(
    size: Sequence[int], wave_number: int, power: float, correlation_length: float | None = None
) -> Float[np.ndarray, "*size"]:
    """Return the power of every wave of a field of variance 1, in the order of `scipy.fft.fftn`.

    Waves in the band have `power` times the power that they have in the background: white noise, or with a
    `correlation_length` ξ the field of covariance exp(−(d/ξ)²). A wave is in the band if it has `wave_number`
    ± ½ cycles along the shortest side: on a ring the two waves ± `wave_number`, on a torus a ring of wave
    vectors in all directions.
    """
    cycles = np.meshgrid(*(scipy.fft.fftfreq(extent) * min(size) for extent in size), indexing="ij")
    distance = np.abs(np.linalg.norm(cycles, axis=0) - wave_number)
    in_band = distance < 0.5
    if not in_band.any() or wave_number > min(size) / 2:
        raise InputError(
            f"wave_number is {wave_number}; with the shortest side {min(size)}, 1 to {min(size) // 2} is "
            "possible"
        )
    background = np.ones(tuple(size))
    if correlation_length is not None:
        covariance = product_covariance(size, correlation_length, wraps=True)
        background = np.maximum(torus_spectrum(covariance.by_displacement()), 0.0)
    spectrum = background * np.where(in_band, float(power), 1.0)
    scaled: np.ndarray = spectrum / spectrum.mean()
    return scaled


@checked(finite=("spectrum",))
def spectrum_covariance(spectrum: Float[np.ndarray, "*size"]) -> Float[np.ndarray, "*size"]:
    """Return the covariance at every displacement of the fields with this spectrum; at 0 the variance."""
    covariance: np.ndarray = scipy.fft.ifftn(spectrum).real
    return covariance


@checked(finite=("correlation",))
def sign_covariance(correlation: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    r"""Return the covariance :math:`\frac{2}{\pi} \arcsin C` of the signs of two Gaussian variables.

    C is their correlation. Source: Sheppard, Phil. Trans. R. Soc. A 192 (1899) 101.
    """
    covariance: np.ndarray = 2 / np.pi * np.arcsin(np.clip(correlation, -1.0, 1.0))
    return covariance


def sign_sampler(gaussian: Sampler) -> Sampler:
    """Return a sampler of the signs, ±1, of Gaussian fields."""

    def sample(rng: np.random.Generator, num_samples: int) -> np.ndarray:
        fields = gaussian(rng, num_samples)
        return np.where(fields < 0, np.float32(-1), np.float32(1))

    return sample


@field_source("narrow_band")
def narrow_band(
    *,
    size: Size = (96,),
    wave_number: Annotated[int, Field(ge=1)] = 5,
    powers: Lengths = (1.0, 15.0),
    correlation_length: Positive | None = 3.0,
    sign: bool = False,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling fields apart by the power of a narrow band of waves.

    Each class is a stationary Gaussian field on a ring or a torus, with variance 1 and the spectrum of
    `narrow_band_spectrum`. By default one class is the smooth background alone, and the other also has waves
    of period ``size / wave_number`` over the whole image. With `sign` every pixel is replaced by its sign:
    excess kurtosis −2, sharp edges, and the covariance `sign_covariance`. The twin is Gaussian with the same
    population covariance in each class. The source also takes the options that all fields take (see `nlgp`).

    Measures of locality must not call what a network learns from these fields local: pruning keeps waves,
    which have many neighbours and as many far pairs as by chance. Through sign() they have sharp edges, and
    are no more local for it. The claim ``task-locality`` tests both.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, in pixels. Opposite borders always touch.
    wave_number : int
        Cycles of the band's waves along the shortest side.
    powers : sequence of float
        Power of the band's waves in each class, relative to the background.
    correlation_length : float or None
        ξ of the background, in pixels: its covariance is exp(−(d/ξ)²). None: white noise.
    sign : bool
        Whether to pass the fields through sign().
    clone : {"none", "gaussian"}
        "gaussian" makes the exact twin; without `sign` it is another draw from the same distribution.

    Raises
    ------
    InputError
        If the wave number is beyond half the shortest side, or an argument is out of range.

    Warns
    -----
    CovarianceWarning
        As `product_covariance`.
    """
    samplers, kurtosis = [], -2.0 if sign and clone == "none" else 0.0
    for power in powers:
        spectrum = narrow_band_spectrum(size, wave_number, power, correlation_length)
        if sign and clone == "gaussian":
            spectrum = scipy.fft.fftn(sign_covariance(spectrum_covariance(spectrum))).real
        fields = torus_sampler(spectrum, tuple(size))
        samplers.append(sign_sampler(fields) if sign and clone == "none" else fields)
    kind = "signs of Gaussian fields" if sign else "Gaussian fields"
    return FieldClasses(
        samplers,
        {
            "source": f"{kind}, in which a narrow band of waves has a power of its own"
            + ("" if clone == "none" else "; their exact Gaussian twin"),
            "clone": clone,
            "wave_number": wave_number,
            "band_power_per_class": list(powers),
            "background_correlation_length": correlation_length,
            "pixel_excess_kurtosis_per_class": [kurtosis for _ in powers],
        },
    )
