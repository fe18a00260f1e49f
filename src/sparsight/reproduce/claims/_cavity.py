"""Claim 4: the weights that pruning keeps raise their unit's non-Gaussianity more than the removed ones."""

from sparsight.reproduce._claim import Claim, Prediction, Statistic
from sparsight.reproduce._statistics import difference, in_window
from sparsight.reproduce._verdict import Rule

_WINDOWS = {"early": (0.3, 1.01), "middle": (0.1, 0.3), "late": (0.05, 0.1)}
"""Density from … to; the last level, after which nothing is pruned, is in none of them."""

_NONE = 0.005
"""In units of |κ|: effects up to this size count as none."""

_WITHIN = "cavity_within_class.delta_abs_kurtosis_difference"
_POOLED = "cavity.delta_abs_kurtosis_difference"
_JUMP = "cavity_within_class.delta_abs_kurtosis_threshold_jump"


def _at(quantity: str, window: str, condition: str = "imp") -> Statistic:
    return in_window(quantity, condition, *_WINDOWS[window], pruning=True)


def _words(window: str) -> str:
    low, high = _WINDOWS[window]
    return f"density {low:.0%} to {min(high, 1):.0%}"


def _beyond_size(window: str) -> Prediction:
    quantity = f"{_WITHIN}_beyond_size_shuffled"
    return Prediction(
        name=f"within_class_{window}",
        statement="Δ|κ| within classes, kept minus pruned, beyond the same with each unit's weights "
        f"shuffled over its inputs, {_words(window)}",
        study="ring",
        statistic=_at(quantity, window),
        rule=Rule("above", 0.0, equivalence=_NONE),
        control=_at(quantity, window, "twin"),
        control_statement="trained on the Gaussian twin",
        robust=True,
    )


def _reported(name: str, statement: str, statistic: Statistic, control: tuple[Statistic, str]) -> Prediction:
    return Prediction(
        name=name,
        statement=statement,
        study="ring",
        statistic=statistic,
        rule=Rule("above", 0.0, equivalence=_NONE),
        control=control[0],
        control_statement=control[1],
        decisive=False,
    )


CLAIM = Claim(
    name="cavity",
    statement=(
        "The weights that iterative magnitude pruning keeps raise their unit's non-Gaussianity within "
        "classes more than those it prunes, beyond what selection by size alone gives, at every stage of "
        "pruning."
    ),
    source="arXiv 2412.06545 (the definition of the cavity statistic is ours)",
    scope=(
        "Δ|κ| of single weights. Selection by size has a null that is not 0, which random pruning does "
        "not show; shuffling each unit's trained weights over its inputs keeps it. The last level prunes "
        "nothing and does not enter."
    ),
    predictions=(
        *(_beyond_size(window) for window in _WINDOWS),
        *(
            _reported(
                f"within_class_{window}_by_size",
                "the part that size alone gives: the same difference with shuffled weights, "
                f"{_words(window)}",
                _at(f"{_WITHIN}_size_shuffled", window),
                (_at(_WITHIN, window, "random"), "the difference itself under random pruning"),
            )
            for window in _WINDOWS
        ),
        *(
            _reported(
                f"threshold_jump_{window}",
                f"jump of Δ|κ| within classes at the threshold of |w| (equal size), {_words(window)}",
                _at(_JUMP, window),
                (_at(_JUMP, window, "twin"), "trained on the Gaussian twin"),
            )
            for window in _WINDOWS
        ),
        *(
            _reported(
                f"pooled_{window}",
                f"Δ|κ| over all classes together, beyond shuffled weights, {_words(window)}",
                _at(f"{_POOLED}_beyond_size_shuffled", window),
                (_at(f"{_POOLED}_beyond_size_shuffled", window, "twin"), "on the Gaussian twin"),
            )
            for window in _WINDOWS
        ),
        *(
            _reported(
                f"{part}_{window}",
                f"the part of Δκ, with its sign, that is due to {words}, kept minus pruned within classes, "
                f"{_words(window)}",
                _at(f"cavity_within_class.delta_kurtosis_{part}_difference", window),
                (
                    _at(f"cavity_within_class.delta_kurtosis_{part}_difference", window, "random"),
                    "under random pruning",
                ),
            )
            for part, words in (("cumulant", "the fourth cumulant"), ("dilution", "the variance"))
            for window in ("early", "late")
        ),
        _reported(
            "more_than_on_the_twin",
            f"Δ|κ| within classes, kept minus pruned, ring minus twin, same seeds, {_words('late')}",
            difference(_at(_WITHIN, "late"), _at(_WITHIN, "late", "twin")),
            (
                _at("cavity_within_class.delta_abs_kurtosis_difference_twin", "late"),
                "networks trained on the ring, looked at on the twin",
            ),
        ),
    ),
    curves=(("ring", f"{_WITHIN}_beyond_size_shuffled"), ("ring", _WITHIN)),
)
