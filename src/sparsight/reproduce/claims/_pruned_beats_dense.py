"""Pruned beats dense: a ticket classifies better than its dense network, and random pruning gains less."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    FINAL_DENSITY,
    RADIUS,
    SHARE,
    accuracy_difference,
    is_localised,
)
from sparsight.reproduce._statistics import best_beyond_dense, difference
from sparsight.reproduce._verdict import Rule

_STUDY = "textures"
_RANDOM = ("random", "random pruning")

CLAIM = Claim(
    name="pruned-beats-dense",
    statement=(
        "At its best density, a network pruned by iterative magnitude pruning classifies better than the "
        "dense network it came from, and random pruning gains less."
    ),
    source="Frankle & Carbin, arXiv 1803.03635; published curves of Pellegrini & Biroli, arXiv 2104.13343",
    scope=(
        "Patches of brick, grass and gravel, 400–128–3 with BatchNorm, equal training steps at every level; "
        "replicates draw their patches. The best density of a replicate is chosen by the others."
    ),
    predictions=(
        Prediction(
            name="gain",
            statement="test accuracy at the best density minus that of the dense network, same seeds",
            study=_STUDY,
            statistic=best_beyond_dense("test_accuracy", "imp"),
            rule=Rule("above", 0.0, equivalence=0.005),
            control=best_beyond_dense("test_accuracy", "random"),
            control_statement="random pruning",
        ),
        Prediction(
            name="gain_beyond_random",
            statement="that gain minus the gain of random pruning at its own best density, same seeds",
            study=_STUDY,
            statistic=difference(
                best_beyond_dense("test_accuracy", "imp"), best_beyond_dense("test_accuracy", "random")
            ),
            rule=Rule("above", 0.0, equivalence=0.005),
            control=best_beyond_dense("test_accuracy", "twin"),
            control_statement="gain of iterative pruning on the Gaussian twin",
        ),
        Prediction(
            name="accuracy_beyond_random",
            statement=f"test accuracy at density {FINAL_DENSITY:.1%}, iterative minus random pruning",
            study=_STUDY,
            statistic=accuracy_difference("imp", "random"),
            rule=Rule("above", 0.0, equivalence=0.01),
            decisive=False,
        ),
        *(
            is_localised(quantity, _STUDY, "imp", "iterative pruning", control=_RANDOM, decisive=False)
            for quantity in (SHARE, FAR, RADIUS)
        ),
        *(
            is_localised(quantity, _STUDY, "twin", "the Gaussian twin", control=_RANDOM, decisive=False)
            for quantity in (SHARE, FAR)
        ),
        *(
            is_localised(
                quantity, _STUDY, "shuffled_labels", "shuffled labels", control=_RANDOM, decisive=False
            )
            for quantity in (SHARE, FAR)
        ),
    ),
    curves=((_STUDY, "test_accuracy"), (_STUDY, SHARE), (_STUDY, FAR)),
)  # fmt: skip
