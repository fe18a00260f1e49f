"""Claim 2, graded form: at equal covariance, non-Gaussian inputs give more local receptive fields."""

import math

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    SHARE,
    accuracy_difference,
    beyond_random_masks,
    localises_more,
)
from sparsight.reproduce._statistics import difference, slope
from sparsight.reproduce._verdict import Rule

_GAINS = {"0_3": 0.3, "1": 1.0, "3": 3.0, "10": 10.0}


def _beyond(
    quantity: str, study: str, pair: tuple[str, str], words: str, name: str, **roles: bool
) -> Prediction:
    return localises_more(
        quantity,
        study,
        pair,
        words,
        by_margin=False,
        control=(accuracy_difference(*pair), "difference in test accuracy (0: equally hard)"),
        name=name,
        **roles,
    )


_AT_GAINS = [
    difference(beyond_random_masks(SHARE, f"gain_{name}"), beyond_random_masks(SHARE, f"gain_{name}_twin"))
    for name in _GAINS
]
_TEXTURES_WORDS = "textures minus their global Gaussian twin, both with the labels of one teacher"
_TEACHER = ("images_teacher", "twin_global")
_TEACHER_WORDS = "Fashion-MNIST minus its global Gaussian twin, both with the labels of one teacher"

CLAIM = Claim(
    name="more-than-twin",
    statement=(
        "Receptive fields become more local on non-Gaussian inputs than on Gaussian ones of equal "
        "covariance, and the more so the less Gaussian the inputs."
    ),
    source="arXiv 2412.06545, in the graded form",
    scope=(
        "Decided by the attained share on the ring and its exact twin, over gains, on textures and their "
        "twin, and on textures and their global twin (one Gaussian) where a teacher gives the labels of "
        "both. Differences in far, other clones, and pictures on which fields are not local are reported."
    ),
    predictions=(
        _beyond(SHARE, "ring", ("imp", "twin"), "the ring minus its exact twin", "ring_share", robust=True),
        Prediction(
            name="dose",
            statement="slope over log₁₀ gain (0.3 to 10) of the attained share on the field minus that on "
            "the twin of that gain",
            study="gains",
            statistic=slope([math.log10(gain) for gain in _GAINS.values()], _AT_GAINS),
            rule=Rule("above", 0.0, equivalence=0.05),
            control=_AT_GAINS[0],
            control_statement="field minus twin at gain 0.3, where the field is nearly Gaussian",
        ),
        _beyond(
            SHARE, "textures", ("imp", "twin"), "textures minus their twin by class", "textures_share"
        ),
        _beyond(SHARE, "textures", _TEACHER, _TEXTURES_WORDS, "textures_teacher_share"),
        _beyond(
            FAR, "ring", ("imp", "twin"), "the ring minus its exact twin", "ring_far",
            decisive=False, robust=True,
        ),
        _beyond(
            FAR, "textures", ("imp", "twin"), "textures minus their twin by class", "textures_far",
            decisive=False,
        ),
        _beyond(FAR, "textures", _TEACHER, _TEXTURES_WORDS, "textures_teacher_far", decisive=False),
        _beyond(SHARE, "fashion", _TEACHER, _TEACHER_WORDS, "fashion_teacher_share", decisive=False),
        _beyond(FAR, "fashion", _TEACHER, _TEACHER_WORDS, "fashion_teacher_far", decisive=False),
        *(
            _beyond(
                quantity, study, ("images", clone), f"{where} minus {words}",
                f"{study}_{clone}_{'share' if quantity == SHARE else 'far'}", decisive=False,
            )
            for study, where in (("fashion", "Fashion-MNIST"), ("photographs", "photographs"))
            for clone, words in (
                ("twin", "its twin by class, fitted with shrinkage"),
                ("twin_shared", "the twin with one covariance for all classes"),
                ("phase", "the phase clone"),
            )
            for quantity in (SHARE, FAR)
        ),
        Prediction(
            name="accuracy_on_the_twin",
            statement="test accuracy on the ring minus that on its twin at the final density (0: equally "
            "hard)",
            study="ring",
            statistic=accuracy_difference("imp", "twin"),
            rule=Rule("within", 0.02),
            decisive=False,
        ),
    ),
    curves=(("ring", SHARE), ("gains", SHARE), ("textures", SHARE), ("fashion", SHARE)),
)  # fmt: skip
