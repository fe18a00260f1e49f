"""What a mask knows about its task: masks found on one kind of data, trained on another."""

from dataclasses import replace

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._localisation import FINAL_DENSITY, accuracy_difference
from sparsight.reproduce._verdict import Rule

_STUDY = "transfer"
_EQUAL = 0.02
"""Differences in accuracy up to this size count as none."""


def _loses_nothing(name: str, pair: tuple[str, str], words: str, *, decisive: bool = True) -> Prediction:
    return Prediction(
        name=name,
        statement=f"test accuracy at density {FINAL_DENSITY:.1%}, {words}, same seeds",
        study=_STUDY,
        statistic=accuracy_difference(*pair),
        rule=Rule("within", _EQUAL),
        control=accuracy_difference("random", "imp"),
        control_statement="random pruning minus the ring's own mask",
        decisive=decisive,
    )


def _is_better(name: str, pair: tuple[str, str], words: str, *, decisive: bool = True) -> Prediction:
    return replace(
        _loses_nothing(name, pair, words, decisive=decisive),
        rule=Rule("above", _EQUAL),
        control=accuracy_difference("imp", "random"),
        control_statement="the ring's own mask minus random pruning",
    )


CLAIM = Claim(
    name="mask-transfer",
    statement=(
        "What a mask passes on is which inputs are neighbours: a mask found on the Gaussian twin serves "
        "the ring as well as the ring's own and the other way round, and no longer does once pixels are "
        "permuted."
    ),
    source="beyond the papers; Pellegrini & Biroli, arXiv 2104.13343, ask it of one mask",
    scope=(
        "Masks of every level are trained again from the weights to which their own network rewinds. "
        "Equal means a difference in accuracy within ±0.02."
    ),
    predictions=(
        _loses_nothing("twin_to_ring", ("ring_from_twin", "imp"), "on the ring, the twin's mask minus its "
        "own"),
        _loses_nothing(
            "ring_to_twin", ("twin_from_ring", "imp_twin"), "on the twin, the ring's mask minus its own"
        ),
        _is_better("own_beyond_permuted", ("imp", "pixels"), "its own mask minus the mask with pixels "
        "permuted"),
        _is_better(
            "own_beyond_fan_in", ("imp", "unit"),
            "its own mask minus a random one of the same fan-in", decisive=False,
        ),
        _loses_nothing(
            "windows", ("windows", "imp"), "planted compact windows minus its own mask", decisive=False
        ),
        _is_better(
            "windows_beyond_random", ("windows", "random"), "planted compact windows minus random pruning",
            decisive=False,
        ),
        _loses_nothing(
            "fresh", ("fresh", "imp_init"), "fresh initial weights minus the mask's own, both rewound to the "
            "start", decisive=False,
        ),
        _loses_nothing(
            "another_seed", ("another_seed", "imp"), "the mask of another seed minus its own", decisive=False
        ),
    ),
    curves=((_STUDY, "test_accuracy"),),
)  # fmt: skip
