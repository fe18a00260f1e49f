"""Claim 6: pruning by each weight's effect on non-Gaussianity suffices to make receptive fields local."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    FINAL_DENSITY,
    SHARE,
    accuracy_difference,
    at_final_density,
    beyond_random_masks,
    is_localised,
    is_not_localised,
    localises_more,
)
from sparsight.reproduce._statistics import beyond_chance
from sparsight.reproduce._verdict import Rule

_STUDY = "criteria"
_CRITERIA = {
    "cavity": "cavity score over all classes",
    "cavity_reverse": "the reverse of it",
    "cavity_matched": "cavity score at equal |w|",
    "cavity_matched_reverse": "the reverse of it, at equal |w|",
    "within": "cavity score within classes",
    "within_reverse": "the reverse of it",
    "within_matched": "cavity score within classes at equal |w|",
    "within_matched_reverse": "the reverse of it",
    "class_variance": "the second-order score: differences of class variances",
    "class_variance_matched": "the second-order score at equal |w|",
    "random_matched": "random pruning at equal |w|",
    "random": "random pruning",
}
_RANDOM = (beyond_random_masks(SHARE, "random_matched"), "attained share under random pruning at equal |w|")


def _accuracy(condition: str, words: str, *, decisive: bool = False) -> Prediction:
    return Prediction(
        name=f"{condition}_accuracy",
        statement=f"test accuracy at density {FINAL_DENSITY:.1%}, {words} minus magnitude, same seeds",
        study=_STUDY,
        statistic=accuracy_difference(condition, "magnitude"),
        rule=Rule("above", -0.02),
        control=accuracy_difference("random", "magnitude"),
        control_statement="random pruning minus magnitude",
        decisive=decisive,
    )


def _share(condition: str, words: str) -> Prediction:
    return is_localised(
        SHARE, _STUDY, condition, f"pruning by {words}", control=("random", "random pruning"), decisive=False
    )


def _far(condition: str, words: str) -> Prediction:
    return is_localised(
        FAR, _STUDY, condition, f"pruning by {words}", control=("random", "random pruning"), decisive=False
    )


CLAIM = Claim(
    name="causal",
    statement=(
        "Keeping the weights that raise their unit's non-Gaussianity makes receptive fields local because "
        "of non-Gaussianity: within classes and at equal |w|, more than the reverse and more than random, "
        "more than a score without a fourth moment, more than on the Gaussian twin, at no cost in accuracy."
    ),
    source="beyond the papers: the causal reading of arXiv 2412.06545",
    scope=(
        "Kurtosis over all classes together is, for classes of different variance, a score of their "
        "separation; it exists on the Gaussian twin as well. Criteria at equal |w| do not select for size."
    ),
    predictions=(
        localises_more(
            SHARE, _STUDY, ("within_matched", "random_matched"),
            "cavity score within classes at equal |w| minus random pruning at equal |w|",
            control=_RANDOM, name="within_matched_beyond_random",
        ),
        localises_more(
            SHARE, _STUDY, ("within_matched", "within_matched_reverse"),
            "cavity score within classes at equal |w| minus its reverse",
            control=_RANDOM, name="within_matched_beyond_reverse",
        ),
        localises_more(
            SHARE, _STUDY, ("cavity", "class_variance"),
            "cavity score over all classes minus the second-order score", by_margin=False,
            control=(beyond_random_masks(SHARE, "class_variance"), "attained share by the second-order "
            "score"),
            name="cavity_beyond_second_order",
        ),
        localises_more(
            SHARE, _STUDY, ("cavity", "cavity_twin"),
            "cavity score over all classes on the ring minus the same on its Gaussian twin", by_margin=False,
            control=(beyond_random_masks(SHARE, "cavity_twin"), "attained share on the twin"),
            name="cavity_beyond_twin",
        ),
        _accuracy("within_matched", _CRITERIA["within_matched"], decisive=True),
        localises_more(
            FAR, _STUDY, ("within_matched", "within_matched_reverse"),
            "cavity score within classes at equal |w| minus its reverse",
            name="within_matched_far", decisive=False,
        ),
        localises_more(
            SHARE, _STUDY, ("cavity_matched", "cavity_matched_twin"),
            "cavity score at equal |w| on the ring minus the same on its Gaussian twin", by_margin=False,
            name="cavity_matched_beyond_twin", decisive=False,
        ),
        localises_more(
            SHARE, _STUDY, ("cavity_matched", "class_variance_matched"),
            "cavity score minus the second-order score, both at equal |w|", by_margin=False,
            name="cavity_matched_beyond_second_order", decisive=False,
        ),
        is_not_localised(
            SHARE, _STUDY, "cavity_untrained", "pruning an untrained network by cavity score",
            control=("cavity", "the same with training"), decisive=False,
        ),
        is_not_localised(
            SHARE, _STUDY, "cavity_matched_untrained",
            "pruning an untrained network by cavity score at equal |w|",
            control=("cavity_matched", "the same with training"), decisive=False,
        ),
        Prediction(
            name="near_cavity",
            statement=f"near − 1 at density {FINAL_DENSITY:.1%}, pruning by cavity score: what earlier "
            "versions called local",
            study=_STUDY,
            statistic=beyond_chance(at_final_density("locality.near", "cavity")),
            rule=Rule("above", 0.1),
            control=beyond_chance(at_final_density("locality.near", "cavity_twin")),
            control_statement="on the Gaussian twin",
            decisive=False,
        ),
        *(_share(condition, words) for condition, words in _CRITERIA.items() if condition != "random"),
        _share("magnitude", "magnitude"),
        *(_far(condition, words) for condition, words in _CRITERIA.items() if condition != "random"),
        _far("magnitude", "magnitude"),
        *(_accuracy(name, words) for name, words in _CRITERIA.items() if name != "within_matched"),
    ),
    curves=((_STUDY, SHARE), (_STUDY, FAR), (_STUDY, "test_accuracy")),
    curve_conditions=(
        "magnitude", "random", "cavity", "class_variance", "cavity_twin", "within_matched",
        "within_matched_reverse", "cavity_untrained",
    ),
)  # fmt: skip
