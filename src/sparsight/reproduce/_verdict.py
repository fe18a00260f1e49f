"""From an interval to a verdict: the rule is data, written down before anything is run."""

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
    """What a claim predicts of one effect.

    Attributes
    ----------
    expects : {"above", "below", "within"}
        The effect is above `margin`; below `margin`; or within ±`margin` (that is: as good as none).
    margin : float
        In units of the effect. For "within" above 0.
    """

    expects: Expectation
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.expects == "within" and not self.margin > 0:
            raise InputError(
                f"margin is {self.margin}; an effect can be within ±margin only if that is above 0"
            )

    def __str__(self) -> str:
        bound = f"±{self.margin:g}" if self.expects == "within" else f"{self.margin:g}"
        return f"{self.expects} {bound}"


def judge(interval: Interval, rule: Rule) -> Verdict:
    """Return the verdict on one effect: where its whole interval lies.

    Parameters
    ----------
    interval : Interval
        95 %, over replicates.
    rule : Rule

    Returns
    -------
    {"supported", "contradicted", "undecided"}
        ========  ===================  =======================================
        expects   supported            contradicted
        ========  ===================  =======================================
        above m   low > m              high < m
        below m   high < m             low > m
        within m  −m < low, high < m   low > m or high < −m
        ========  ===================  =======================================

        Else, and without an interval, undecided.
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
    """Return the verdict on a claim that says several things at once.

    Contradicted if any of them is; supported if all are; else, and for none, undecided. No correction is
    made for their number: that they must all be supported makes "supported" the stricter.
    """
    found = list(verdicts)
    if "contradicted" in found:
        return "contradicted"
    return "supported" if found and set(found) == {"supported"} else "undecided"
