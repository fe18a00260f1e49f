"""Claim 8: more data and more meaningful labels make receptive fields more local."""

import math

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._statistics import beyond_chance, difference, final, slope
from sparsight.reproduce._verdict import Rule

_NEAR = "locality.near"
_SIZES = (2000, 8000, 32000)

CLAIM = Claim(
    name="data-and-labels",
    statement="The more data and the more meaningful the labels, the more local the receptive fields.",
    source="Pellegrini & Biroli, arXiv 2104.13343",
    scope=(
        "Fashion-MNIST, one hidden layer, equal training steps and densities; near under the fan-in null. "
        "Two classes are the ten put together five by five."
    ),
    predictions=(
        Prediction(
            name="more_data",
            statement="slope of near over log₁₀ of the number of training images (2000 to 32 000)",
            study="labels",
            statistic=slope(
                [math.log10(size) for size in _SIZES], [final(_NEAR, f"images_{size}") for size in _SIZES]
            ),
            rule=Rule("above", 0.0),
            control=beyond_chance(final(_NEAR, "images_2000")),
            control_statement="near − 1 with 2000 images",
        ),
        Prediction(
            name="true_labels",
            statement="near with true labels minus near with random labels, same images, same seeds",
            study="labels",
            statistic=difference(final(_NEAR, "images_8000"), final(_NEAR, "random_labels")),
            rule=Rule("above", 0.0),
            control=beyond_chance(final(_NEAR, "random_labels")),
            control_statement="near − 1 with random labels",
        ),
        Prediction(
            name="finer_labels",
            statement="near with ten classes minus near with two, same images, same seeds",
            study="labels",
            statistic=difference(final(_NEAR, "images_8000"), final(_NEAR, "two_classes")),
            rule=Rule("above", 0.0),
            control=beyond_chance(final(_NEAR, "two_classes")),
            control_statement="near − 1 with two classes",
        ),
    ),
    curves=(("labels", _NEAR),),
)
