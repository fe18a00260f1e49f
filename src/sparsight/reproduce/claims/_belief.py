"""Does pruning find the Markov blanket of a hidden node, and what screening by correlation misses of it."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._localisation import FINAL_DENSITY, accuracy_difference, at_final_density
from sparsight.reproduce._statistics import at_density, beyond_chance, difference
from sparsight.reproduce._verdict import Rule

_STUDY = "belief"
_AUROC = "recovery.input_auroc"
_FOUND = "probability that an input of the blanket keeps more weights than another input"
_OF_CO_PARENTS = "recovery.input_auroc_of_co_parents"

_SCREENED_DENSITY = 0.13
"""Density at which screening keeps about as many of the 64 inputs as a blanket has: its fairest level.

Above it screening has to keep others, below it has to drop some of the blanket however well it ranks them.
"""


def _at_screened_density(quantity: str, condition: str) -> Statistic:
    return at_density(quantity, condition, _SCREENED_DENSITY, 0.2)


def _found(condition: str) -> Statistic:
    """Return the AUROC of the blanket minus that of permuted supports, at the final density."""
    return difference(
        at_final_density(_AUROC, condition), at_final_density("recovery.input_auroc_permuted", condition)
    )


def _kind_found(kind: str, *, decisive: bool) -> Prediction:
    quantity = f"recovery.input_auroc_of_{kind}"
    return Prediction(
        name=kind,
        statement=f"probability that one of the blanket's {kind.replace('_', '-')} keeps more weights than "
        f"an input outside it, minus ½, at density {_SCREENED_DENSITY:.0%}",
        study=_STUDY,
        statistic=beyond_chance(_at_screened_density(quantity, "imp"), 0.5),
        rule=Rule("above", 0.2),
        control=beyond_chance(_at_screened_density(quantity, "correlation"), 0.5),
        control_statement="screening by correlation",
        decisive=decisive,
    )


CLAIM = Claim(
    name="belief",
    statement=(
        "Iterative magnitude pruning finds the Markov blanket of a hidden node: inputs of the blanket keep "
        "more weights than others, also co-parents, which matter only together with a child; it finds more "
        "of it than screening by correlation, and nothing without labels."
    ),
    source="a question of ours, on networks after Xu et al., arXiv 2504.08257",
    scope=(
        "64 binary nodes on a line with three parents each, one hidden layer, 8000 samples. The label is one "
        "more node. Found is counted in kept weights of the first layer: the probability that an input of "
        "the blanket keeps more than another input. A logistic regression on all inputs finds the blanket as "
        "well; this claim is about what pruning by magnitude leaves."
    ),
    predictions=(
        Prediction(
            name="found",
            statement=f"{_FOUND}, minus the same for permuted blankets, at density {FINAL_DENSITY:.1%}",
            study=_STUDY,
            statistic=_found("imp"),
            rule=Rule("above", 0.3),
            control=_found("random"),
            control_statement="random pruning",
        ),
        _kind_found("co_parents", decisive=True),
        Prediction(
            name="beyond_correlation",
            statement=f"{_FOUND} at density {_SCREENED_DENSITY:.0%}, pruning by magnitude minus "
            "screening by correlation, same seeds",
            study=_STUDY,
            statistic=difference(
                _at_screened_density(_AUROC, "imp"), _at_screened_density(_AUROC, "correlation")
            ),
            rule=Rule("above", 0.0, equivalence=0.05),
            control=difference(
                _at_screened_density(_AUROC, "random"), _at_screened_density(_AUROC, "correlation")
            ),
            control_statement="random pruning minus screening",
        ),
        Prediction(
            name="without_labels",
            statement=f"{_FOUND}, minus ½, at density {FINAL_DENSITY:.1%}, labels shuffled",
            study=_STUDY,
            statistic=beyond_chance(at_final_density(_AUROC, "shuffled_labels"), 0.5),
            rule=Rule("within", 0.1),
            control=beyond_chance(at_final_density(_AUROC, "imp"), 0.5),
            control_statement="with labels",
        ),
        _kind_found("parents", decisive=False),
        _kind_found("children", decisive=False),
        Prediction(
            name="beyond_one_shot",
            statement=f"{_FOUND} at density {FINAL_DENSITY:.1%}, iterative minus one-shot pruning, "
            "same seeds",
            study=_STUDY,
            statistic=difference(at_final_density(_AUROC, "imp"), at_final_density(_AUROC, "one_shot")),
            rule=Rule("above", 0.0, equivalence=0.05),
            decisive=False,
        ),
        Prediction(
            name="precision_beyond_correlation",
            statement="share of the kept weights on the blanket at density 13%, pruning by magnitude minus "
            "screening by correlation, same seeds",
            study=_STUDY,
            statistic=difference(
                _at_screened_density("recovery.input_precision", "imp"),
                _at_screened_density("recovery.input_precision", "correlation"),
            ),
            rule=Rule("above", 0.0, equivalence=0.05),
            decisive=False,
        ),
        Prediction(
            name="accuracy_beyond_correlation",
            statement=f"test accuracy at density {FINAL_DENSITY:.1%}, pruning by magnitude minus screening "
            "by correlation, same seeds",
            study=_STUDY,
            statistic=accuracy_difference("imp", "correlation"),
            rule=Rule("above", 0.0, equivalence=0.01),
            decisive=False,
        ),
    ),
    curves=((_STUDY, _AUROC), (_STUDY, _OF_CO_PARENTS), (_STUDY, "test_accuracy")),
)  # fmt: skip
