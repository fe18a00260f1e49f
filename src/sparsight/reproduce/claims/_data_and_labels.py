"""Claim 8: more data and more meaningful labels make receptive fields more local."""

import math

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import FAR, MARGINS, SHARE, beyond_random_masks, localises_more
from sparsight.reproduce._statistics import slope
from sparsight.reproduce._verdict import Expectation, Rule

_STUDY = "labels"
_SIZES = (2000, 8000, 32000)


def _more_data(quantity: str, *, decisive: bool = True) -> Prediction:
    direction: Expectation = "above" if quantity == SHARE else "below"
    return Prediction(
        name="more_data" if quantity == SHARE else "more_data_far",
        statement=f"slope of {'the attained share' if quantity == SHARE else 'far'} over log₁₀ of the "
        "number of training images (2000 to 32 000)",
        study=_STUDY,
        statistic=slope(
            [math.log10(size) for size in _SIZES],
            [beyond_random_masks(quantity, f"images_{size}") for size in _SIZES],
        ),
        rule=Rule(direction, 0.0, equivalence=MARGINS[quantity] / 2),
        control=beyond_random_masks(quantity, "images_2000"),
        control_statement="with 2000 images",
        decisive=decisive,
    )


def _labels(quantity: str, other: str, words: str, name: str, *, decisive: bool = True) -> Prediction:
    return localises_more(
        quantity, _STUDY, ("images_8000", other), f"{words}, same images", by_margin=False,
        control=(beyond_random_masks(quantity, other), "without them"), name=name, decisive=decisive,
    )  # fmt: skip


CLAIM = Claim(
    name="data-and-labels",
    statement="The more data and the more meaningful the labels, the more local the receptive fields.",
    source="Pellegrini & Biroli, arXiv 2104.13343",
    scope=(
        "Fashion-MNIST, one hidden layer, equal training steps and densities; attained share. Two classes "
        "are the ten put together five by five."
    ),
    predictions=(
        _more_data(SHARE),
        _labels(SHARE, "random_labels", "true labels minus random labels", "true_labels"),
        _labels(SHARE, "two_classes", "ten classes minus two", "finer_labels"),
        _more_data(FAR, decisive=False),
        _labels(FAR, "random_labels", "true labels minus random labels", "true_labels_far", decisive=False),
        _labels(FAR, "two_classes", "ten classes minus two", "finer_labels_far", decisive=False),
    ),
    curves=((_STUDY, SHARE), (_STUDY, FAR)),
)
