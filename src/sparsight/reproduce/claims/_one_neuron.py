"""The ancestors' numbers: one neuron localises without pruning once the gain is large."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._one_neuron import GAINS, gain_name
from sparsight.reproduce._statistics import beyond_chance, difference, final
from sparsight.reproduce._verdict import Rule

_IPR = "one_neuron.ipr"
_PUBLISHED = {0: (0.060, 0.017), 5: (0.974, 0.003), 9: (0.991, 0.001)}
"""Gain index → mean and sd of ipr over 30 seeds, read from the published sweep."""

_MARGIN = 0.02
"""In units of ipr. The standard error of the published means is at most 0.003."""


def _ipr(index: int) -> Statistic:
    return final(_IPR, gain_name(GAINS[index]))


def _as_published(index: int) -> Prediction:
    mean, sd = _PUBLISHED[index]
    return Prediction(
        name=f"gain_{gain_name(GAINS[index])}",
        statement=f"ipr at gain {GAINS[index]:.3g} minus the published {mean:.3f} (± {sd:.3f} over 30 seeds)",
        study="one-neuron",
        statistic=beyond_chance(_ipr(index), mean),
        rule=Rule("within", _MARGIN),
        control=_ipr(index),
        control_statement="ipr itself",
    )


CLAIM = Claim(
    name="one-neuron",
    statement=(
        "One ReLU neuron trained on nonlinear Gaussian processes, without pruning, has a localised weight "
        "once the inputs are far from Gaussian: ipr jumps between gains 0.2 and 1.7."
    ),
    source="Lufkin et al. and Ingrosso & Goldt (arXiv 2202.00565), published sweep",
    scope=(
        "Gains are written as theirs, erf(g z). Their full protocol was not available, so two choices are "
        "ours: class 1 is that of the longer correlations, and the gradient of the squared error keeps its "
        "factor 2."
    ),
    predictions=(
        *(_as_published(index) for index in _PUBLISHED),
        Prediction(
            name="jump",
            statement=f"ipr at gain {GAINS[5]:.3g} minus ipr at gain {GAINS[3]:.3g}, same seeds",
            study="one-neuron",
            statistic=difference(_ipr(5), _ipr(3)),
            rule=Rule("above", 0.5),
            control=difference(_ipr(3), _ipr(0)),
            control_statement=f"ipr at gain {GAINS[3]:.3g} minus ipr at gain 0.01",
        ),
    ),
    curves=(("one-neuron", _IPR),),
)
