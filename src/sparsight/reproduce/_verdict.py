"""From an interval to a verdict, by a rule that is data and is written down before anything is run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from sparsight.errors import InputError
from sparsight.measure import Interval

Verdict = Literal["supported", "contradicted", "equivalent", "undecided"]
"""The verdict on a prediction."""

ClaimVerdict = Literal["supported", "contradicted", "equivalent", "mixed", "undecided"]
"""The verdict on a claim."""

CLAIM_VERDICTS: tuple[ClaimVerdict, ...] = get_args(ClaimVerdict)

Expectation = Literal["above", "below", "within"]


@dataclass(frozen=True)
class Rule:
    r"""The size of an effect that a claim predicts, and the size that counts as none.

    Attributes
    ----------
    expects : {"above", "below", "within"}
        The effect is above `margin`; below `margin`; or within ±`margin` (practically no effect).
    margin : float
        In units of the effect.
    equivalence : float, optional
        Effects within ±`equivalence` are practically none. For rules that expect an effect, which are
        *above m* with m ≥ 0 and *below m* with m ≤ 0; by default \\|m\\|. At most \\|m\\|, unless m = 0.
    """

    expects: Expectation
    margin: float = 0.0
    equivalence: float | None = None

    def __post_init__(self) -> None:
        if self.expects == "within" and not self.margin > 0:
            raise InputError(
                f"margin is {self.margin}; an effect can be within ±margin only if the margin is above 0"
            )
        if self.equivalence is None:
            return
        if not self._expects_an_effect:
            raise InputError(
                f"equivalence is {self.equivalence}, but the rule {self} expects no effect; it is for "
                "'above' with a margin of at least 0, and for 'below' with a margin of at most 0"
            )
        if not self.equivalence > 0 or (self.margin and self.equivalence > abs(self.margin)):
            most = f" and at most {abs(self.margin)}, the margin" if self.margin else ""
            raise InputError(f"equivalence is {self.equivalence}; it must be above 0{most}")

    @property
    def none(self) -> float:
        """Effects within ± this number are practically none; 0 if the rule knows no such size."""
        if self.expects == "within":
            return self.margin
        if not self._expects_an_effect:
            return 0.0
        return abs(self.margin) if self.equivalence is None else self.equivalence

    @property
    def opposite(self) -> float:
        """The bound beyond which an effect contradicts the rule: above it for *below*, below it for *above*.

        Of *within* it is the margin, on either side.
        """
        if self.expects == "within" or not self._expects_an_effect:
            return self.margin
        size = max(abs(self.margin), self.none)
        return -size if self.expects == "above" else size

    @property
    def _expects_an_effect(self) -> bool:
        return (self.expects == "above" and self.margin >= 0) or (
            self.expects == "below" and self.margin <= 0
        )

    def __str__(self) -> str:
        bound = f"±{self.margin:g}" if self.expects == "within" else f"{self.margin:g}"
        none = f" (none: ±{self.none:g})" if self.expects != "within" and self.none else ""
        return f"{self.expects} {bound}{none}"


def judge(interval: Interval, rule: Rule) -> Verdict:
    r"""Return the verdict on one effect, from the position of its whole 95 % interval over replicates.

    ===============  ============================  =====================  ======================
    expects          supported                     equivalent             contradicted
    ===============  ============================  =====================  ======================
    above m, m ≥ 0   low > m, and not equivalent   −e < low and high < e  high < −max(m, e)
    below m, m ≤ 0   high < m, and not equivalent  −e < low and high < e  low > max(−m, e)
    above m, m < 0   low > m                       never                  high < m
    below m, m > 0   high < m                      never                  low > m
    within m         −m < low and high < m         never                  low > m or high < −m
    ===============  ============================  =====================  ======================

    Here e is the rule's `equivalence`; without one, e = \\|m\\|, and with m = 0 nothing is equivalent. The
    verdict is undecided otherwise, and without a bounded interval. So *above m* is equivalent, contradicted
    or supported exactly where *within m* is supported, contradicted from below or contradicted from above: an
    effect that is practically none by one rule does not contradict another of the same margin.
    """
    low, high = interval.low, interval.high
    if not math.isfinite(high - low):
        return "undecided"
    if rule.expects == "below":  # the mirror image of "above"
        low, high = -high, -low
    is_none = -rule.none < low and high < rule.none
    if rule.expects == "within":
        outside = low > rule.margin or high < -rule.margin
        return "supported" if is_none else "contradicted" if outside else "undecided"
    if is_none:
        return "equivalent"
    sign = 1 if rule.expects == "above" else -1
    if low > sign * rule.margin:
        return "supported"
    return "contradicted" if high < sign * rule.opposite else "undecided"


def combine(verdicts: Iterable[Verdict]) -> ClaimVerdict:
    """Return the verdict on a claim that makes several predictions.

    ===================================================  ============
    verdicts on its decisive predictions                 claim
    ===================================================  ============
    all supported                                        supported
    some supported, and some contradicted or equivalent  mixed
    none supported, some contradicted                    contradicted
    none supported or contradicted, some equivalent      equivalent
    otherwise, and without predictions                   undecided
    ===================================================  ============
    """
    found = set(verdicts)
    if found == {"supported"}:
        return "supported"
    against = found & {"contradicted", "equivalent"}
    if "supported" in found and against:
        return "mixed"
    if "contradicted" in found:
        return "contradicted"
    return "equivalent" if against else "undecided"
