"""Samples that a masked student needs to find its teacher, against its weights and its inputs."""

from collections.abc import Sequence

import numpy as np

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._sample_complexity import SUPPORT_SIZES
from sparsight.reproduce._statistics import beyond_chance, difference, final, slope
from sparsight.reproduce._verdict import Rule

_STUDY = "sample-complexity"
_SAMPLES = "sample_complexity.log2_samples"
_FOUND = "sample_complexity.is_found"
_UNITS = "in powers of two"
_PRUNED_SIZES = SUPPORT_SIZES[:3]


def _needed(condition: str) -> Statistic:
    return final(_SAMPLES, condition)


def _slope(mask: str, sizes: Sequence[int] = SUPPORT_SIZES) -> Statistic:
    """Return the slope of log N over log r, for each replicate."""
    return slope(np.log2(sizes).tolist(), [_needed(f"{mask}_{size}") for size in sizes])


def _ratio(
    name: str, first: str, second: str, words: str, rule: Rule, *, decisive: bool = True
) -> Prediction:
    return Prediction(
        name=name,
        statement=f"samples needed {_UNITS}: {words}, same seeds",
        study=_STUDY,
        statistic=difference(_needed(first), _needed(second)),
        rule=rule,
        decisive=decisive,
    )


def _share_found(name: str, condition: str, words: str, rule: Rule, *, decisive: bool = True) -> Prediction:
    return Prediction(
        name=name,
        statement=f"share of the teachers found with at most 8 samples per weight: {words}",
        study=_STUDY,
        statistic=final(_FOUND, condition),
        rule=rule,
        control=final(_FOUND, "oracle_10"),
        control_statement="the teacher's mask",
        decisive=decisive,
    )


CLAIM = Claim(
    name="sample-complexity",
    statement=(
        "Under the teacher's mask, the number of samples needed to find the teacher is proportional to the "
        "number of its weights and does not depend on the size of the input; without a mask it grows with "
        "the size of the input."
    ),
    source="after Zhang, Wang, Liu, Chen & Xiong, arXiv 2110.05667",
    scope=(
        "Three rectified units, 50 or 100 independent Gaussian inputs, noiseless targets; least squares from "
        "the teacher's weights, moved by 0.3 of their norm, as the theory assumes; from weights that know "
        "nothing of the teacher where that is said. Found means a relative error below 0.001. The theory is "
        "about gradient descent with momentum; what is counted here are samples and not steps."
    ),
    predictions=(
        Prediction(
            name="proportional",
            statement="slope of log N over log r minus 1, N samples needed with the teacher's mask of "
            "r = 5, 10, 20, 40 inputs in each unit",
            study=_STUDY,
            statistic=beyond_chance(_slope("oracle"), 1.0),
            rule=Rule("within", 0.25),
            control=beyond_chance(_slope("none"), 1.0),
            control_statement="the same without a mask, where r changes the teacher and not the student",
        ),
        _ratio(
            "fewer", "none_10", "oracle_10", "no mask minus the teacher's (10 of 50 inputs)",
            Rule("above", 1.0),
        ),
        _ratio(
            "of_the_mask_alone", "oracle_10_of_100", "oracle_10",
            "teacher's mask, 100 minus 50 inputs", Rule("within", 0.3),
        ),
        _ratio(
            "of_the_input_without_mask", "none_10_of_100", "none_10",
            "no mask, 100 minus 50 inputs", Rule("above", 0.5),
        ),
        _share_found("wrong_mask", "wrong_10", "a random mask of equal size", Rule("below", 0.05)),
        Prediction(
            name="pruned_proportional",
            statement="slope of log N over log r minus 1, N samples needed with masks that magnitude pruning "
            "finds on the same samples, of r = 5, 10, 20 weights in each unit",
            study=_STUDY,
            statistic=beyond_chance(_slope("imp", _PRUNED_SIZES), 1.0),
            rule=Rule("within", 0.25),
            control=beyond_chance(_slope("none", _PRUNED_SIZES), 1.0),
            control_statement="the same without a mask",
            decisive=False,
        ),
        _ratio(
            "pruned_minus_dense", "imp_10", "none_10",
            "masks of magnitude pruning on the same samples minus no mask",
            Rule("below", -0.25), decisive=False,
        ),
        _ratio(
            "pruned_minus_oracle", "imp_10", "oracle_10", "masks of magnitude pruning minus the teacher's",
            Rule("above", 0.25), decisive=False,
        ),
        _share_found(
            "random_start_oracle", "oracle_10_random_start", "the teacher's mask, from a random start",
            Rule("above", 0.5), decisive=False,
        ),
        _share_found(
            "random_start_dense", "none_10_random_start", "no mask, from a random start",
            Rule("above", 0.5), decisive=False,
        ),
    ),
    curves=((_STUDY, _SAMPLES),),
)  # fmt: skip
