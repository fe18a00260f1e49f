"""Claim 1: iterative magnitude pruning makes receptive fields local."""

from sparsight.reproduce._claim import Claim, Prediction
from sparsight.reproduce._statistics import beyond_chance, difference, final, in_window
from sparsight.reproduce._verdict import Rule


def _at_the_end(name: str, null: str, rule: Rule) -> Prediction:
    quantity = f"locality.{name}"
    return Prediction(
        name=name,
        statement=f"{name.partition('_')[0]} − 1 at the last level, against random masks {null}",
        study="ring",
        statistic=beyond_chance(final(quantity, "imp")),
        rule=rule,
        control=beyond_chance(final(quantity, "random")),
        control_statement="the same under random pruning",
        robust=True,
    )


CLAIM = Claim(
    name="locality",
    statement=(
        "Iterative magnitude pruning of a fully connected network makes receptive fields local, more than "
        "one-shot pruning to the same density; random pruning does not at all."
    ),
    source="arXiv 2412.06545",
    scope="A nonlinear Gaussian process on a ring, one hidden layer; the last level.",
    predictions=(
        _at_the_end("near", "of each unit's fan-in", Rule("above", 0.1)),
        _at_the_end("near_configuration", "that keep each pixel's count too", Rule("above", 0.1)),
        _at_the_end("far", "of each unit's fan-in", Rule("below", -0.1)),
        Prediction(
            name="iterative_beyond_one_shot",
            statement="near of iterative minus near of one-shot pruning, same seeds, same final density",
            study="ring",
            statistic=difference(final("locality.near", "imp"), final("locality.near", "one_shot")),
            rule=Rule("above", 0.0),
            control=beyond_chance(final("locality.near", "one_shot")),
            control_statement="near − 1 of one-shot pruning",
            robust=True,
        ),
        Prediction(
            name="random_pruning_gives_none",
            statement="near − 1 under random pruning, mean over the pruned levels",
            study="ring",
            statistic=beyond_chance(in_window("locality.near", "random", 0.0, 1.0)),
            rule=Rule("within", 0.1),
        ),
    ),
    curves=(("ring", "locality.near"), ("ring", "locality.far")),
)
