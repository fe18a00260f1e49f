"""Tickets as sources of symbols: rules learned from the names that they give to pictures."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._equal_accuracy import beyond_equal_accuracy
from sparsight.reproduce._statistics import at_density, dense, difference
from sparsight.reproduce._verdict import Rule

_STUDY = "rules"
_TRUE = "rules.p_true"
_DENSITY = 0.4**5
"""About 1 %: after five rounds of 60 %, at scale laptop."""
_OTHER_ROUNDS = (2, 4, 6, 7)
_TOLERANCE = 0.2
_EQUAL = 0.1
"""Differences in the share of planted rules up to this size count as none."""
_FOUND = "share of sets of 40 examples from which the planted rule is learned, at density"
_SHARE = f"{_FOUND} {_DENSITY:.1%}"


def _at(quantity: str, condition: str = "imp", density: float = _DENSITY) -> Statistic:
    return at_density(quantity, condition, density, _TOLERANCE)


def _minus_dense(quantity: str, condition: str = "imp", density: float = _DENSITY) -> Statistic:
    return difference(_at(quantity, condition, density), dense(quantity, "imp"))


def _between(first: str, second: str, condition: str = "imp") -> Statistic:
    """Return P(true rule) with one kind of names and penalties minus that with another, same networks."""
    return difference(_at(f"{_TRUE}{first}", condition), _at(f"{_TRUE}{second}", condition))


def _after_rounds(num_rounds: int) -> Prediction:
    density = 0.4**num_rounds
    return Prediction(
        name=f"minus_dense_after_{num_rounds}_rounds",
        statement=f"{_FOUND} {density:.2%}: ticket minus dense network, same seeds",
        study=_STUDY,
        statistic=_minus_dense(_TRUE, density=density),
        rule=Rule("above", -_EQUAL),
        control=_minus_dense(_TRUE, "random", density),
        control_statement="random pruning minus dense",
        decisive=False,
    )


def _confidences_help(ending: str, words: str, *, decisive: bool) -> Prediction:
    return Prediction(
        name=f"confidences_help{ending}",
        statement=f"{_SHARE}{words}: penalties from confidences minus the same penalties permuted among the "
        "examples",
        study=_STUDY,
        statistic=_between(ending, f"_permuted{ending}"),
        rule=Rule("above", 0.05),
        control=difference(dense(f"{_TRUE}{ending}", "imp"), dense(f"{_TRUE}_permuted{ending}", "imp")),
        control_statement="the same for the dense network: what confidences do without pruning",
        decisive=decisive,
    )


CLAIM = Claim(
    name="rules",
    statement=(
        "A ticket with 1 % of the weights is as good a source of symbols for learning rules as the dense "
        "network is and better than random pruning, its confidences help, and what its symbols are worth "
        "follows from its accuracy: random pruning that is as accurate is as good."
    ),
    source=(
        "after Cunnington, Law, Russo & Lobo, arXiv 2106.13103, who ask it of dense networks and of much "
        "larger spaces of hypotheses"
    ),
    scope=(
        "Fashion-MNIST, one hidden layer. Tuples of four held-out pictures; labels are 'the first two are of "
        "one class', 'the class number of the first is below that of the second' and 'a class occurs "
        "twice'. A rule is a set of clauses out of 28. Means over these three planted rules, 20 sets of "
        "examples each. Rules of the verdict, and sizes that count as none, were written down before the "
        "run. Definitions: docs/rules.md."
    ),
    predictions=(
        Prediction(
            name="minus_dense",
            statement=f"{_SHARE}: ticket minus dense network, same seeds",
            study=_STUDY,
            statistic=_minus_dense(_TRUE),
            rule=Rule("above", -_EQUAL),
            control=_minus_dense(_TRUE, "random"),
            control_statement="random pruning minus dense",
        ),
        Prediction(
            name="minus_random",
            statement=f"{_SHARE}: ticket minus random pruning, same seeds",
            study=_STUDY,
            statistic=difference(_at(_TRUE), _at(_TRUE, "random")),
            rule=Rule("above", _EQUAL),
            control=difference(dense(_TRUE, "imp"), dense(_TRUE, "random")),
            control_statement="before pruning",
        ),
        Prediction(
            name="at_equal_accuracy",
            statement=f"{_SHARE}: ticket minus random pruning at the density at which it is as accurate, "
            "interpolated, same seeds",
            study=_STUDY,
            statistic=beyond_equal_accuracy(_TRUE, "imp", "random", _DENSITY, _TOLERANCE),
            rule=Rule("within", _EQUAL),
            control=difference(_at(_TRUE), _at(_TRUE, "random")),
            control_statement="at equal density",
        ),
        _confidences_help("", "", decisive=True),
        Prediction(
            name="errors_beyond_their_rate",
            statement=f"{_SHARE}, every penalty 10: the ticket's names minus names drawn independently at "
            "its confusion rates",
            study=_STUDY,
            statistic=_between("_constant", "_twin"),
            rule=Rule("within", _EQUAL),
            control=_between("_constant_rotated", "_twin_rotated"),
            control_statement="a quarter of the examples rotated, where errors come together",
            decisive=False,
        ),
        Prediction(
            name="confidences_minus_constant",
            statement=f"{_SHARE}: penalties from confidences minus every penalty 10",
            study=_STUDY,
            statistic=_between("", "_constant"),
            rule=Rule("above", 0.05),
            control=_between("_permuted", "_constant"),
            control_statement="permuted penalties minus every penalty 10: what their size does",
            decisive=False,
        ),
        _confidences_help("_rotated", ", a quarter of the examples rotated", decisive=False),
        Prediction(
            name="minus_dense_rotated",
            statement=f"{_SHARE}, a quarter of the examples rotated: ticket minus dense network, same seeds",
            study=_STUDY,
            statistic=_minus_dense(f"{_TRUE}_rotated"),
            rule=Rule("above", -_EQUAL),
            control=_minus_dense(f"{_TRUE}_rotated", "random"),
            control_statement="random pruning minus dense",
            decisive=False,
        ),
        *(_after_rounds(number) for number in _OTHER_ROUNDS),
        Prediction(
            name="structured_accuracy",
            statement="share of other tuples, named by the ticket, whose label the learned rule gives, at "
            f"density {_DENSITY:.1%}: ticket minus dense network, same seeds",
            study=_STUDY,
            statistic=_minus_dense("rules.accuracy"),
            rule=Rule("above", -0.05),
            control=_minus_dense("rules.accuracy", "random"),
            control_statement="random pruning minus dense",
            decisive=False,
        ),
        Prediction(
            name="rule_size",
            statement=f"size of the learned rule at density {_DENSITY:.1%}, ticket minus dense network, "
            "same seeds (the planted ones have a mean size of 2.33)",
            study=_STUDY,
            statistic=_minus_dense("rules.size"),
            rule=Rule("within", 0.5),
            control=_minus_dense("rules.size", "random"),
            control_statement="random pruning minus dense",
            decisive=False,
        ),
    ),
    curves=(
        (_STUDY, "test_accuracy"), (_STUDY, _TRUE), (_STUDY, f"{_TRUE}_permuted"),
        (_STUDY, f"{_TRUE}_rotated"),
    ),
    computed=("rules",),
)  # fmt: skip
