"""Fields whose classes differ in their mean alone: local bumps on noise of equal covariance."""

import functools
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from sparsight.data.fields._covariance import product_covariance
from sparsight.data.fields._field_source import Clone, FieldClasses, Positive, Size, field_source
from sparsight.data.fields._gaussian_samplers import Sampler, product_sampler
from sparsight.data.fields._nlgp import (
    correlated_classes,
    nlgp_excess_kurtosis,
    nlgp_sampler,
    nlgp_twin_sampler,
)
from sparsight.errors import InputError


def bump_template(
    size: Sequence[int], centres: Sequence[Sequence[float]], width: float, wraps: bool
) -> Float32[np.ndarray, "*size"]:
    """Return a sum of bumps exp(−d²/(2 width²)) of height 1 at these centres, in pixels."""
    template = np.zeros(tuple(size))
    for centre in centres:
        profiles = []
        for extent, place in zip(size, centre, strict=True):
            distance = np.abs(np.arange(extent) - place)
            if wraps:
                distance = np.minimum(distance, extent - distance)
            profiles.append(np.exp(-((distance / width) ** 2) / 2))
        template += functools.reduce(np.multiply.outer, profiles)
    return template.astype(np.float32)


@field_source("mean_only")
def mean_only(
    *,
    size: Size = (96,),
    num_classes: Annotated[int, Field(ge=2)] = 2,
    num_bumps: Annotated[int, Field(ge=1)] = 3,
    bump_width: Positive = 2.0,
    amplitude: Positive = 1.0,
    correlation_length: Positive = 2.0,
    gain: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 3.0,
    power: Literal[1, 2] = 2,
    wraps: bool = True,
    clone: Clone = "none",
) -> FieldClasses:
    """Make the task of telling bumps at different places apart: classes differ in their mean alone.

    A sample is the template of its class, the same in every sample, plus noise of variance 1 that has the
    same distribution in every class: NLGP, or Gaussian for gain 0. The twin has the same templates and
    Gaussian noise with the same covariance, so the two are equally hard for a linear classifier. Class c of K
    has its bumps at the fractions (c + K k + ½) / (K · num_bumps) of each axis, k = 0, 1, …: evenly spaced,
    in turn with those of the other classes; in two dimensions on the diagonal. Other parameters are those of
    `nlgp`.

    Parameters
    ----------
    num_bumps : int
        Bumps in each class's template.
    bump_width : float
        Standard deviation of a bump, in pixels.
    amplitude : float
        Height of a bump.
    gain : float
        g of the noise; 0 makes it Gaussian.

    Raises
    ------
    InputError
        If there are more bumps than pixels along an axis, or an argument is out of range.

    Warns
    -----
    CovarianceWarning
        As `product_covariance`.
    """
    if num_bumps * num_classes > min(size):
        raise InputError(
            f"num_bumps is {num_bumps} for each of {num_classes} classes, more than the {min(size)} pixels "
            "of the shortest axis; choose fewer"
        )
    covariance = product_covariance(size, correlation_length, power, wraps)
    if gain == 0:
        noise = product_sampler(covariance)
    else:
        noise = (nlgp_sampler if clone == "none" else nlgp_twin_sampler)(covariance, gain)
    fractions = (np.arange(num_bumps * num_classes) + 0.5) / (num_bumps * num_classes)
    templates = [
        np.float32(amplitude)
        * bump_template(
            size, [[extent * fraction - 0.5 for extent in size] for fraction in own], bump_width, wraps
        )
        for own in fractions.reshape(num_bumps, num_classes).T
    ]
    kurtosis = nlgp_excess_kurtosis(gain) if gain > 0 and clone == "none" else 0.0
    return correlated_classes(
        [_shifted(noise, template) for template in templates],
        [covariance] * num_classes,
        kurtosis=[kurtosis] * num_classes,
        source="bumps at places of their own in every class, on noise of equal covariance"
        + ("" if clone == "none" else "; Gaussian noise"),
        clone=clone,
    )


def _shifted(noise: Sampler, template: Float32[np.ndarray, "*size"]) -> Sampler:
    def sample(rng: np.random.Generator, num_samples: int) -> Float32[np.ndarray, "samples *size"]:
        fields: np.ndarray = noise(rng, num_samples)
        fields += template
        return fields

    return sample
