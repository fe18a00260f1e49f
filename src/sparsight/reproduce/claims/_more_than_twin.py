"""Claim 2, graded form: the less Gaussian the inputs at equal covariance, the more local the fields."""

import math

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._statistics import difference, final, slope
from sparsight.reproduce._verdict import Rule

_NEAR, _FAR = "locality.near", "locality.far"
_GAINS = {"0_3": 0.3, "1": 1.0, "3": 3.0, "10": 10.0}


def _beyond(quantity: str, original: str, twin: str) -> Statistic:
    return difference(final(quantity, original), final(quantity, twin))


def _on_images(name: str, study: str, clone: str, words: str, decisive: bool = False) -> Prediction:
    return Prediction(
        name=name,
        statement=f"near on the images minus near on {words}, same seeds",
        study=study,
        statistic=_beyond(_NEAR, "images", clone),
        rule=Rule("above", 0.0),
        control=difference(final("test_accuracy", "images"), final("test_accuracy", clone)),
        control_statement="difference in test accuracy at the last level (0: equally hard)",
        decisive=decisive,
    )


CLAIM = Claim(
    name="more-than-twin",
    statement=(
        "Receptive fields become more local on non-Gaussian inputs than on Gaussian ones of equal "
        "covariance, and the more so the less Gaussian the inputs."
    ),
    source="arXiv 2412.06545, in the graded form",
    scope=(
        "Decided on per-class twins: the ring's exact one, Fashion-MNIST's at matched accuracy (by label "
        "noise), the photographs'. Other clones are reported beside them."
    ),
    predictions=(
        Prediction(
            name="ring",
            statement="near on the ring minus near on its exact twin, same seeds",
            study="ring",
            statistic=_beyond(_NEAR, "imp", "twin"),
            rule=Rule("above", 0.0),
            control=difference(final("test_accuracy", "imp"), final("test_accuracy", "twin")),
            control_statement="difference in test accuracy at the last level (0: equally hard)",
            robust=True,
        ),
        Prediction(
            name="dose",
            statement=(
                "slope over log₁₀ gain (0.3 to 10) of near on the field minus near on the twin of that gain"
            ),
            study="gains",
            statistic=slope(
                [math.log10(gain) for gain in _GAINS.values()],
                [_beyond(_NEAR, f"gain_{name}", f"gain_{name}_twin") for name in _GAINS],
            ),
            rule=Rule("above", 0.0),
            control=_beyond(_NEAR, "gain_0_3", "gain_0_3_twin"),
            control_statement="field minus twin at gain 0.3, where the field is nearly Gaussian",
        ),
        _on_images(
            "fashion_matched_accuracy",
            "fashion",
            "twin_matched",
            "the per-class twin of equal accuracy",
            decisive=True,
        ),
        _on_images("photographs_twin", "photographs", "twin", "the per-class twin", decisive=True),
        _on_images("fashion_twin", "fashion", "twin", "the per-class twin"),
        _on_images(
            "fashion_shared", "fashion", "twin_shared", "the twin with one covariance for all classes"
        ),
        _on_images("fashion_phase", "fashion", "phase", "the phase clone"),
        _on_images("photographs_shared", "photographs", "twin_shared", "the twin with one covariance"),
        _on_images("photographs_phase", "photographs", "phase", "the phase clone"),
        Prediction(
            name="ring_envelope_far",
            statement="far on the ring minus far on its twin: a localised envelope, not smoothness",
            study="ring",
            statistic=_beyond(_FAR, "imp", "twin"),
            rule=Rule("below", 0.0),
            decisive=False,
            robust=True,
        ),
        Prediction(
            name="ring_envelope_radius",
            statement="radius of gyration, over chance, on the ring minus on its twin",
            study="ring",
            statistic=_beyond("locality.radius_of_gyration", "imp", "twin"),
            rule=Rule("below", 0.0),
            decisive=False,
        ),
        Prediction(
            name="fashion_envelope_far",
            statement="far on Fashion-MNIST minus far on its per-class twin of equal accuracy",
            study="fashion",
            statistic=_beyond(_FAR, "images", "twin_matched"),
            rule=Rule("below", 0.0),
            decisive=False,
        ),
    ),
    curves=(("ring", _FAR), ("gains", _NEAR), ("fashion", _NEAR)),
)
