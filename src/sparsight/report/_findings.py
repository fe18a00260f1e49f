"""What came out, in words and numbers computed from the summaries alone."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparsight.measure import Interval, describe, difference, mean_interval, paired_difference
from sparsight.report._subjects import Summaries
from sparsight.store import FEW_REPLICATES, NETWORK


@dataclass(frozen=True)
class Aspect:
    """A quantity that the page has something to say about.

    Attributes
    ----------
    quantity : str
        As in `Run.frame`.
    title : str
    meaning : str
        A sentence without its end: what is counted.
    reference : float or None
        The value without the effect; None if there is none.
    above, below : str
        What an interval wholly above, or below, the reference says.
    scope : {"network", "layer"}
    """

    quantity: str
    title: str
    meaning: str
    reference: float | None = None
    above: str = ""
    below: str = ""
    scope: str = "layer"


ASPECTS = (
    Aspect("test_accuracy", "Accuracy", "share of test samples classified correctly", scope=NETWORK),
    Aspect(
        "locality.near",
        "Near-locality",
        "pairs of kept inputs of a unit at most 1.5 pixels apart, over their number in random masks with the "
        "same fan-in",
        1.0,
        "neighbours more often than chance",
        "neighbours less often than chance",
    ),
    Aspect(
        "locality.near_configuration",
        "Near-locality, stricter null",
        "the same, over random masks that keep each input's number of weights too",
        1.0,
        "neighbours more often than the popularity of single inputs explains",
        "neighbours less often than the popularity of single inputs explains",
    ),
    Aspect(
        "locality.far",
        "Far-locality",
        "pairs of kept inputs at least a quarter of the image apart, over chance",
        1.0,
        "distant pairs more often than chance",
        "distant pairs less often than chance",
    ),
    Aspect(
        "locality.radius_of_gyration",
        "Radius of gyration",
        "root mean squared distance between kept inputs of a unit, over chance",
        1.0,
        "more spread out than chance",
        "more compact than chance",
    ),
    Aspect(
        "gaussianity.excess_kurtosis",
        "Kurtosis of pre-activations",
        "excess kurtosis, mean over units",
        0.0,
        "heavier tails than a Gaussian",
        "lighter tails than a Gaussian",
    ),
    Aspect(
        "gaussianity.excess_kurtosis_beyond_random_mask",
        "Kurtosis beyond a random mask",
        "excess kurtosis minus that of the same weights on randomly drawn inputs, the same number of them",
        0.0,
        "higher than fewer summands alone explain",
        "lower than fewer summands alone explain",
    ),
    Aspect(
        "cavity.delta_kurtosis_difference",
        "Cavity effect, kept minus pruned",
        "mean Δκ of the weights kept after the level, minus that of the weights pruned",
        0.0,
        "the weights kept raise their unit's kurtosis more than those pruned",
        "the weights kept raise their unit's kurtosis less than those pruned",
    ),
    Aspect(
        "cavity.delta_kurtosis_matched_difference",
        "The same at equal |w|",
        "compared within units among weights of similar size",
        0.0,
        "kept weights raise kurtosis more than pruned ones of their size",
        "kept weights raise kurtosis less than pruned ones of their size",
    ),
)


@dataclass(frozen=True)
class Cell:
    """A number of the comparison: of one subject, or of its difference to its reference.

    Attributes
    ----------
    condition : str
        The subject.
    interval : Interval
    text : str
        With its interval, as `sparsight.measure.describe` writes it.
    words : str
        What it says, in plain words.
    reference : str or None
        What was subtracted, in a difference.
    is_paired : bool
        Whether replicates of equal seeds were subtracted from each other.
    """

    condition: str
    interval: Interval
    text: str
    words: str
    reference: str | None = None
    is_paired: bool = False


@dataclass(frozen=True)
class Finding:
    """One aspect at the density that all subjects reached.

    Attributes
    ----------
    aspect : Aspect
    conditions, differences : list of Cell
        Each subject; and each that has a reference, minus that.
    """

    aspect: Aspect
    conditions: list[Cell]
    differences: list[Cell]


def findings(summaries: Summaries, layer: str) -> list[Finding]:
    """Return what every measured aspect says at the density that all subjects reached."""
    levels = summaries.compared_levels()
    found = []
    for aspect in ASPECTS:
        where = NETWORK if aspect.scope == NETWORK else layer
        if not summaries.has(aspect.quantity, where):
            continue
        values = {
            name: summaries.values(aspect.quantity, where, name, level) for name, level in levels.items()
        }
        found.append(
            Finding(
                aspect,
                [_against_reference(aspect, name, values[name]) for name in values],
                [
                    _difference(name, values[name], subject.reference, values[subject.reference])
                    for name, subject in summaries.subjects.items()
                    if subject.reference is not None
                ],
            )
        )
    return found


def verdict(interval: Interval, reference: float, above: str, below: str) -> str:
    """Return in words where an interval lies: all above a reference, all below, around it, or nowhere."""
    if interval.num_replicates == 0:
        return "no value"
    if interval.num_replicates == 1:
        if interval.mean == reference:
            return f"exactly {reference:g} in the one replicate"
        return f"in this one replicate: {above if interval.mean > reference else below}"
    if math.isnan(interval.low):
        return "no interval"
    if interval.low == interval.high == reference:
        return f"exactly {reference:g} in every replicate"
    if interval.low <= reference <= interval.high:
        return f"undecided: the interval holds {reference:g}"
    few = interval.num_replicates < FEW_REPLICATES
    hint = f" (a hint: {interval.num_replicates} replicates are few)" if few else ""
    return (above if interval.low > reference else below) + hint


def _against_reference(aspect: Aspect, condition: str, values: pd.Series) -> Cell:
    interval = mean_interval(values.to_numpy(np.float64))
    words = ""
    if aspect.reference is not None:
        words = verdict(interval, aspect.reference, aspect.above, aspect.below)
    return Cell(condition, interval, describe(interval), words)


def _difference(name: str, values: pd.Series, reference: str, others: pd.Series) -> Cell:
    is_paired = bool(len(values.index.intersection(others.index)))
    mine, theirs = values.to_numpy(np.float64), others.to_numpy(np.float64)
    if is_paired:
        interval = paired_difference(mine, theirs, list(values.index), list(others.index))
    else:
        interval = difference(mine, theirs)
    words = verdict(interval, 0.0, f"higher than {reference}", f"lower than {reference}")
    return Cell(name, interval, describe(interval), words, reference, is_paired)
