"""Labels from planted local units: a task whose first layer should become a known mask."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import Field

from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.fields._covariance import product_covariance
from sparsight.data.fields._drawn_task import drawn_task
from sparsight.data.fields._field_source import Size
from sparsight.data.fields._gaussian_samplers import Sampler, product_sampler
from sparsight.data.fields._nlgp import nlgp_sampler
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

_NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_SHORTEST_LENGTH = 0.05  # pixels: exp(−(1/0.05)²) is 0 in float64, so pixels are independent
_NUM_REFERENCE = 20_000  # samples from which the scale of the units and the median are taken


@dataclass(frozen=True, eq=False)
class PlantedUnits:
    """Units that read a few neighbouring inputs each, and the threshold of their sum.

    Attributes
    ----------
    weight : numpy.ndarray of float32, (units, num_inputs)
        0 outside the support. Scaled so that every unit has variance 1.
    median : float
        The label is 1 where the mean of the rectified units is above it.
    """

    weight: np.ndarray
    median: float

    def labels(self, inputs: Float32[np.ndarray, "n num_inputs"]) -> Int64[np.ndarray, " n"]:
        """Return the class of each input."""
        found: np.ndarray = (_mean_rectified(inputs, self.weight) > self.median).astype(np.int64)
        return found


@data_source("teacher")
def planted_teacher(
    *,
    size: Size = (64,),
    num_units: Annotated[int, Field(ge=1)] = 3,
    support_size: Annotated[int, Field(ge=1)] = 6,
    correlation_length: _NonNegative = 0.0,
    gain: _NonNegative = 0.0,
    wraps: bool = True,
    num_train: Count = 10_000,
    num_test: Count = 5_000,
    online: bool = False,
    seed: int,
) -> Task:
    r"""Make a task whose labels come from planted local units.

    The label is 1 where :math:`\tfrac1K \sum_k \max(0, w_k \cdot x)` is above its median. Unit k reads the
    `support_size` inputs nearest to a centre of its own; its weights are drawn from a Gaussian and scaled so
    that :math:`w_k \cdot x` has variance 1. Supports do not overlap where there is room. `card["support"]`
    lists the inputs of every unit, so that `recovery` can compare a mask with them. The planted units
    depend on the seed, and every replicate has its own.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, in pixels.
    num_units : int
        K.
    support_size : int
        Inputs that each unit reads.
    correlation_length : float
        ξ of the inputs' covariance exp(−(d/ξ)²) per axis, in pixels; 0 for independent pixels.
    gain : float
        g of x = erf(g z/√2)/√γ, as in `nlgp`; 0 for Gaussian inputs.
    wraps : bool
        Whether opposite borders touch.
    online : bool
        Draw fresh samples at every step of training.

    Raises
    ------
    InputError
        If the supports are larger than the input.

    Notes
    -----
    After Zhang, Wang, Liu, Chen & Xiong, arXiv 2110.05667, who train a network under a mask on a teacher
    with sparse weights. Theirs has real targets; this one is a classification.
    """
    geometry = Geometry(1, tuple(size), wraps)
    if support_size > geometry.num_inputs:
        raise InputError(
            f"support_size is {support_size}; at most the {geometry.num_inputs} inputs can be read"
        )
    covariance = product_covariance(size, max(correlation_length, _SHORTEST_LENGTH), 2, wraps)
    sampler = product_sampler(covariance) if gain == 0 else nlgp_sampler(covariance, gain)
    support = planted_supports(geometry, num_units, support_size, generator(seed, "teacher", "supports"))
    units = _scaled_units(support, geometry, sampler, seed)

    def samples(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        fields = sampler(rng, number).reshape(number, *geometry.shape)
        return fields, units.labels(fields.reshape(number, -1))

    return drawn_task(
        "teacher",
        geometry,
        samples,
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
            "source": "labels from planted local units",
            "support": [np.flatnonzero(row).tolist() for row in support],
            "median": units.median,
            "correlation_length": correlation_length,
            "gain": gain,
        },
    )


def planted_supports(
    geometry: Geometry, num_units: int, support_size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return which inputs each unit reads: bool, (units, num_inputs).

    Those nearest to a random centre, ties at random. A centre is drawn among those whose inputs no earlier
    unit reads, as long as there are any.
    """
    squared = geometry.squared_distances_from(np.arange(geometry.num_pixels))
    in_order = squared + 0.5 * rng.random(squared.shape)  # the draws order what is equally far
    nearest = np.argsort(in_order, axis=1)[:, :support_size]
    support = np.zeros((num_units, geometry.num_inputs), dtype=bool)
    for number in range(num_units):
        is_taken = np.logical_or.reduce(support, axis=0)
        free = np.flatnonzero(~np.take(is_taken, nearest).any(axis=1))
        centre = rng.choice(free if len(free) else geometry.num_pixels)
        support[number, nearest[centre]] = True
    return support


def _scaled_units(support: np.ndarray, geometry: Geometry, sampler: Sampler, seed: int) -> PlantedUnits:
    weight = generator(seed, "teacher", "weights").normal(size=support.shape) * support
    reference = sampler(generator(seed, "teacher", "reference"), _NUM_REFERENCE)
    reference = reference.reshape(len(reference), geometry.num_inputs)
    weight /= (reference @ weight.T).std(axis=0)[:, None]
    scaled = weight.astype(np.float32)
    return PlantedUnits(scaled, float(np.median(_mean_rectified(reference, scaled))))


def _mean_rectified(inputs: np.ndarray, weight: np.ndarray) -> np.ndarray:
    means: np.ndarray = np.maximum(inputs @ weight.T, 0).mean(axis=1)
    return means
