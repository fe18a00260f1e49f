import itertools
import math

import pytest
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.measure import Interval
from sparsight.reproduce._verdict import Rule, combine, judge

NUMBERS = st.floats(-10, 10, allow_nan=False)


def _interval(low, high):
    return Interval(mean=(low + high) / 2, low=low, high=high, confidence=0.95, num_replicates=10)


@pytest.mark.parametrize(
    ("expects", "margin", "low", "high", "verdict"),
    [
        ("above", 0.1, 0.2, 0.4, "supported"),
        ("above", 0.1, 0.05, 0.4, "undecided"),
        ("above", 0.1, -0.3, 0.05, "contradicted"),
        ("below", -0.1, -0.4, -0.2, "supported"),
        ("below", -0.1, -0.05, 0.4, "contradicted"),
        ("within", 0.1, -0.05, 0.09, "supported"),
        ("within", 0.1, -0.05, 0.11, "undecided"),
        ("within", 0.1, 0.11, 0.2, "contradicted"),
        ("within", 0.1, -0.2, -0.11, "contradicted"),
        ("above", 0.0, math.nan, math.nan, "undecided"),
    ],
)
def test_judge_looks_at_where_the_whole_interval_lies(expects, margin, low, high, verdict):
    assert judge(_interval(low, high), Rule(expects, margin)) == verdict


@given(NUMBERS, NUMBERS, NUMBERS)
def test_flipping_the_sign_of_effect_and_margin_turns_above_into_below(a, b, margin):
    low, high = sorted((a, b))
    above = judge(_interval(low, high), Rule("above", margin))
    assert judge(_interval(-high, -low), Rule("below", -margin)) == above


@given(NUMBERS, NUMBERS)
def test_flipping_the_sign_of_an_effect_flips_the_verdict(a, b):
    low, high = sorted((a, b))
    flipped = {"supported": "contradicted", "contradicted": "supported", "undecided": "undecided"}
    for expects in ("above", "below"):
        verdict = judge(_interval(low, high), Rule(expects))
        assert judge(_interval(-high, -low), Rule(expects)) == flipped[verdict]


def test_combine_needs_all_and_lets_one_contradict():
    three = ("supported", "contradicted", "undecided")
    for verdicts in itertools.product(three, repeat=2):
        expected = "undecided"
        if "contradicted" in verdicts:
            expected = "contradicted"
        elif verdicts == ("supported", "supported"):
            expected = "supported"
        assert combine(verdicts) == expected
    assert combine([]) == "undecided"


def test_within_needs_a_margin():
    with pytest.raises(InputError, match="margin is 0"):
        Rule("within")
