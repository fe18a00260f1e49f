"""What came out of a run, in words and numbers computed from its summaries alone."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sparsight.measure.effects import Interval, describe, mean_interval, paired_difference
from sparsight.report.summary import FEW_REPLICATES, intervals_by_level
from sparsight.run.results import NETWORK, Run


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
    """A number of the comparison: of one condition, or of its difference to the first.

    Attributes
    ----------
    condition : str
    interval : Interval
    text : str
        With its interval, as `sparsight.measure.effects.describe` writes it.
    words : str
        What it says, in plain words.
    """

    condition: str
    interval: Interval
    text: str
    words: str


@dataclass(frozen=True)
class Finding:
    """One aspect at the level that all conditions reached.

    Attributes
    ----------
    aspect : Aspect
    conditions, differences : list of Cell
        Each condition, and each condition but the first minus the first, paired by seed.
    """

    aspect: Aspect
    conditions: list[Cell]
    differences: list[Cell]


class Summaries:
    """The summaries of a run, one layer at a time; each interval is made once.

    Attributes
    ----------
    frame : pandas.DataFrame
        As from `Run.frame`.
    layers : list of str
    conditions : list of str
        Those with at least one level, in the recipe's order.
    """

    def __init__(self, run: Run) -> None:
        self.frame = run.frame()
        self.layers = run.layers()
        present = set(self.frame["condition"])
        self.conditions = [name for name in run.recipe.condition_names() if name in present]
        self.intervals = functools.cache(self._intervals)

    def last_common_level(self) -> int | None:
        """Return the last level that every condition with levels reached in every replicate it began."""
        if not self.conditions:
            return None
        return int(self.frame.groupby(["condition", "replicate"])["level"].max().min())

    def last_level(self, condition: str) -> int:
        """Return the last level of a condition in any replicate."""
        return int(self.frame.loc[self.frame["condition"] == condition, "level"].max())

    def density(self, condition: str, level: int) -> float:
        """Return the mean density over replicates."""
        rows = self.frame[(self.frame["condition"] == condition) & (self.frame["level"] == level)]
        return float(rows["density"].mean())

    def values(self, quantity: str, layer: str, condition: str, level: int) -> pd.Series:
        """Return the values of one quantity by replicate; empty if it was not measured."""
        chosen = self.frame[
            (self.frame["quantity"] == quantity)
            & (self.frame["layer"] == layer)
            & (self.frame["condition"] == condition)
            & (self.frame["level"] == level)
        ]
        return chosen.set_index("replicate")["value"]

    def has(self, quantity: str, layer: str) -> bool:
        """Return whether a quantity has at least one value."""
        chosen = self.frame[(self.frame["quantity"] == quantity) & (self.frame["layer"] == layer)]
        return bool(chosen["value"].notna().any())

    def _intervals(self, quantity: str, layer: str) -> pd.DataFrame:
        return intervals_by_level(self.frame, quantity, layer)


def findings(summaries: Summaries, layer: str) -> list[Finding]:
    """Return what every measured aspect says at the last level that all conditions reached."""
    level = summaries.last_common_level()
    if level is None:
        return []
    found = []
    for aspect in ASPECTS:
        where = NETWORK if aspect.scope == NETWORK else layer
        if not summaries.has(aspect.quantity, where):
            continue
        values = {
            name: summaries.values(aspect.quantity, where, name, level) for name in summaries.conditions
        }
        first = summaries.conditions[0]
        found.append(
            Finding(
                aspect,
                [_against_reference(aspect, name, values[name]) for name in values],
                [_difference(name, values[name], first, values[first]) for name in values if name != first],
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


def _difference(name: str, values: pd.Series, first: str, first_values: pd.Series) -> Cell:
    shared = values.index.intersection(first_values.index)
    if not len(shared):
        nothing = Interval(math.nan, math.nan, math.nan, 0.95, 0)
        return Cell(name, nothing, nothing.statement, "no replicate in common")
    interval = paired_difference(
        values.to_numpy(np.float64),
        first_values.to_numpy(np.float64),
        values.index.to_numpy(),
        first_values.index.to_numpy(),
    )
    words = verdict(interval, 0.0, f"higher than {first}", f"lower than {first}")
    return Cell(name, interval, describe(interval), words)
