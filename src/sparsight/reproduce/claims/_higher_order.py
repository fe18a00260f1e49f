"""Localisation where no Gaussian twin has a task: classes that differ beyond the second moment only."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    RADIUS,
    SHARE,
    at_final_density,
    is_localised,
    is_not_localised,
)
from sparsight.reproduce._statistics import beyond_chance
from sparsight.reproduce._verdict import Rule

_STUDY = "higher-order"
_RANDOM = ("random", "random pruning")
_PULSES = "one-sided pulses against their mirror images"

CLAIM = Claim(
    name="higher-order",
    statement=(
        "Where classes differ beyond the second moment only, so that their Gaussian twin has no task, "
        "pruning makes receptive fields local."
    ),
    source="beyond the papers: the case in which only non-Gaussian structure can be used",
    scope=(
        "Pulses with a sharp left or a sharp right edge: means, covariances and the distribution of a "
        "pixel are equal, and the difference is local."
    ),
    predictions=(
        is_localised(SHARE, _STUDY, "imp", _PULSES, control=_RANDOM, name="share"),
        is_localised(FAR, _STUDY, "imp", _PULSES, control=_RANDOM, name="far"),
        Prediction(
            name="twin_has_no_task",
            statement="test accuracy on the Gaussian twin minus 0.5",
            study=_STUDY,
            statistic=beyond_chance(at_final_density("test_accuracy", "twin"), 0.5),
            rule=Rule("within", 0.03),
            control=beyond_chance(at_final_density("test_accuracy", "imp"), 0.5),
            control_statement="on the pulses themselves",
        ),
        is_localised(RADIUS, _STUDY, "imp", _PULSES, control=_RANDOM, name="radius", decisive=False),
        is_not_localised(
            SHARE, _STUDY, "twin", "the twin, from which nothing can be learned", name="twin_share",
            decisive=False,
        ),
        is_not_localised(
            FAR, _STUDY, "twin", "the twin, from which nothing can be learned", name="twin_far",
            decisive=False,
        ),
    ),
    curves=((_STUDY, SHARE), (_STUDY, FAR)),
)  # fmt: skip
