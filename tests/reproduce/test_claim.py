"""Findings: estimates of means, medians and ratios, their p-values, and the correction for their number."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sparsight.errors import InputError
from sparsight.measure import fieller_interval, median_interval, smallest_detectable_effect, student_interval
from sparsight.reproduce._claim import Prediction, Ratio, corrected, find, verdict_of
from sparsight.reproduce._estimate import estimate
from sparsight.reproduce._statistics import final
from sparsight.reproduce._verdict import Rule, judge
from tests.reproduce.planted import planted

RULES = [
    Rule("above", 0.1),
    Rule("above", 0.0, 0.2),
    Rule("above", -0.1),
    Rule("below", -0.1),
    Rule("below", 0.1),
    Rule("within", 0.2),
]


NEAR = final("near", "imp")


def _results(values):
    values = np.asarray(values, float)
    results = planted({("near", "imp"): 0.0, ("near", "twin"): 2.0}, num_replicates=len(values))
    results.near.loc[{"condition": "imp"}] = values[:, None]
    return results


def _prediction(name="near", rule=RULES[0], statistic=NEAR, **options):
    return Prediction(name=name, statement="", study="ring", statistic=statistic, rule=rule, **options)


@settings(max_examples=150)
@given(
    st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=12),
    st.sampled_from(RULES),
    st.sampled_from(["mean", "median", "ratio"]),
)
def test_a_verdict_has_a_p_value_below_alpha_exactly_if_the_interval_decides_it(values, rule, kind):
    statistic = final("near", "imp")
    if kind == "ratio":
        statistic = Ratio(statistic, final("near", "twin"))
    found = estimate(statistic, _results(values), "median" if kind == "median" else "mean", "near")
    verdict = judge(found.interval, rule)
    p = found.p_value(verdict, rule)
    ends = [found.interval.low, found.interval.high]
    bounds = [rule.margin, rule.none, -rule.none, rule.opposite, -rule.margin]
    if min(abs(end - bound) for end in ends for bound in bounds) < 1e-9:
        return  # on the boundary rounding decides
    assert (p <= 0.025) == (verdict != "undecided")


def test_estimates_have_the_interval_of_their_kind():
    values = [0.1, 0.3, 0.2, 0.5, 0.4, 0.35, 9.0]
    results = _results(values)
    twin = final("near", "twin")(results)
    assert find(_prediction(), results).effect == student_interval(values)
    assert find(_prediction(summary="median"), results).effect == median_interval(values)
    ratio = Ratio(final("near", "imp"), final("near", "twin"))
    found = find(_prediction(statistic=ratio), results)
    assert found.effect == fieller_interval(values, twin)
    assert found.values == pytest.approx(np.array(values) / twin)
    with pytest.raises(InputError, match="summary must be 'mean'"):
        find(_prediction(statistic=ratio, summary="median"), results)
    with pytest.raises(InputError, match=r"has shape \(1,\)"):
        find(_prediction(statistic=lambda results: np.zeros(1)), results)


def test_an_outlier_moves_the_mean_and_not_the_median():
    values = [0.30, 0.31, 0.29, 0.32, 0.30, 0.28, 0.31, 9.0]
    rule = Rule("above", 0.1)
    assert find(_prediction(rule=rule), _results(values)).verdict == "undecided"
    assert find(_prediction(rule=rule, summary="median"), _results(values)).verdict == "supported"


def test_missing_replicates_are_counted():
    found = find(_prediction(), _results([0.2, math.nan, 0.4]))
    assert (found.effect.num_replicates, found.effect.num_missing) == (2, 1)


def _findings(p_targets):
    """Findings of decisive predictions whose Student p-values for "above 0" are those given."""
    from scipy import stats

    findings = []
    spread = np.array([-1.0, -0.5, 0, 0.5, 1.0])
    error = spread.std(ddof=1) / math.sqrt(5)
    for place, p in enumerate(p_targets):
        shift = stats.t.isf(p, 4) * error
        prediction = _prediction(f"p{place}", Rule("above", 0.0))
        findings.append(find(prediction, _results(spread + shift)))
    return findings


def test_holm_turns_verdicts_into_undecided_and_never_back():
    findings = _findings([0.004, 0.02, 0.0001])
    assert [f.verdict_alone for f in findings] == ["supported"] * 3
    found = corrected(findings)
    assert [f.p_adjusted for f in found] == pytest.approx([0.008, 0.02, 0.0003], rel=1e-4)
    assert verdict_of(findings) == "supported"
    found = corrected(_findings([0.015, 0.02, 0.0001]))
    assert [f.p_adjusted for f in found] == pytest.approx([0.03, 0.03, 0.0003], rel=1e-4)
    assert [f.verdict for f in found] == ["undecided", "undecided", "supported"]
    assert [f.verdict_alone for f in found] == ["supported"] * 3
    assert corrected(found) == found
    assert verdict_of(found) == "undecided"


def test_what_is_not_decisive_and_other_variants_do_not_count():
    from dataclasses import replace

    alone, *others = _findings([0.02, 0.5, 0.4])
    aside = [replace(f, prediction=replace(f.prediction, decisive=False)) for f in others]
    variants = [replace(f, variant="half-width") for f in others]
    found = corrected([alone, *aside, *variants])
    assert [f.p_adjusted for f in found] == pytest.approx([0.02, 0.5, 0.4, 0.8, 0.8], rel=1e-4)
    assert found[0].verdict == "supported"
    assert verdict_of([alone, *aside, *variants]) == "supported"


def test_disagreeing_predictions_make_a_claim_mixed():
    strong, weak = np.array([1.0, 1.1, 0.9, 1.0]), np.array([0.01, -0.01, 0.0, 0.02])
    findings = [find(_prediction(), _results(values)) for values in (strong, weak)]
    assert verdict_of(findings) == "mixed"
    assert verdict_of(findings[1:]) == "equivalent"
    assert verdict_of([find(_prediction(), _results(-strong))]) == "contradicted"


def test_replicates_needed_are_those_that_detect_the_margin():
    values = np.array([0.3, -0.2, 0.1, 0.25, -0.1, 0.2])
    found = find(_prediction(rule=Rule("above", 0.1)), _results(values))
    sd = values.std(ddof=1)
    needed = found.num_replicates_needed
    assert smallest_detectable_effect(sd, needed) <= 0.1 < smallest_detectable_effect(sd, needed - 1)
    assert found.detectable == pytest.approx(smallest_detectable_effect(sd, 6))
    # both ends have to be inside ±0.1, which takes more
    assert find(_prediction(rule=Rule("within", 0.1)), _results(values)).num_replicates_needed > needed
    assert find(_prediction(rule=Rule("above", 0.5)), _results(values)).num_replicates_needed is None
    assert find(_prediction(rule=Rule("above", 0.001)), _results(values)).num_replicates_needed == math.inf
    assert find(_prediction(), _results(values[:1])).num_replicates_needed is None


def test_one_replicate_is_undecided():
    found = find(_prediction(), _results([3.0]))
    assert found.verdict == "undecided"
    assert math.isnan(found.p)
