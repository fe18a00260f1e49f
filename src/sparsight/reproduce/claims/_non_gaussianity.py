"""Claim 3: pruning makes pre-activations less Gaussian than the smaller number of summands explains."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._statistics import (
    change,
    difference,
    last_above_earlier,
    rank_correlation_with_level,
)
from sparsight.reproduce._verdict import Rule

_RANDOM = "the same under random pruning"


def _of(statistic: str, beyond: str = "") -> str:
    return f"gaussianity.{statistic}{beyond}_within_class"


def _beyond_mask(statistic: str, words: str) -> Prediction:
    def rise(condition: str) -> Statistic:
        return change(_of(statistic, "_beyond_random_mask"), condition)

    return Prediction(
        name=f"{statistic}_beyond_random_mask",
        statement=f"rise from the dense to the last level of {words}, minus the same of random masks",
        study="ring",
        statistic=rise("imp"),
        rule=Rule("above", 0.0),
        control=rise("random"),
        control_statement=_RANDOM,
    )


def _beyond_random_pruning(statistic: str, words: str) -> Prediction:
    return Prediction(
        name=f"{statistic}_beyond_random_pruning",
        statement=f"rise of {words} under magnitude pruning minus that under random pruning",
        study="ring",
        statistic=difference(change(_of(statistic), "imp"), change(_of(statistic), "random")),
        rule=Rule("above", 0.0),
        control=change(_of(statistic), "twin"),
        control_statement="rise on the Gaussian twin, within classes",
    )


CLAIM = Claim(
    name="non-gaussianity",
    statement=(
        "From level to level iterative magnitude pruning increases the non-Gaussianity of pre-activations, "
        "beyond what fewer summands give."
    ),
    source='arXiv 2412.06545 (its first version: "maximizes")',
    scope=(
        "Within classes: all classes together are a mixture, non-Gaussian by itself. κ is negative here, so "
        "non-Gaussianity is |κ| and negentropy; signed κ is reported."
    ),
    predictions=(
        Prediction(
            name="abs_kurtosis_rises",
            statement="rise of |κ| within classes from the dense to the last level",
            study="ring",
            statistic=change(_of("abs_excess_kurtosis"), "imp"),
            rule=Rule("above", 0.0),
            control=change(_of("abs_excess_kurtosis"), "random"),
            control_statement=_RANDOM,
        ),
        _beyond_mask("abs_excess_kurtosis", "|κ| within classes"),
        _beyond_random_pruning("abs_excess_kurtosis", "|κ| within classes"),
        _beyond_mask("negentropy", "negentropy within classes"),
        _beyond_random_pruning("negentropy", "negentropy within classes"),
        Prediction(
            name="beyond_shuffled_weights",
            statement="rise of |κ| within classes, minus the same with each unit's weights shuffled",
            study="ring",
            statistic=change(_of("abs_excess_kurtosis", "_beyond_shuffled"), "imp"),
            rule=Rule("above", 0.0),
            control=change(_of("abs_excess_kurtosis", "_beyond_shuffled"), "random"),
            control_statement=_RANDOM,
            decisive=False,
        ),
        Prediction(
            name="signed_kurtosis",
            statement="change of κ, with its sign, within classes",
            study="ring",
            statistic=change(_of("excess_kurtosis"), "imp"),
            rule=Rule("above", 0.0),
            control=change(_of("excess_kurtosis"), "random"),
            control_statement=_RANDOM,
            decisive=False,
        ),
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
    curves=(("ring", _of("abs_excess_kurtosis")), ("ring", _of("excess_kurtosis"))),
)
