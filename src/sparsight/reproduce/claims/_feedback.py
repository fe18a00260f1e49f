"""Claim 5: the more a unit's kept weights raise its non-Gaussianity, the faster it becomes local later."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._feedback import predicts_gain
from sparsight.reproduce._verdict import Rule

_CAUSE = "cavity_within_class.delta_abs_kurtosis_difference_per_unit"
_NEAR, _FAN_IN = "locality.near_per_unit", "locality.fan_in_per_unit"

CLAIM = Claim(
    name="feedback",
    statement=(
        "Within a run, a unit's cavity effect at one level predicts how much more local it becomes from the "
        "next level to the one after."
    ),
    source="arXiv 2412.06545 (the feedback between non-Gaussianity and locality; the test is ours)",
    scope=(
        "Rank correlations over the units of one replicate, averaged over levels. A unit that is local by "
        "chance is usually less local at the next level, so the correlation given its present locality and "
        "fan-in is also decisive."
    ),
    predictions=(
        Prediction(
            name="predicts",
            statement="Spearman's correlation over units of the cavity effect (Δ|κ| within classes, kept "
            "minus pruned) at level t with the rise of near from t + 1 to t + 2",
            study="ring",
            statistic=predicts_gain(_CAUSE, _NEAR, "imp"),
            rule=Rule("above", 0.0),
            control=predicts_gain(_CAUSE, _NEAR, "imp", shuffled=True),
            control_statement="the same with cavity effects shuffled over units",
        ),
        Prediction(
            name="predicts_given_locality",
            statement="the same, partial to the unit's near and fan-in at level t + 1",
            study="ring",
            statistic=predicts_gain(_CAUSE, _NEAR, "imp", given=(_NEAR, _FAN_IN)),
            rule=Rule("above", 0.0),
            control=predicts_gain(_CAUSE, _NEAR, "random", given=(_NEAR, _FAN_IN)),
            control_statement="the same under random pruning",
        ),
        Prediction(
            name="on_the_twin",
            statement="the partial correlation on the Gaussian twin",
            study="ring",
            statistic=predicts_gain(_CAUSE, _NEAR, "twin", given=(_NEAR, _FAN_IN)),
            rule=Rule("within", 0.1),
            decisive=False,
        ),
    ),
    curves=(),
)
