"""Findings: the central quantities compared between conditions, as numbers and as conclusions in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparsight.figures import CATALOGUE, Words, words_of
from sparsight.measure import (
    Interval,
    describe,
    difference,
    locality_verdict,
    paired_difference,
    student_interval,
)
from sparsight.report._subjects import Summaries

_LOCALITY = {
    "attained_share": "locality.attained_share",
    "far": "locality.far",
    "radius_of_gyration": "locality.radius_of_gyration",
}
"""Argument of `locality_verdict` → the quantity that it takes."""
_LAST_OF_LOCALITY = _LOCALITY["radius_of_gyration"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of the comparison: the value of a subject, or its difference to its reference."""

    condition: str
    interval: Interval
    text: str  # the interval as `sparsight.measure.describe` writes it
    words: str  # the conclusion
    reference: str | None = None  # subject that was subtracted, if any
    is_paired: bool = False  # whether replicates of equal seeds were subtracted from each other
    by_replicate: tuple[float, ...] = ()  # values behind the mean; of a difference, those of pairs


@dataclass(frozen=True)
class Finding:
    """One quantity at the lowest density that all subjects reached."""

    quantity: Words
    conditions: list[Cell]
    differences: list[Cell]  # each subject that has a reference, minus that reference


def findings(summaries: Summaries, layer: str) -> list[Finding]:
    """Return a finding for each quantity of `CATALOGUE.findings` that was measured.

    The three numbers of locality are followed by the word that they allow.
    """
    levels = summaries.compared_levels()
    found = []
    for quantity in CATALOGUE.findings:
        words = words_of(quantity)
        where = words.layer(layer)
        if not summaries.has(quantity, where):
            continue
        values = {name: summaries.values(quantity, where, name, level) for name, level in levels.items()}
        found.append(
            Finding(
                words,
                [_against_null(words, name, values[name]) for name in values],
                differences(summaries, quantity, layer),
            )
        )
        if quantity == _LAST_OF_LOCALITY and summaries.has(_LOCALITY["attained_share"], layer):
            found.append(_locality(summaries, layer, levels))
    return found


def differences(summaries: Summaries, quantity: str, layer: str) -> list[Cell]:
    """Return the difference of each subject to its reference, at the lowest density that all reached.

    Replicates are paired where seeds are shared.
    """
    where = words_of(quantity).layer(layer)
    values = {
        name: summaries.values(quantity, where, name, level)
        for name, level in summaries.compared_levels().items()
    }
    return [
        _difference(name, values[name], subject.reference, values[subject.reference])
        for name, subject in summaries.subjects.items()
        if subject.reference is not None
    ]


def _locality(summaries: Summaries, layer: str, levels: dict[str, int]) -> Finding:
    """Return whether the receptive fields of each subject are local, by `measure.locality_verdict`."""
    cells = []
    for name, level in levels.items():
        intervals = locality_intervals(summaries, layer, name, level)
        reason = "; ".join(
            f"{_words_in_text(quantity)} {describe(interval)}" for quantity, interval in intervals.items()
        )
        share = intervals[_LOCALITY["attained_share"]]
        cells.append(Cell(condition=name, interval=share, text=locality_word(intervals), words=reason))
    return Finding(words_of("locality.verdict"), cells, [])


def locality_intervals(summaries: Summaries, layer: str, name: str, level: int) -> dict[str, Interval]:
    """Return the intervals of the three numbers of locality, by quantity."""
    return {
        quantity: student_interval(summaries.values(quantity, layer, name, level).to_numpy(np.float64))
        for quantity in _LOCALITY.values()
    }


def locality_word(intervals: Mapping[str, Interval]) -> str:
    """Return the word that `measure.locality_verdict` gives to the intervals of `locality_intervals`."""
    if intervals[_LOCALITY["attained_share"]].num_replicates == 1:
        return "undecided: one replicate"
    return locality_verdict(**{argument: intervals[quantity] for argument, quantity in _LOCALITY.items()})


def _words_in_text(quantity: str) -> str:
    return words_of(quantity).short or quantity


def verdict(interval: Interval, null: float, above: str, below: str) -> str:
    """Return the conclusion that an interval allows: `above` or `below` if it is wholly on that side."""
    if interval.num_replicates == 0:
        return "no value"
    if interval.num_replicates == 1:
        if interval.mean == null:
            return f"exactly {null:g} in the one replicate"
        return f"in the one replicate: {above if interval.mean > null else below}"
    if math.isnan(interval.low):
        return "no interval"
    if interval.low == interval.high == null:
        return f"exactly {null:g} in every replicate"
    if interval.low <= null <= interval.high:
        return f"undecided: the interval contains {null:g}"
    return above if interval.low > null else below


def _against_null(quantity: Words, condition: str, values: pd.Series) -> Cell:
    interval = student_interval(values.to_numpy(np.float64))
    words = ""
    if quantity.null is not None:
        words = verdict(interval, quantity.null, quantity.above, quantity.below)
    return Cell(
        condition=condition,
        interval=interval,
        text=describe(interval),
        words=words,
        by_replicate=tuple(values.dropna().tolist()),
    )


def _difference(name: str, values: pd.Series, reference: str, others: pd.Series) -> Cell:
    # One shared seed is enough: replicates without a partner are then left out.
    is_paired = bool(len(values.index.intersection(others.index)))
    own, theirs = values.to_numpy(np.float64), others.to_numpy(np.float64)
    pairs: tuple[float, ...] = ()
    if is_paired:
        interval = paired_difference(own, theirs, list(values.index), list(others.index))
        pairs = tuple((values - others).dropna().tolist())  # aligned by seed
    else:
        interval = difference(own, theirs)
    return Cell(
        condition=name,
        interval=interval,
        text=describe(interval),
        words=verdict(interval, 0.0, f"higher than {reference}", f"lower than {reference}"),
        reference=reference,
        is_paired=is_paired,
        by_replicate=pairs,
    )
