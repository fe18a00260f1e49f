import re
from pathlib import Path

import pytest

from sparsight.figures import CATALOGUE, QUANTITIES, words_of
from sparsight.instruments import all_instruments, registry_of_instrument

GLOSSARY = Path(__file__).parents[2] / "docs" / "reference" / "quantities.md"
MEASURED_ON_REQUEST = (
    "calibration.",
    "criticality.",
    "extrapolation.",
    "mask_graph.",
    "noise.",
    "ood.",
    "readout.",
    "recovery.",
    "robustness.",
    "shape_fits.",
    "sharpness.",
    "stability.",
    "tangent.",
)

LISTED = {*CATALOGUE.curves, *CATALOGUE.findings, *CATALOGUE.summary, *CATALOGUE.undefined}
IN_FAMILIES = {quantity for family in CATALOGUE.families for quantity in family.lines.values()}


def test_a_run_measures_every_quantity_that_is_listed(stored_run):
    """A misspelt name would leave a figure out without a word."""
    in_every_run = {name for name in LISTED | IN_FAMILIES if not name.startswith(MEASURED_ON_REQUEST)}
    assert set(stored_run.frame()["quantity"]) >= in_every_run


def test_the_glossary_which_is_made_from_the_instruments_has_every_quantity_that_is_listed():
    assert set(re.findall(r"`([a-z0-9_.]+)`", GLOSSARY.read_text(encoding="utf-8"))) >= LISTED | IN_FAMILIES


@pytest.mark.parametrize("quantity", CATALOGUE.curves)
def test_a_curve_has_a_title_a_label_and_a_caption(quantity):
    words = QUANTITIES[quantity]
    assert words.title
    assert words.label
    assert words.caption[0].isupper()
    assert words.caption.endswith(".")


@pytest.mark.parametrize("quantity", CATALOGUE.findings)
def test_a_finding_has_a_conclusion_on_either_side_of_its_null(quantity):
    words = QUANTITIES[quantity]
    assert words.title
    assert words.meaning
    assert (words.null is None) == (not words.above) == (not words.below)


def test_columns_of_the_table_have_distinct_headings():
    headings = [QUANTITIES[quantity].short for quantity in CATALOGUE.summary]
    assert all(headings)
    assert len(set(headings)) == len(headings)


def test_undefined_values_are_described():
    assert all(QUANTITIES[quantity].meaning for quantity in CATALOGUE.undefined)


def test_a_quantity_outside_the_catalogue_is_labelled_by_its_name():
    words = words_of("mine.own")
    assert (words.title, words.label, words.null) == ("mine.own", "mine.own", None)


def test_every_shipped_instrument_has_words():
    """Without any, `show` imports all instruments to see whose they are, which takes seconds."""
    shipped = {name for name in all_instruments() if registry_of_instrument(name).is_shipped(name)}
    assert shipped <= {name.partition(".")[0] for name in QUANTITIES}


def test_quantities_of_the_network_are_found_under_the_network():
    assert words_of("test_accuracy").layer("linear_0") == "network"
    assert words_of("locality.near").layer("linear_0") == "linear_0"
