"""Receptive fields whose locality is known: the page is true, and the measures tell them apart."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "locality_table.py"
LOCAL = {"window", "loose window", "square"}
CLUSTERED = {
    "wave, largest weights",
    "wave with noise, largest weights",
    "eight clumps",
    "stripes, largest weights",
    "twelve clumps",
    "border",
}
RANDOM = {"random", "random, plane"}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("locality_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(script):
    return {kind: script.measured(kind) for kind in script.KINDS}


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def test_the_page_holds_the_numbers_of_the_code(script, measured, monkeypatch):
    """Fits end in the same place on every machine only to a few digits: the page gives one."""
    monkeypatch.setattr(script, "measured", measured.__getitem__)
    page = script.PAGE.read_text("utf-8")
    on_page = page.split(script.BEGIN)[1].split(script.END)[0].splitlines()
    for shown, true in zip(on_page, script.table().splitlines(), strict=True):
        *exact, gaussian, gabor, word = cells(shown)
        *expected, true_gaussian, true_gabor, true_word = cells(true)
        assert (exact, word) == (expected, true_word), "run python docs/locality_table.py"
        if not gaussian.startswith(("Gaussian", "---")):
            for r_squared, truth in ((gaussian, true_gaussian), (gabor, true_gabor)):
                assert float(r_squared.replace("−", "-")) == pytest.approx(
                    float(truth.replace("−", "-")), abs=0.11
                )


def test_every_kind_has_its_word(script, measured):
    words = dict.fromkeys(LOCAL, "local") | dict.fromkeys(CLUSTERED, "clustered, not local")
    words |= dict.fromkeys(RANDOM, "not local")
    assert {kind: found.word for kind, found in measured.items()} == words
    assert words.keys() == script.KINDS.keys()


def test_near_is_fooled_and_the_three_numbers_are_not(measured):
    """Waves and clumps have more near than a loose window, which is local."""
    for kind in ("wave, largest weights", "eight clumps"):
        assert measured[kind].near > measured["loose window"].near + 0.5
        assert min(measured[kind].far, measured[kind].radius_of_gyration) > 0.9
    assert max(measured["loose window"].far, measured["loose window"].radius_of_gyration) < 0.75


def test_attained_share_is_between_that_of_random_masks_and_of_windows(measured):
    for kind in RANDOM:
        assert abs(measured[kind].attained_share) < 0.01
        assert measured[kind].pieces == pytest.approx(measured[kind].pieces_expected, rel=0.03)
    assert measured["window"].attained_share == pytest.approx(1)
    assert measured["window"].near == pytest.approx(measured["window"].near_ceiling)
    for kind in CLUSTERED:
        assert 0.1 < measured[kind].attained_share < 1
        assert measured[kind].pieces < measured[kind].pieces_expected


def test_border_huggers_are_wider_than_chance_and_windows_have_an_envelope(measured):
    assert measured["border"].radius_of_gyration > 1.1
    for kind in ("window", "square"):
        assert measured[kind].gaussian_beyond_shuffled > 0.2
        assert measured[kind].pieces == 1
    for kind in ("wave, largest weights", "stripes, largest weights"):
        assert measured[kind].gabor_beyond_shuffled > measured[kind].gaussian_beyond_shuffled + 0.2
