"""MNIST-1D: masks prefer neighbouring inputs, and are worth less when pixels are shuffled under them."""

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
from sparsight.reproduce._verdict import Rule

_STUDY = "mnist1d"
_RANDOM = ("random", "random pruning")
_TRANSFERRED = "imp_masks_on_shuffled_pixels"
_FOUND_THERE = "imp_on_shuffled_pixels"
_RANDOM_THERE = "random_on_shuffled_pixels"


def _accuracy(
    name: str,
    pair: tuple[str, str],
    words: str,
    rule: Rule,
    *,
    control: tuple[str, str, str],
    decisive: bool = True,
) -> Prediction:
    """Compare the accuracy of a pair; `control` is another pair, and what it is in words."""
    return Prediction(
        name=name,
        statement=f"test accuracy at density {FINAL_DENSITY:.1%}, {words}, same seeds",
        study=_STUDY,
        statistic=accuracy_difference(*pair),
        rule=rule,
        control=accuracy_difference(*control[:2]),
        control_statement=control[2],
        decisive=decisive,
    )


CLAIM = Claim(
    name="mnist1d",
    statement=(
        "On MNIST-1D, pruning a fully connected network keeps neighbouring inputs together, and its masks "
        "are better than random ones only as long as neighbours stay neighbours: with the pixels shuffled "
        "under them, their advantage is gone."
    ),
    source="Greydanus & Kobak, arXiv 2011.14439",
    scope=(
        "40–100–10 with BatchNorm, 4000 training samples, seven levels; one data set, so that intervals are "
        "over seeds. The permutation differs between seeds. A shuffled network starts from the same weights, "
        "in other places."
    ),
    predictions=(
        is_localised(SHARE, _STUDY, "imp", "iterative pruning", control=_RANDOM, name="share"),
        is_not_localised(
            SHARE, _STUDY, _FOUND_THERE, "iterative pruning on shuffled pixels",
            control=_RANDOM, name="share_on_shuffled_pixels",
        ),
        _accuracy(
            "advantage", ("imp", "random"), "iterative minus random pruning",
            Rule("above", 0.0, equivalence=0.01),
            control=(_FOUND_THERE, _RANDOM_THERE, "both found on shuffled pixels (no neighbours to know)"),
        ),
        _accuracy(
            "advantage_lost", (_TRANSFERRED, _RANDOM_THERE),
            "masks found on the digits minus random masks, both trained on shuffled pixels",
            Rule("below", 0.01),
            control=(_FOUND_THERE, _RANDOM_THERE, "masks found on shuffled pixels minus random ones"),
        ),
        _accuracy(
            "transferred_minus_found_there", (_TRANSFERRED, _FOUND_THERE),
            "on shuffled pixels: masks found on the digits minus masks found there",
            Rule("below", 0.0, equivalence=0.01),
            control=("imp", _FOUND_THERE, "each on the pixels on which it was found (0: equally good)"),
            decisive=False,
        ),
        is_localised(
            FAR, _STUDY, "imp", "iterative pruning", control=_RANDOM, name="far", decisive=False
        ),
        is_localised(
            RADIUS, _STUDY, "imp", "iterative pruning", control=_RANDOM, name="radius", decisive=False
        ),
        is_localised(
            SHARE, _STUDY, "twin", "the Gaussian twin", control=_RANDOM, name="twin_share", decisive=False
        ),
        is_localised(
            FAR, _STUDY, "twin", "the Gaussian twin", control=_RANDOM, name="twin_far", decisive=False
        ),
        is_not_localised(
            SHARE, _STUDY, "shuffled_labels", "shuffled labels",
            control=_RANDOM, name="shuffled_labels_share", decisive=False,
        ),
    ),
    curves=((_STUDY, SHARE), (_STUDY, FAR), (_STUDY, "test_accuracy")),
)  # fmt: skip
