"""Claim 5: the more a unit's kept weights raise its non-Gaussianity, the faster it becomes local later."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._feedback import predicts_gain
from sparsight.reproduce._statistics import difference
from sparsight.reproduce._verdict import Rule

_CAUSE = "cavity_within_class.delta_abs_kurtosis_difference_per_unit"
_RANDOM_CAUSE = f"{_CAUSE}_random_kept"
_SHARE, _NEAR, _FAN_IN = (
    "locality.attained_share_per_unit", "locality.near_per_unit", "locality.fan_in_per_unit",
)  # fmt: skip
_NONE = 0.05
"""In units of a rank correlation: correlations up to this size count as none."""


def _forward(cause: str, condition: str, gain: str = _SHARE, lag: int = 1) -> Statistic:
    return predicts_gain(cause, gain, condition, lag=lag, given=(gain, _FAN_IN))


CLAIM = Claim(
    name="feedback",
    statement=(
        "Within a run, a unit whose kept weights raise its non-Gaussianity more becomes more local later, "
        "beyond what its mask alone implies."
    ),
    source="arXiv 2412.06545 (the feedback between non-Gaussianity and locality; the test is ours)",
    scope=(
        "Rank correlations over the units of one replicate, averaged over levels: cause at level t, gain "
        "in attained share from t + 1 to t + 2, given attained share and fan-in at t + 1. Cause and gain "
        "from t to t + 1 would share a mask and so be related by construction."
    ),
    predictions=(
        Prediction(
            name="forward",
            statement="partial correlation of Δ|κ| within classes, kept minus pruned, at level t with the "
            "gain in attained share from t + 1 to t + 2",
            study="ring",
            statistic=_forward(_CAUSE, "imp"),
            rule=Rule("above", 0.0, equivalence=_NONE),
            control=_forward(_CAUSE, "random"),
            control_statement="the same under random pruning",
        ),
        Prediction(
            name="beyond_the_mask",
            statement="that correlation minus the same for kept sets drawn at random with the counts of "
            "each unit",
            study="ring",
            statistic=difference(_forward(_CAUSE, "imp"), _forward(_RANDOM_CAUSE, "imp")),
            rule=Rule("above", 0.0, equivalence=_NONE),
            control=_forward(_RANDOM_CAUSE, "imp"),
            control_statement="for kept sets drawn at random",
        ),
        Prediction(
            name="on_the_twin",
            statement="the first correlation on the Gaussian twin",
            study="ring",
            statistic=_forward(_CAUSE, "twin"),
            rule=Rule("within", 0.1),
            decisive=False,
        ),
        Prediction(
            name="forward_near",
            statement="the first correlation with near in place of the attained share",
            study="ring",
            statistic=_forward(_CAUSE, "imp", _NEAR),
            rule=Rule("above", 0.0, equivalence=_NONE),
            decisive=False,
        ),
        Prediction(
            name="same_level_near",
            statement="what earlier versions reported: gain in near from t to t + 1, which shares the mask",
            study="ring",
            statistic=_forward(_CAUSE, "imp", _NEAR, lag=0),
            rule=Rule("above", 0.0),
            control=predicts_gain(
                _RANDOM_CAUSE,
                _NEAR,
                "imp",
                lag=0,
                given=(_NEAR, _FAN_IN),
                gain_to="cavity_within_class.near_per_unit_random_kept",
            ),
            control_statement="for kept sets drawn at random, where no feedback can be",
            decisive=False,
        ),
    ),
    curves=(),
)
