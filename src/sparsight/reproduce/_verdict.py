"""From an interval to a verdict, by a rule that is data and is written down before anything is run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sparsight.errors import InputError
from sparsight.measure import Interval

Verdict = Literal["supported", "contradicted", "undecided"]
Expectation = Literal["above", "below", "within"]


@dataclass(frozen=True)
class Rule:
    """The size of an effect that a claim predicts.

    It is above `margin`; below `margin`; or within ±`margin` (practically no effect), in units of the effect.
    """

    expects: Expectation
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.expects == "within" and not self.margin > 0:
            raise InputError(
                f"margin is {self.margin}; an effect can be within ±margin only if the margin is above 0"
            )

    def __str__(self) -> str:
        bound = f"±{self.margin:g}" if self.expects == "within" else f"{self.margin:g}"
        return f"{self.expects} {bound}"


def judge(interval: Interval, rule: Rule) -> Verdict:
    """Return the verdict on one effect, from the position of its whole 95 % interval over replicates.

    ========  ===================  =======================================
    expects   supported            contradicted
    ========  ===================  =======================================
    above m   low > m              high < m
    below m   high < m             low > m
    within m  −m < low, high < m   low > m or high < −m
    ========  ===================  =======================================

    Undecided otherwise, and without an interval.
    """
    low, high, margin = interval.low, interval.high, rule.margin
    if math.isnan(low) or math.isnan(high):
        return "undecided"
    if rule.expects == "within":
        inside, outside = -margin < low and high < margin, low > margin or high < -margin
    elif rule.expects == "above":
        inside, outside = low > margin, high < margin
    else:
        inside, outside = high < margin, low > margin
    if inside:
        return "supported"
    return "contradicted" if outside else "undecided"


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a claim that makes several predictions.

    It is contradicted if any prediction is, supported if all are, and undecided otherwise or without
    predictions. There is no correction for their number: since all must be supported, more predictions make
    "supported" stricter.
    """
    found = list(verdicts)
    if "contradicted" in found:
        return "contradicted"
    return "supported" if found and set(found) == {"supported"} else "undecided"
