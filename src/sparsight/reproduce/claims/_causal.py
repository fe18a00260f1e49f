"""Claim 6: pruning by each weight's effect on non-Gaussianity suffices to make receptive fields local."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._statistics import beyond_chance, difference, final
from sparsight.reproduce._verdict import Rule

_NEAR, _ACCURACY = "locality.near", "test_accuracy"


_SCORES = {
    "cavity": "cavity score",
    "cavity_matched": "cavity score at equal |w|",
    "cavity_reverse": "the reverse of cavity score",
}
_OTHERS = {"random": "random pruning", "cavity_reverse": "by its reverse", "magnitude": "by magnitude"}


def _beyond(name: str, criterion: str, other: str, rule: Rule, *, decisive: bool = True) -> Prediction:
    words = f"pruning by {_SCORES[criterion]} minus {_OTHERS[other]}"
    return Prediction(
        name=name,
        statement=f"near at the last level, {words}, same seeds, same density",
        study="criteria",
        statistic=difference(final(_NEAR, criterion), final(_NEAR, other)),
        rule=rule,
        control=beyond_chance(final(_NEAR, "random")),
        control_statement="near − 1 under random pruning",
        decisive=decisive,
    )


CLAIM = Claim(
    name="causal",
    statement=(
        "Keeping the weights that raise their unit's non-Gaussianity, instead of the large ones, makes "
        "receptive fields local, more than keeping the others, and accuracy holds."
    ),
    source="beyond the papers: the causal reading of arXiv 2412.06545",
    scope=(
        "Criterion cavity: Δ|κ| of each weight over all classes together, which are a mixture; "
        "cavity-matched ranks it among weights of similar size, so that it does not select for size."
    ),
    predictions=(
        _beyond("cavity_beyond_random", "cavity", "random", Rule("above", 0.1)),
        _beyond("cavity_beyond_reverse", "cavity", "cavity_reverse", Rule("above", 0.0)),
        _beyond("matched_beyond_random", "cavity_matched", "random", Rule("above", 0.1)),
        Prediction(
            name="accuracy_holds",
            statement="test accuracy at the last level, by cavity score minus by magnitude, same seeds",
            study="criteria",
            statistic=difference(final(_ACCURACY, "cavity"), final(_ACCURACY, "magnitude")),
            rule=Rule("above", -0.02),
            control=difference(final(_ACCURACY, "random"), final(_ACCURACY, "magnitude")),
            control_statement="random pruning minus magnitude",
        ),
        _beyond("cavity_beyond_magnitude", "cavity", "magnitude", Rule("above", 0.0), decisive=False),
        _beyond("reverse_gives_none", "cavity_reverse", "random", Rule("within", 0.1), decisive=False),
    ),
    curves=(("criteria", _NEAR), ("criteria", _ACCURACY)),
)
