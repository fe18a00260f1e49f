"""Is it stable: whether two copies of a pruned network that see other batches stay in one basin."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import FINAL_DENSITY, at_final_density
from sparsight.reproduce._statistics import dense, difference
from sparsight.reproduce._verdict import Rule

_STUDY = "tickets"
_BARRIER, _LOSS = "stability.error_barrier", "stability.loss_barrier"
_STABLE = 0.02
"""The bound of the paper: an instability below 2 % counts as stable."""

CLAIM = Claim(
    name="stability",
    statement=(
        "Tickets of iterative magnitude pruning are stable: two copies that are trained from initialisation "
        "with other batches are joined by a line without a barrier, and randomly pruned networks of the same "
        "density are less stable."
    ),
    source="Frankle, Dziugaite, Roy & Carbin, arXiv 1912.05671",
    scope=(
        "Fashion-MNIST, one hidden layer. The barrier is the largest test error at 11 points of the line "
        "minus the mean of its ends, with the statistics of BatchNorm computed again at every point. Stable "
        "means below 0.02. Half the difference between the errors of the two ends is part of it."
    ),
    predictions=(
        Prediction(
            name="imp_is_stable",
            statement=f"error barrier of the ticket at density {FINAL_DENSITY:.1%}",
            study=_STUDY,
            statistic=at_final_density(_BARRIER, "imp"),
            rule=Rule("below", _STABLE),
            control=at_final_density(_BARRIER, "random"),
            control_statement="random pruning at the same density",
        ),
        Prediction(
            name="random_is_less_stable",
            statement=f"error barrier at density {FINAL_DENSITY:.1%}, random pruning minus the ticket, same "
            "seeds",
            study=_STUDY,
            statistic=difference(at_final_density(_BARRIER, "random"), at_final_density(_BARRIER, "imp")),
            rule=Rule("above", 0.0, equivalence=_STABLE),
            control=difference(at_final_density(_BARRIER, "one_shot"), at_final_density(_BARRIER, "imp")),
            control_statement="one-shot pruning minus the ticket",
        ),
        Prediction(
            name="dense_is_stable",
            statement="error barrier of the dense network from initialisation",
            study=_STUDY,
            statistic=dense(_BARRIER, "imp"),
            rule=Rule("below", _STABLE),
            control=at_final_density(_BARRIER, "imp"),
            control_statement="the ticket",
            decisive=False,
        ),
        Prediction(
            name="one_shot_is_stable",
            statement=f"error barrier of one-shot pruning at density {FINAL_DENSITY:.1%}",
            study=_STUDY,
            statistic=at_final_density(_BARRIER, "one_shot"),
            rule=Rule("below", _STABLE),
            control=at_final_density(_BARRIER, "random"),
            control_statement="random pruning at the same density",
            decisive=False,
        ),
        Prediction(
            name="loss_random_minus_imp",
            statement=f"loss barrier at density {FINAL_DENSITY:.1%}, random pruning minus the ticket, same "
            "seeds",
            study=_STUDY,
            statistic=difference(at_final_density(_LOSS, "random"), at_final_density(_LOSS, "imp")),
            rule=Rule("above"),
            decisive=False,
        ),
    ),
    curves=((_STUDY, _BARRIER), (_STUDY, _LOSS)),
    curve_conditions=("imp", "one_shot", "random"),
)
