"""From one number per replicate to an interval, and to the p-value of what a rule makes of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from sparsight.errors import InputError
from sparsight.measure import (
    Interval,
    fieller_interval,
    mean_of_defined,
    mean_p,
    median_interval,
    median_p,
    ratio_p,
    student_interval,
)
from sparsight.reproduce._verdict import Rule, Verdict

Statistic = Callable[[xr.Dataset], np.ndarray]
"""A function from the stored results of a study to one number per replicate: float64, (replicate,)."""

Summary = Literal["mean", "median"]


@dataclass(frozen=True)
class Ratio:
    """A statistic whose mean over replicates is a ratio of two means, with Fieller's interval.

    Called, it returns the ratio within each replicate, which is drawn, but not averaged.
    """

    numerator: Statistic
    denominator: Statistic

    def __call__(self, results: xr.Dataset) -> np.ndarray:
        """Return the ratio within each replicate; NaN where the denominator is 0."""
        a, b = (np.asarray(part(results), np.float64) for part in (self.numerator, self.denominator))
        return np.where(b == 0, np.nan, a / np.where(b == 0, 1.0, b))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the replicates say about one number."""

    values: np.ndarray  # float64, (replicate,); NaN where there is none
    interval: Interval
    sd: float  # between replicates, of a ratio the linearised one; NaN of a median or fewer than two
    p_above: Callable[[float], float]  # one-sided p-value of "above this threshold"
    p_below: Callable[[float], float]

    def p_value(self, verdict: Verdict, rule: Rule) -> float:
        """Return the one-sided p-value of what a verdict says; of "undecided", of what is nearest.

        To be inside ±e, an effect has to be above −e and below e: the larger of the two p-values counts (two
        one-sided tests). NaN without an interval of any kind: fewer than two replicates.
        """
        if math.isnan(self.p_above(0.0)):
            return math.nan
        inside = max(self.p_above(-rule.none), self.p_below(rule.none)) if rule.none else 1.0
        if rule.expects == "within":
            outside = min(self.p_above(rule.margin), self.p_below(-rule.margin))
            p = {"supported": inside, "contradicted": outside}
        else:
            p_as_expected, p_opposite = self.p_above, self.p_below
            if rule.expects == "below":
                p_as_expected, p_opposite = p_opposite, p_as_expected
            p = {
                "supported": p_as_expected(rule.margin),
                "contradicted": p_opposite(rule.opposite),
                "equivalent": inside,
            }
        return p[verdict] if verdict in p else min(p.values())


def estimate(statistic: Statistic, results: xr.Dataset, summary: Summary, name: str) -> Estimate:
    """Return the estimate of a statistic on results; `name` is that of the prediction, for messages.

    Raises
    ------
    InputError
        If the statistic does not give one number per replicate, or a median of a ratio is asked for.
    """
    values = _one_per_replicate(statistic, results, name)
    if isinstance(statistic, Ratio):
        if summary == "median":
            raise InputError(f"prediction {name!r} is a ratio of means; its summary must be 'mean'")
        a = _one_per_replicate(statistic.numerator, results, name)
        b = _one_per_replicate(statistic.denominator, results, name)
        interval = fieller_interval(a, b)
        return Estimate(
            values=values,
            interval=interval,
            sd=_sd(a - interval.mean * b) / abs(mean_of_defined(b + 0 * a)),
            p_above=lambda threshold: ratio_p(a, b, threshold),
            p_below=lambda threshold: ratio_p(-a, b, -threshold),
        )
    find_interval, find_p = (student_interval, mean_p) if summary == "mean" else (median_interval, median_p)
    return Estimate(
        values=values,
        interval=find_interval(values),
        sd=_sd(values) if summary == "mean" else math.nan,
        p_above=lambda threshold: find_p(values, threshold),
        p_below=lambda threshold: find_p(-values, -threshold),
    )


def _sd(values: np.ndarray) -> float:
    present = values[~np.isnan(values)]
    return float(present.std(ddof=1)) if len(present) > 1 else math.nan


def _one_per_replicate(statistic: Statistic, results: xr.Dataset, name: str) -> np.ndarray:
    values = np.asarray(statistic(results), np.float64)
    if values.shape != (results.sizes["replicate"],):
        raise InputError(
            f"the statistic of {name!r} has shape {values.shape}; one number for each of the "
            f"{results.sizes['replicate']} replicates is needed"
        )
    return values
