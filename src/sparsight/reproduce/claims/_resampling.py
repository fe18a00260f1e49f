"""Do the numbers on photographs depend on the kernel with which the photographs were shrunk."""

from dataclasses import replace

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._localisation import (
    FAR,
    FINAL_DENSITY,
    SHARE,
    at_final_density,
    localises_equally,
    localises_more,
)
from sparsight.reproduce._statistics import difference
from sparsight.reproduce._verdict import Rule

_STUDY = "resampling"
_KERNELS = ("area", "nearest", "bilinear", "bicubic", "lanczos", "fsmr")
_KURTOSIS = "gaussianity.abs_excess_kurtosis_within_class"

_EQUAL_KURTOSIS = 0.1
"""Differences of |κ| up to this size count as none."""


def _beyond_twin(kernel: str) -> Statistic:
    """Return |κ| on photographs of a kernel minus that on their twin, which has their covariance."""
    return difference(at_final_density(_KURTOSIS, kernel), at_final_density(_KURTOSIS, f"{kernel}_twin"))


def _share_survives(kernel: str) -> Prediction:
    predicted = localises_equally(
        SHARE, _STUDY, (kernel, "default"), f"photographs shrunk by {kernel} minus by the default kernel",
        name=f"{kernel}_share",
    )  # fmt: skip
    return replace(
        predicted,
        control=difference(at_final_density(SHARE, "random"), at_final_density(SHARE, "default")),
        control_statement="random pruning minus magnitude pruning, default kernel",
    )


def _kurtosis_survives(kernel: str) -> Prediction:
    return Prediction(
        name=f"{kernel}_kurtosis",
        statement=f"|κ| within classes at density {FINAL_DENSITY:.1%}, photographs minus their twin: shrunk "
        f"by {kernel} minus by the default kernel, same seeds",
        study=_STUDY,
        statistic=difference(_beyond_twin(kernel), _beyond_twin("default")),
        rule=Rule("within", _EQUAL_KURTOSIS),
        control=difference(at_final_density(_KURTOSIS, "random"), at_final_density(_KURTOSIS, "default")),
        control_statement="|κ| under random pruning minus magnitude pruning, default kernel",
    )


def _kurtosis_beyond_twin(kernel: str) -> Prediction:
    return Prediction(
        name=f"{kernel}_kurtosis_beyond_twin",
        statement=f"|κ| within classes at density {FINAL_DENSITY:.1%}, photographs shrunk by {kernel} minus "
        "their twin, same seeds",
        study=_STUDY,
        statistic=_beyond_twin(kernel),
        rule=Rule("above", 0.0, equivalence=_EQUAL_KURTOSIS),
        decisive=False,
    )


def _share_beyond_twin(kernel: str, quantity: str) -> Prediction:
    return localises_more(
        quantity, _STUDY, (kernel, f"{kernel}_twin"), f"photographs shrunk by {kernel} minus their twin",
        by_margin=False, name=f"{kernel}_{'share' if quantity == SHARE else 'far'}_beyond_twin",
        decisive=False,
    )  # fmt: skip


CLAIM = Claim(
    name="resampling",
    statement=(
        "What pruning does on photographs does not depend on the kernel with which they were shrunk: with "
        "six others, attained share and |κ| beyond the twin are those of the default kernel."
    ),
    source="a question of ours; one of the kernels is that of Spruck, Heimann & Kaup, arXiv 2209.14431",
    scope=(
        "Patches of four photographs at scales 1, ½ and ¼, of which a third are not shrunk at all; one data "
        "set. Fields on photographs are only weakly local. Equal means within ±0.05 for the attained share "
        "and ±0.1 for |κ|. Each kernel is compared with the Gaussian twin of its own patches, which has "
        "their covariance."
    ),
    predictions=(
        *(_share_survives(kernel) for kernel in _KERNELS),
        *(_kurtosis_survives(kernel) for kernel in _KERNELS),
        *(_kurtosis_beyond_twin(kernel) for kernel in ("default", *_KERNELS)),
        *(
            _share_beyond_twin(kernel, quantity)
            for kernel in ("default", *_KERNELS)
            for quantity in (SHARE, FAR)
        ),
    ),
    curves=((_STUDY, SHARE), (_STUDY, _KURTOSIS)),
    curve_conditions=("default", "area", "nearest", "lanczos", "fsmr", "default_twin", "random"),
)  # fmt: skip
