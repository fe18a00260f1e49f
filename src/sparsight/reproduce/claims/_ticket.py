"""Is it a ticket: masks found by pruning, against random and shuffled masks and other weights."""

from dataclasses import replace

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._localisation import FINAL_DENSITY, accuracy_difference, at_final_density
from sparsight.reproduce._statistics import dense, difference
from sparsight.reproduce._verdict import Rule

_STUDY = "tickets"
_EQUAL = 0.02
"""Differences in accuracy up to this size count as none."""


def _is_better(name: str, other: str, words: str, *, decisive: bool = True) -> Prediction:
    return Prediction(
        name=name,
        statement=f"test accuracy at density {FINAL_DENSITY:.1%}, ticket minus {words}, same seeds",
        study=_STUDY,
        statistic=accuracy_difference("imp", other),
        rule=Rule("above", _EQUAL),
        control=accuracy_difference("imp", "another_seed"),
        control_statement="ticket minus the mask of another seed",
        decisive=decisive,
    )


def _is_equal(name: str, other: str, words: str) -> Prediction:
    return replace(
        _is_better(name, other, words, decisive=False),
        rule=Rule("within", _EQUAL),
        control=accuracy_difference("imp", "random"),
        control_statement="ticket minus random pruning",
    )


def _minus_dense(condition: str) -> Statistic:
    return difference(at_final_density("test_accuracy", condition), dense("test_accuracy", "imp"))


CLAIM = Claim(
    name="ticket",
    statement=(
        "Iterative magnitude pruning, rewound to initialisation, finds winning tickets: its masks train to "
        "the accuracy of the dense network, random pruning does not, and both the places of the mask and its "
        "own initial weights matter."
    ),
    source="Frankle & Carbin, arXiv 1803.03635; the checks are those of Frankle et al., arXiv 2009.08576",
    scope=(
        "Fashion-MNIST, one hidden layer. Masks of every level are trained from initialisation. Equal means "
        "a difference in accuracy within ±0.02."
    ),
    predictions=(
        Prediction(
            name="matches_dense",
            statement=f"test accuracy of the ticket at density {FINAL_DENSITY:.1%} minus that of the dense "
            "network, same seeds",
            study=_STUDY,
            statistic=_minus_dense("imp"),
            rule=Rule("above", -_EQUAL),
            control=_minus_dense("random"),
            control_statement="random pruning minus dense",
        ),
        _is_better("beyond_random", "random", "random pruning"),
        _is_better("beyond_reinitialised", "reinitialised", "its mask with fresh initial weights"),
        _is_better("beyond_shuffled_layer", "shuffled_layer", "its mask shuffled within layers"),
        _is_better(
            "beyond_shuffled_unit", "shuffled_unit", "its mask shuffled within units", decisive=False
        ),
        _is_better(
            "beyond_shuffled_rows_columns", "shuffled_rows_columns", "its mask with rows and columns "
            "permuted", decisive=False,
        ),
        _is_better("beyond_one_shot", "one_shot", "one-shot pruning", decisive=False),
        _is_equal("signs", "signs", "its mask with fresh sizes and its own signs"),
        _is_equal("constant", "constant", "its mask with its own signs and one size a layer"),
        _is_equal("another_seed", "another_seed", "the mask of another seed"),
    ),
    curves=((_STUDY, "test_accuracy"),),
)  # fmt: skip
