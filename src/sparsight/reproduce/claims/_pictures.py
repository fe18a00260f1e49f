"""Larger than a laptop toy: do the verdicts on localisation carry over to long training on real pictures."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    FINAL_DENSITY,
    RADIUS,
    SHARE,
    accuracy_difference,
    is_localised,
    is_not_localised,
)
from sparsight.reproduce._statistics import dense, difference, in_window
from sparsight.reproduce._verdict import Rule

_STUDY = "pictures"
_RANDOM = ("random", "random pruning")
_IMP = "iterative pruning"

CLAIM = Claim(
    name="pictures",
    statement=(
        "The verdicts on localisation carry over to real pictures, three layers and 20 000 steps a level: "
        "iterative pruning makes receptive fields local, random pruning does not."
    ),
    source="arXiv 2412.06545",
    scope=(
        "Fashion-MNIST, 784-128-64-10 with BatchNorm, 37 inputs a unit at the last level, one data set, "
        "three seeds: intervals are wide."
    ),
    predictions=(
        is_localised(SHARE, _STUDY, "imp", _IMP, control=_RANDOM, name="share"),
        is_localised(FAR, _STUDY, "imp", _IMP, control=_RANDOM, name="far"),
        is_not_localised(SHARE, _STUDY, "random", "random pruning", name="random_share"),
        is_not_localised(FAR, _STUDY, "random", "random pruning", name="random_far"),
        is_localised(RADIUS, _STUDY, "imp", _IMP, control=_RANDOM, name="radius", decisive=False),
        is_localised(
            SHARE, _STUDY, "twin", "the Gaussian twin", control=_RANDOM, name="twin_share", decisive=False
        ),
        is_localised(
            FAR, _STUDY, "twin", "the Gaussian twin", control=_RANDOM, name="twin_far", decisive=False
        ),
        Prediction(
            name="accuracy_beyond_random",
            statement=f"test accuracy at density {FINAL_DENSITY:.1%}, iterative minus random pruning",
            study=_STUDY,
            statistic=accuracy_difference("imp", "random"),
            rule=Rule("above", 0.0, equivalence=0.01),
            decisive=False,
        ),
        Prediction(
            name="pruned_minus_dense",
            statement="test accuracy at densities 10 % to 40 % minus that of the dense network, same seeds",
            study=_STUDY,
            statistic=difference(
                in_window("test_accuracy", "imp", 0.1, 0.4), dense("test_accuracy", "imp")
            ),
            rule=Rule("above", 0.0, equivalence=0.005),
            control=difference(
                in_window("test_accuracy", "random", 0.1, 0.4), dense("test_accuracy", "random")
            ),
            control_statement="random pruning",
            decisive=False,
        ),
    ),
    curves=((_STUDY, SHARE), (_STUDY, FAR), (_STUDY, "test_accuracy")),
)  # fmt: skip
