"""Claim 3: pruning makes pre-activations less Gaussian than fewer effective inputs explain."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._statistics import (
    difference,
    last_above_earlier,
    rank_correlation_with_level,
    rise,
)
from sparsight.reproduce._verdict import Rule

_RANDOM = "the same under random pruning"
_LAST = (0.04, 0.06)
"""Window of density that holds the last level, 0.047."""


def _of(statistic: str, beyond: str = "") -> str:
    return f"gaussianity.{statistic}{beyond}_within_class"


def _rise(statistic: str, condition: str, beyond: str = "") -> Statistic:
    return rise(_of(statistic, beyond), condition, _LAST)


def _rises(
    name: str, statistic: str, words: str, *, beyond: str = "", equivalence: float | None = None,
    decisive: bool = False,
) -> Prediction:  # fmt: skip
    return Prediction(
        name=name,
        statement=f"rise from the dense to the last level of {words}, within classes",
        study="ring",
        statistic=_rise(statistic, "imp", beyond),
        rule=Rule("above", 0.0, equivalence=equivalence),
        control=_rise(statistic, "random", beyond),
        control_statement=_RANDOM,
        decisive=decisive,
    )


def _rises_more_than_random(
    name: str, statistic: str, words: str, *, beyond: str = "", equivalence: float | None = None,
    decisive: bool = False,
) -> Prediction:  # fmt: skip
    return Prediction(
        name=name,
        statement=f"rise of {words}, within classes, under magnitude pruning minus that under random pruning",
        study="ring",
        statistic=difference(_rise(statistic, "imp", beyond), _rise(statistic, "random", beyond)),
        rule=Rule("above", 0.0, equivalence=equivalence),
        control=_rise(statistic, "twin", beyond),
        control_statement="rise under magnitude pruning on the Gaussian twin",
        decisive=decisive,
    )


CLAIM = Claim(
    name="non-gaussianity",
    statement=(
        "Iterative magnitude pruning increases the non-Gaussianity of pre-activations, and more than "
        "fewer effective inputs explain."
    ),
    source=(
        'arXiv 2412.06545: its first version says that pruning "maximizes" the non-Gaussianity of '
        "representations, its third that it systematically increases that of pre-activations"
    ),
    scope=(
        "Within classes: all classes together are a mixture, non-Gaussian by itself. Random pruning "
        "leaves fewer effective inputs than magnitude pruning, so |κ| alone does not compare them: "
        "decided at equal ipr, as |κ| minus that of independent inputs with the same weights."
    ),
    predictions=(
        _rises("abs_kurtosis", "abs_excess_kurtosis", "|κ|", equivalence=0.02, decisive=True),
        _rises_more_than_random(
            "beyond_ipr", "abs_excess_kurtosis", "|κ| beyond that of independent inputs of equal ipr",
            beyond="_beyond_ipr", equivalence=0.02, decisive=True,
        ),
        _rises(
            "beyond_ipr_alone", "abs_excess_kurtosis",
            "|κ| beyond that of independent inputs of equal ipr", beyond="_beyond_ipr",
        ),
        _rises_more_than_random("beyond_random_pruning", "abs_excess_kurtosis", "|κ|"),
        _rises(
            "beyond_shuffled_weights", "abs_excess_kurtosis", "|κ| beyond that with each unit's weights "
            "shuffled",
            beyond="_beyond_shuffled",
        ),
        _rises(
            "beyond_twin", "abs_excess_kurtosis", "|κ| beyond that on the Gaussian twin",
            beyond="_beyond_twin",
        ),
        _rises("spacing_negentropy", "spacing_negentropy", "negentropy by spacings"),
        _rises_more_than_random("spacing_negentropy_beyond_random", "spacing_negentropy", "negentropy by "
        "spacings"),
        _rises("sixth_cumulant", "sixth_cumulant", "the standardised sixth cumulant"),
        _rises("signed_kurtosis", "excess_kurtosis", "κ, with its sign"),
        Prediction(
            name="monotone",
            statement="Spearman's correlation of |κ| within classes with the level (1: rises at every level)",
            study="ring",
            statistic=rank_correlation_with_level(_of("abs_excess_kurtosis"), "imp"),
            rule=Rule("above", 0.9),
            control=rank_correlation_with_level(_of("abs_excess_kurtosis"), "random"),
            control_statement=_RANDOM,
            decisive=False,
        ),
        Prediction(
            name="largest_at_the_end",
            statement="|κ| within classes at the last level minus its largest value before",
            study="ring",
            statistic=last_above_earlier(_of("abs_excess_kurtosis"), "imp"),
            rule=Rule("above", 0.0),
            decisive=False,
        ),
    ),
    curves=(("ring", _of("abs_excess_kurtosis")), ("ring", _of("abs_excess_kurtosis", "_beyond_ipr"))),
)  # fmt: skip
