"""Claim 2, strict form: without non-Gaussian inputs, receptive fields do not become local."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._statistics import beyond_chance, final, ratio
from sparsight.reproduce._verdict import Rule

_NEAR = "locality.near"


def _no_locality(study: str, original: str, twin: str, where: str, *, robust: bool = False) -> Prediction:
    return Prediction(
        name=f"{study}_twin",
        statement=f"near − 1 at the last level on {twin}",
        study=study,
        statistic=beyond_chance(final(_NEAR, "twin")),
        rule=Rule("within", 0.1),
        control=beyond_chance(final(_NEAR, original)),
        control_statement=f"the same on {where}",
        robust=robust,
    )


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
        _no_locality("ring", "imp", "the exact twin of the ring", "the non-Gaussian ring", robust=True),
        _no_locality("fashion", "images", "the per-class twin of Fashion-MNIST", "the images"),
        _no_locality("photographs", "images", "the per-class twin of photographs", "the photographs"),
        Prediction(
            name="share_of_locality_on_the_twin",
            statement="mean of near − 1 on the ring's twin over mean of near − 1 on the ring",
            study="ring",
            statistic=ratio(beyond_chance(final(_NEAR, "twin")), beyond_chance(final(_NEAR, "imp"))),
            rule=Rule("below", 0.5),
            decisive=False,
            robust=True,
        ),
    ),
    curves=(("ring", _NEAR), ("fashion", _NEAR), ("photographs", _NEAR)),
)
