"""Claim 2, strict form: without non-Gaussian inputs, receptive fields do not become local."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._statistics import beyond_chance, final, ratio
from sparsight.reproduce._verdict import Rule

_NEAR = "locality.near"

CLAIM = Claim(
    name="necessity",
    statement=(
        "Non-Gaussian inputs are necessary: on Gaussian inputs pruning does not make receptive fields local."
    ),
    source="arXiv 2412.06545",
    scope=(
        "Gaussian twins with the mean and covariance of each class: exact on the ring, fitted to "
        "Fashion-MNIST and photographs."
    ),
    predictions=(
        Prediction(
            name="ring_twin",
            statement="near − 1 at the last level on the exact twin of the ring",
            study="ring",
            statistic=beyond_chance(final(_NEAR, "twin")),
            rule=Rule("within", 0.1),
            control=beyond_chance(final(_NEAR, "imp")),
            control_statement="the same on the non-Gaussian ring",
            robust=True,
        ),
        Prediction(
            name="fashion_twin",
            statement="near − 1 at the last level on the per-class twin of Fashion-MNIST",
            study="fashion",
            statistic=beyond_chance(final(_NEAR, "twin")),
            rule=Rule("within", 0.1),
            control=beyond_chance(final(_NEAR, "images")),
            control_statement="the same on the images",
        ),
        Prediction(
            name="photographs_twin",
            statement="near − 1 at the last level on the per-class twin of photographs",
            study="photographs",
            statistic=beyond_chance(final(_NEAR, "twin")),
            rule=Rule("within", 0.1),
            control=beyond_chance(final(_NEAR, "images")),
            control_statement="the same on the photographs",
        ),
        Prediction(
            name="share_of_locality_on_the_twin",
            statement="(near − 1 on the ring's twin)/(near − 1 on the ring)",
            study="ring",
            statistic=ratio(beyond_chance(final(_NEAR, "twin")), beyond_chance(final(_NEAR, "imp"))),
            rule=Rule("below", 0.5),
            decisive=False,
            robust=True,
        ),
    ),
    curves=(("ring", _NEAR), ("fashion", _NEAR), ("photographs", _NEAR)),
)
