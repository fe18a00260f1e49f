"""The glossary names every quantity that instruments return and runs store, with its definition."""

import importlib.util
import re
from pathlib import Path

import pytest

from sparsight.figures import CATALOGUE, QUANTITIES
from sparsight.instruments import all_instruments

SCRIPT = Path(__file__).parents[2] / "docs" / "quantities.py"
ELSEWHERE = ("one_neuron.", "sample_complexity.", "rules.", "locality.verdict", "ensemble.", "bandit.")
"""Quantities of a study that is no run, those computed from stored levels, and the word for three of them."""


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("quantities", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def listed(script):
    return set(re.findall(r"^\| `([\w.]+)` \|", script.PAGE.read_text("utf-8"), re.MULTILINE))


def test_the_page_is_what_the_instruments_say(script):
    page = script.PAGE.read_text("utf-8")
    on_page = page.split(script.BEGIN)[1].split(script.END)[0]
    assert on_page == script.glossary(), "run python docs/quantities.py"


def test_every_instrument_of_the_registry_is_listed(script, listed):
    assert {"locality", "gaussianity", "cavity", "cavity_within_class", "shape_fits"} <= script.BUILT_IN
    assert {name.partition(".")[0] for name in listed if "." in name} == script.BUILT_IN
    assert set(all_instruments()) >= script.BUILT_IN


def test_every_number_of_a_run_is_listed_and_no_other_of_the_network(stored_runs, listed):
    frames = {name: run.frame() for name, run in stored_runs.items()}
    for name, frame in frames.items():
        assert not set(frame["quantity"]) - listed, name
    of_network = {name for name in listed if "." not in name}
    frame = frames["colour"]
    assert of_network == set(frame[frame["layer"] == "network"]["quantity"])


def test_every_array_of_a_run_is_listed(stored_run, listed):
    assert not {str(name) for name in stored_run.dataset(maps=True)} - listed - {"density"}


def test_every_quantity_that_figures_have_words_for_exists(listed):
    families = {quantity for family in CATALOGUE.families for quantity in family.lines.values()}
    assert not {name for name in {*QUANTITIES, *families} - listed if not name.startswith(ELSEWHERE)}
