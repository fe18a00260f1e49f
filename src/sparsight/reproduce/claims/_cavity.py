"""Claim 4: the weights that pruning keeps raise their unit's non-Gaussianity more than the removed ones."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._statistics import difference, in_window
from sparsight.reproduce._verdict import Rule

_POOLED = "cavity.delta_abs_kurtosis_difference"
_WITHIN = "cavity_within_class.delta_abs_kurtosis_difference"
_MATCHED = "cavity_within_class.delta_abs_kurtosis_matched_difference"
_WINDOW = (0.1, 1.1)
"""Densities: the dense level and those down to 10 %."""

_TWIN_MARGIN = 0.01
"""In units of |κ|: a tenth of the value that a first trial gave for kept weights at 5 % density."""


def _mean(quantity: str, condition: str) -> Statistic:
    return in_window(quantity, condition, *_WINDOW, pruning=True)


def _kept_minus_pruned(name: str, quantity: str, words: str, *, decisive: bool = True) -> Prediction:
    return Prediction(
        name=name,
        statement=f"{words}, kept minus pruned weights, mean over densities from 0.1",
        study="ring",
        statistic=_mean(quantity, "imp"),
        rule=Rule("above", 0.0),
        control=_mean(quantity, "random"),
        control_statement="the same under random pruning, where kept and pruned do not differ",
        decisive=decisive,
        robust=decisive,
    )


CLAIM = Claim(
    name="cavity",
    statement=(
        "The weights that iterative magnitude pruning keeps raise their unit's non-Gaussianity more than "
        "those it prunes: over all classes, within classes, and at equal |w|; not so on the Gaussian twin."
    ),
    source="arXiv 2412.06545 (the definition of the cavity statistic is ours)",
    scope=(
        "Δ|κ| of single weights. Magnitude pruning leaves no true overlap in |w|: those compared at equal "
        "|w| lie just above and just below the threshold."
    ),
    predictions=(
        _kept_minus_pruned("pooled", _POOLED, "Δ|κ| over all classes together"),
        _kept_minus_pruned("within_class", _WITHIN, "Δ|κ| within classes"),
        _kept_minus_pruned("within_class_matched", _MATCHED, "Δ|κ| within classes at equal |w|"),
        Prediction(
            name="none_on_the_twin",
            statement="Δ|κ| within classes, kept minus pruned, mean over densities from 0.1, on the twin",
            study="ring",
            statistic=_mean(_WITHIN, "twin"),
            rule=Rule("within", _TWIN_MARGIN),
            control=_mean("cavity_within_class.delta_abs_kurtosis_difference_twin", "imp"),
            control_statement="networks trained on the ring, looked at on the twin",
            robust=True,
        ),
        Prediction(
            name="more_than_on_the_twin",
            statement="Δ|κ| within classes, kept minus pruned: ring minus twin, same seeds",
            study="ring",
            statistic=difference(_mean(_WITHIN, "imp"), _mean(_WITHIN, "twin")),
            rule=Rule("above", 0.0),
            decisive=False,
        ),
        _kept_minus_pruned(
            "signed_within_class",
            "cavity_within_class.delta_kurtosis_difference",
            "Δκ, with its sign, within classes",
            decisive=False,
        ),
        _kept_minus_pruned(
            "signed_pooled",
            "cavity.delta_kurtosis_difference",
            "Δκ, with its sign, over all classes",
            decisive=False,
        ),
    ),
    curves=(("ring", _WITHIN), ("ring", _MATCHED)),
)
