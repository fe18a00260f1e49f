"""Diagrams are committed as pictures that need no network, and each is the picture of its source."""

import hashlib
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.test_rooms import ROOMS

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SOURCES = sorted(IMAGES.glob("*.mmd"))


def test_there_is_a_diagram():
    assert SOURCES


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_picture_is_that_of_its_source_and_asks_for_nothing(source):
    text = source.with_suffix(".svg").read_text("utf-8")
    drawn = ElementTree.fromstring(text)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert drawn.get("data-source-sha256") == digest, "run python docs/render_diagrams.py"
    assert len(text) < 100_000
    assert set(re.findall(r"https?://[^\"')\s]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "<script" not in text
    assert "foreignObject" not in text
    assert "@import" not in text


def test_the_path_of_a_recipe_goes_through_rooms_that_exist():
    drawn = re.findall(r"^ *subgraph (\w+)$", (IMAGES / "architecture.mmd").read_text("utf-8"), re.MULTILINE)
    assert {"cli", "run", "prune", "store", "report"} <= set(drawn) <= set(ROOMS)
