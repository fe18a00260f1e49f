"""Claim 1: iterative magnitude pruning makes receptive fields local; random pruning does not."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import (
    FAR,
    FINAL_DENSITY,
    RADIUS,
    SHARE,
    at_final_density,
    is_localised,
    is_not_localised,
    localises_more,
)
from sparsight.reproduce._statistics import beyond_chance
from sparsight.reproduce._verdict import Rule

_RANDOM = ("random", "random pruning")
_IMP = "iterative pruning"
_LONG = "iterative minus one-shot pruning of a dense network trained for as many steps"
_NEAR = "locality.near"

CLAIM = Claim(
    name="locality",
    statement=(
        "Iterative magnitude pruning of a fully connected network makes receptive fields local: "
        "neighbours are kept together and the envelope is narrower than chance, more than after one-shot "
        "pruning with as many training steps; random pruning does neither."
    ),
    source="arXiv 2412.06545",
    scope=(
        "A nonlinear Gaussian process on a ring, one hidden layer. Attained share: neighbouring pairs of "
        "a unit's inputs beyond chance, over the most that its number of inputs can have."
    ),
    predictions=(
        is_localised(SHARE, "ring", "imp", _IMP, control=_RANDOM, name="share", robust=True),
        is_localised(FAR, "ring", "imp", _IMP, control=_RANDOM, name="far", robust=True),
        localises_more(
            SHARE, "one-shot", ("imp", "one_shot_long"), _LONG, name="share_beyond_one_shot",
        ),
        localises_more(
            FAR, "one-shot", ("imp", "one_shot_long"), _LONG, name="far_beyond_one_shot",
        ),
        is_not_localised(SHARE, "ring", "random", "random pruning", name="random_share", robust=True),
        is_not_localised(FAR, "ring", "random", "random pruning", name="random_far", robust=True),
        is_localised(
            RADIUS, "ring", "imp", _IMP, control=_RANDOM, name="radius", decisive=False, robust=True
        ),
        localises_more(
            SHARE, "ring", ("imp", "one_shot"), "iterative minus one-shot pruning after one level's steps",
            name="share_beyond_short_one_shot", decisive=False,
        ),
        Prediction(
            name="near",
            statement=f"near − 1 at density {FINAL_DENSITY:.1%}: what earlier versions called local",
            study="ring",
            statistic=beyond_chance(at_final_density(_NEAR, "imp")),
            rule=Rule("above", 0.1),
            control=beyond_chance(at_final_density(_NEAR, "random")),
            control_statement="random pruning",
            decisive=False,
        ),
    ),
    curves=(("ring", SHARE), ("ring", FAR)),
    curve_conditions=("imp", "one_shot", "random", "twin"),
)  # fmt: skip
