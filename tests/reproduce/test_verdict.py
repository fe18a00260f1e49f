import itertools
import math

import pytest
from hypothesis import assume, given, strategies as st

from sparsight.errors import InputError
from sparsight.measure import Interval
from sparsight.reproduce._verdict import Rule, combine, judge

NUMBERS = st.floats(-3, 3, allow_nan=False).map(lambda value: round(value, 2))
SIZES = st.sampled_from([0.05, 0.1, 0.5, 1.0])
VERDICTS = ("supported", "contradicted", "equivalent", "undecided")


@st.composite
def rules(draw):
    expects = draw(st.sampled_from(["above", "below", "within"]))
    if expects == "within":
        return Rule("within", draw(SIZES))
    margin = draw(st.sampled_from([-1.0, -0.1, 0.0, 0.1, 1.0]))
    possible = margin >= 0 if expects == "above" else margin <= 0
    equivalence = draw(st.one_of(st.none(), SIZES)) if possible else None
    assume(equivalence is None or not margin or equivalence <= abs(margin))
    return Rule(expects, margin, equivalence)


def _interval(low, high):
    return Interval(mean=(low + high) / 2, low=low, high=high, confidence=0.95, num_replicates=10)


def _judge(low, high, rule):
    return judge(_interval(low, high), rule)


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        (Rule("above", 0.1), 0.2, 0.4, "supported"),
        (Rule("above", 0.1), 0.05, 0.4, "undecided"),
        (Rule("above", 0.1), -0.05, 0.09, "equivalent"),
        (Rule("above", 0.1), -0.3, 0.05, "undecided"),
        (Rule("above", 0.1), -0.3, -0.05, "undecided"),  # below 0, but perhaps practically none
        (Rule("above", 0.1), -0.3, -0.11, "contradicted"),
        (Rule("above", 0.1, 0.05), -0.04, 0.04, "equivalent"),
        (Rule("above", 0.1, 0.05), -0.04, 0.09, "undecided"),
        (Rule("above", 0.1, 0.05), -0.09, -0.06, "undecided"),  # within ±0.1 would call it none
        (Rule("above"), -0.04, 0.04, "undecided"),
        (Rule("above"), -0.2, -0.1, "contradicted"),
        (Rule("above", 0.0, 0.1), -0.04, 0.04, "equivalent"),
        (Rule("above", 0.0, 0.1), 0.01, 0.04, "equivalent"),  # above 0, but practically none
        (Rule("above", 0.0, 0.1), 0.01, 0.2, "supported"),
        (Rule("above", 0.0, 0.1), -0.2, -0.01, "undecided"),
        (Rule("above", 0.0, 0.1), -0.3, -0.2, "contradicted"),
        (Rule("below", -0.1), -0.4, -0.2, "supported"),
        (Rule("below", -0.1), -0.05, 0.05, "equivalent"),
        (Rule("below", -0.1), 0.11, 0.4, "contradicted"),
        (Rule("above", -0.02), -0.01, 0.4, "supported"),
        (Rule("above", -0.02), -0.3, -0.03, "contradicted"),
        (Rule("below", 0.5), 0.2, 0.4, "supported"),
        (Rule("below", 0.5), 0.6, 0.7, "contradicted"),
        (Rule("within", 0.1), -0.05, 0.09, "supported"),
        (Rule("within", 0.1), -0.05, 0.11, "undecided"),
        (Rule("within", 0.1), 0.11, 0.2, "contradicted"),
        (Rule("within", 0.1), -0.2, -0.11, "contradicted"),
        (Rule("above"), math.nan, math.nan, "undecided"),
        (Rule("above"), -math.inf, math.inf, "undecided"),
    ],
)
def test_judge_looks_at_where_the_whole_interval_lies(rule, low, high, verdict):
    assert _judge(low, high, rule) == verdict


@given(NUMBERS, NUMBERS, rules())
def test_every_interval_gets_exactly_the_verdict_of_the_table(a, b, rule):
    low, high = sorted((a, b))
    m, e = rule.margin, rule.none
    inside = -e < low and high < e
    if rule.expects == "within":
        rows = {"supported": inside, "contradicted": low > m or high < -m}
    elif rule.expects == "above":
        against = -max(m, e) if m >= 0 else m
        rows = {"equivalent": inside, "supported": low > m and not inside, "contradicted": high < against}
    else:
        against = max(-m, e) if m <= 0 else m
        rows = {"equivalent": inside, "supported": high < m and not inside, "contradicted": low > against}
    found = [verdict for verdict, holds in rows.items() if holds]
    assert len(found) <= 1  # the verdicts exclude each other
    assert _judge(low, high, rule) == (found[0] if found else "undecided")


