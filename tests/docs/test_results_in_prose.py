"""Whatever README and documentation say of results is in the stored tables."""

import re
from pathlib import Path

import pytest

from sparsight.reproduce._document import read_tables
from sparsight.reproduce._prose import fill_in, without_results

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md", "docs/index.md", "docs/science.md", "docs/tutorial.md", "docs/numbers.md",
    "docs/instruments.md", "docs/tickets.md", "docs/probes.md", "docs/rules.md",
    "docs/ensembles.md",
]  # fmt: skip
INTERVAL = re.compile(r"[-−]?\d[\d.]*(?:\s*%)? \[[-−]?\d[\d.]*, [-−]?\d[\d.]*\]")
RETRACTED = [
    "became local", "not what made most of it", "on the twin it should be 0", "lower it within classes",
    "rises more under random", "are not necessary", "predicts how much more local it is at the next",
    "and accuracy holds",
]  # fmt: skip
"""Sentences of earlier versions that went beyond their numbers."""


@pytest.mark.parametrize("page", [*PAGES, "docs/decisions.md"])
def test_every_result_is_that_of_its_table(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    claims = "docs/claims.md" if page == "README.md" else "claims.md"
    assert fill_in(text, read_tables(ROOT / "docs/claims"), claims) == text, "run `make claims`"


@pytest.mark.parametrize("page", PAGES)
def test_no_interval_stands_outside_a_place_for_results(page):
    text = without_results((ROOT / page).read_text(encoding="utf-8"))
    text = re.sub("`[^`\n]*`", "", text)  # code shows the format of an interval
    assert INTERVAL.findall(text) == []


@pytest.mark.parametrize("page", [*PAGES, "docs/claims.md"])
def test_no_page_repeats_a_statement_that_did_not_survive(page):
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert [phrase for phrase in RETRACTED if phrase in text] == []


def test_the_pattern_finds_an_interval():
    assert INTERVAL.findall("near 2.01 [1.9, 2.1], far −0.4 [−0.5, −0.3]") == [
        "2.01 [1.9, 2.1]",
        "−0.4 [−0.5, −0.3]",
    ]
