"""Claims: their statements, their predictions, and the findings on each prediction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import xarray as xr

from sparsight.measure import Interval, num_replicates_needed, smallest_detectable_effect
from sparsight.reproduce._estimate import (
    Estimate,
    Ratio as Ratio,
    Statistic as Statistic,
    Summary as Summary,
    estimate,
)
from sparsight.reproduce._holm import ALPHA, holm
from sparsight.reproduce._verdict import ClaimVerdict, Rule, Verdict, combine, judge


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One effect that a claim predicts."""

    name: str
    statement: str  # definition of the number, and its value without an effect
    study: str  # name of the study whose runs it is computed from
    # Effects between conditions are differences within a seed, so that influences of the seed cancel. A Ratio
    # is summarised as a ratio of means, with Fieller's interval.
    statistic: Statistic
    rule: Rule  # how the interval over replicates decides
    summary: Summary = "mean"  # over replicates; "median" where one replicate can be an outlier
    control: Statistic | None = None  # the same in a case where the claim predicts no effect
    control_statement: str = ""
    decisive: bool = True  # whether the claim's verdict depends on it; others are only reported
    robust: bool = False  # whether it is repeated on the variants of the study


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement with its predictions.

    Attributes
    ----------
    name : str
        As on the command line.
    source : str
        The paper or authors that make the claim.
    curves : tuple of (study, quantity)
        The quantities to draw over levels.
    curve_conditions : tuple of str
        The conditions to draw; empty for all of the study.
    scope : str
        The setting to which the verdict applies.
    computed : tuple of str
        Families of quantities that predictions read, that take minutes, and that are not part of a run:
        ``mask_overlap`` (see `sparsight.reproduce._mask_similarity`), ``ensemble``
        (`sparsight.reproduce._ensemble_results`) or ``rules`` (`sparsight.reproduce._rules`). They are
        computed from the levels that the run stored.
    """

    name: str
    statement: str
    source: str
    predictions: tuple[Prediction, ...]
    curves: tuple[tuple[str, str], ...] = ()
    curve_conditions: tuple[str, ...] = ()
    scope: str = ""
    computed: tuple[str, ...] = ()

    def studies(self) -> list[str]:
        """Return the names of the studies, in order of first mention."""
        return list(dict.fromkeys(prediction.study for prediction in self.predictions))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of a prediction in one study, or in one variant of it."""

    prediction: Prediction
    variant: str  # empty for the study itself
    values: tuple[float, ...]  # one per replicate; NaN where it has none
    effect: Interval  # 95 % interval over replicates: Student's, Fieller's of a ratio, or of the median
    control: Interval | None
    # Smallest true effect beyond the margin that as many replicates, with the same spread, would detect in 80
    # of 100 repetitions; NaN with fewer than two, and of a median.
    detectable: float
    # Replicates with which that is as small as the effect that matters: the rule's margin or, without one,
    # the effect found. None if the replicates suffice; infinite if 1000 do not.
    num_replicates_needed: float | None
    p: float  # one-sided p-value of what `verdict_alone` says; NaN with fewer than two replicates
    p_adjusted: float  # after Holm's correction for the decisive predictions; equal to `p` before it
    verdict_alone: Verdict  # from the interval alone
    verdict: Verdict  # after the correction

    @property
    def is_decisive(self) -> bool:
        """Whether the claim's verdict depends on it."""
        return self.prediction.decisive and not self.variant


def find(prediction: Prediction, results: xr.Dataset, variant: str = "") -> Finding:
    """Evaluate a prediction on the `results_of` its study, or of a variant; return the finding.

    It stands alone: `corrected` takes the other predictions of the claim into account.
    """
    found = estimate(prediction.statistic, results, prediction.summary, prediction.name)
    control = None
    if prediction.control is not None:
        control = estimate(prediction.control, results, prediction.summary, prediction.name).interval
    verdict = judge(found.interval, prediction.rule)
    p = found.p_value(verdict, prediction.rule)
    return Finding(
        prediction=prediction,
        variant=variant,
        values=tuple(found.values.tolist()),
        effect=found.interval,
        control=control,
        detectable=_detectable(found),
        num_replicates_needed=_needed(found, prediction.rule),
        p=p,
        p_adjusted=p,
        verdict_alone=verdict,
        verdict=verdict,
    )


def corrected(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings on one claim, corrected for the number of its decisive predictions.

    With Holm's correction, a wrong verdict anywhere among the decisive predictions has a probability of at
    most 2.5 % per side. A verdict whose adjusted p-value is larger becomes "undecided". Every variant is a
    family of its own. Predictions that decide nothing keep their verdicts.
    """
    adjusted = list(findings)
    for variant in dict.fromkeys(finding.variant for finding in findings):
        places = [
            place
            for place, finding in enumerate(findings)
            if finding.prediction.decisive and finding.variant == variant
        ]
        for place, p in zip(places, holm([findings[place].p for place in places]), strict=True):
            finding = findings[place]
            # A prediction alone keeps the verdict of its interval, whatever the rounding of p.
            verdict = finding.verdict_alone if p <= ALPHA or len(places) == 1 else "undecided"
            adjusted[place] = replace(finding, p_adjusted=p, verdict=verdict)
    return adjusted


def verdict_of(findings: Sequence[Finding]) -> ClaimVerdict:
    """Return the verdict on a claim: that of its decisive predictions, corrected, without variants."""
    return combine(f.verdict for f in corrected(findings) if f.is_decisive)


def _detectable(found: Estimate) -> float:
    if math.isnan(found.sd):
        return math.nan
    return smallest_detectable_effect(found.sd, found.interval.num_replicates)


def _needed(found: Estimate, rule: Rule) -> float | None:
    effect = abs(rule.margin) or rule.none or abs(found.interval.mean)
    if math.isnan(found.sd) or not effect > 0:
        return None
    # Both ends have to be inside: with 90 % each, both are in 80 % of repetitions or more.
    power = 0.9 if rule.expects == "within" else 0.8
    needed = num_replicates_needed(found.sd, effect, power=power)
    if needed is None:
        return math.inf
    return needed if needed > found.interval.num_replicates else None