@given(NUMBERS, NUMBERS, SIZES)
def test_above_within_and_below_of_one_margin_agree(a, b, margin):
    low, high = sorted((a, b))
    within = _judge(low, high, Rule("within", margin))
    above, below = _judge(low, high, Rule("above", margin)), _judge(low, high, Rule("below", -margin))
    same = {"supported": ("equivalent", "equivalent"), "undecided": ("undecided", "undecided")}
    if within == "contradicted":
        assert (above, below) == (("supported", "contradicted") if low > 0 else ("contradicted", "supported"))
    else:
        assert (above, below) == same[within]


@given(NUMBERS, NUMBERS, rules())
def test_nothing_is_contradicted_that_counts_as_none(a, b, rule):
    low, high = sorted((a, b))
    size = abs(rule.margin) or rule.none
    if size and _judge(low, high, Rule("within", size)) == "supported":
        assert _judge(low, high, rule) != "contradicted"


@given(NUMBERS, NUMBERS, rules())
def test_flipping_the_sign_of_effect_and_margin_turns_above_into_below(a, b, rule):
    low, high = sorted((a, b))
    flipped = {"above": "below", "below": "above", "within": "within"}[rule.expects]
    margin = rule.margin if rule.expects == "within" else -rule.margin
    mirrored = Rule(flipped, margin, rule.equivalence)
    assert _judge(-high, -low, mirrored) == _judge(low, high, rule)


@given(NUMBERS, st.floats(0, 1), st.floats(0, 2), rules())
def test_a_larger_effect_is_never_worse(low, width, shift, rule):
    if rule.expects == "within":
        return
    if rule.expects == "below":
        shift = -shift
    before, after = (_judge(start, start + width, rule) for start in (low, low + shift))
    order = {"contradicted": 0, "equivalent": 1, "supported": 2}
    if "undecided" not in (before, after):
        assert order[after] >= order[before]
    if before == "supported":
        assert after == "supported"
    if after == "contradicted":
        assert before == "contradicted"


@given(NUMBERS, NUMBERS, st.floats(0, 0.5), st.floats(0, 0.5), rules())
def test_a_shorter_interval_inside_stays_decided_and_does_not_turn_round(a, b, from_low, from_high, rule):
    low, high = sorted((a, b))
    width = high - low
    before = _judge(low, high, rule)
    after = _judge(low + from_low * width, high - from_high * width, rule)
    allowed = {
        "supported": {"supported", "equivalent"},
        "equivalent": {"equivalent"},
        "contradicted": {"contradicted"},
        "undecided": set(VERDICTS),
    }
    assert after in allowed[before]


def test_combine_follows_its_table():
    for verdicts in itertools.product(VERDICTS, repeat=3):
        supported = verdicts.count("supported")
        against = verdicts.count("contradicted") + verdicts.count("equivalent")
        if supported == 3:
            expected = "supported"
        elif supported and against:
            expected = "mixed"
        elif "contradicted" in verdicts:
            expected = "contradicted"
        else:
            expected = "equivalent" if against else "undecided"
        assert combine(verdicts) == expected
    assert combine([]) == "undecided"


def test_a_rule_says_what_counts_as_none():
    assert str(Rule("above", 0.1)) == "above 0.1 (none: ±0.1)"
    assert str(Rule("above")) == "above 0"
    assert str(Rule("within", 0.1)) == "within ±0.1"
    assert str(Rule("below", 0.5)) == "below 0.5"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("within",), "margin is 0"),
        (("within", 0.1, 0.1), "expects no effect"),
        (("above", -0.1, 0.1), "expects no effect"),
        (("below", 0.1, 0.1), "expects no effect"),
        (("above", 0.1, 0.2), "at most 0.1"),
        (("above", 0.0, 0.0), "must be above 0"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(arguments, match):
    with pytest.raises(InputError, match=match):
        Rule(*arguments)
