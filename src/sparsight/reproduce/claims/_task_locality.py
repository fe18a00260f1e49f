"""What localisation needs of the task: a class signal that is local, not inputs that are not Gaussian."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    FINAL_DENSITY,
    RADIUS,
    SHARE,
    at_final_density,
    is_localised,
    is_not_localised,
)
from sparsight.reproduce._statistics import beyond_chance
from sparsight.reproduce._verdict import Rule

_STUDY = "narrow-band"
_RING = ("ring", "the NLGP ring, whose classes differ in the length of correlations")
_GAUSSIAN, _SIGN = "Gaussian fields", "the same fields through sign(): inputs ±1, κ = −2"


def _near(condition: str, words: str) -> Prediction:
    return Prediction(
        name=f"{condition}_near",
        statement=f"near − 1 at density {FINAL_DENSITY:.1%}, {words}: what earlier versions called local",
        study=_STUDY,
        statistic=beyond_chance(at_final_density("locality.near", condition)),
        rule=Rule("above", 0.1),
        decisive=False,
    )


CLAIM = Claim(
    name="task-locality",
    statement=(
        "Where classes differ in waves over the whole ring, pruning narrows no envelope, whether inputs "
        "are Gaussian or binary: localisation needs a class signal that is local."
    ),
    source="beyond the papers: a negative control of the measures themselves",
    scope=(
        "Fields whose classes differ in the power of a narrow band of Fourier modes. Pruning keeps waves: "
        "many neighbours, and as many far pairs as by chance."
    ),
    predictions=(
        is_not_localised(FAR, _STUDY, "narrow", _GAUSSIAN, control=_RING),
        is_not_localised(RADIUS, _STUDY, "narrow", _GAUSSIAN, control=_RING),
        is_not_localised(FAR, _STUDY, "narrow_sign", _SIGN, control=_RING),
        is_not_localised(RADIUS, _STUDY, "narrow_sign", _SIGN, control=_RING),
        is_localised(FAR, _STUDY, "ring", _RING[1], control=("narrow", _GAUSSIAN)),
        is_localised(SHARE, _STUDY, "narrow", _GAUSSIAN, control=_RING, decisive=False),
        is_localised(SHARE, _STUDY, "narrow_sign", _SIGN, control=_RING, decisive=False),
        _near("narrow", _GAUSSIAN),
        _near("narrow_sign", _SIGN),
    ),
    curves=((_STUDY, FAR), (_STUDY, SHARE)),
)
