"""The reference has every field of a recipe and every option of a data source, with its default."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from sparsight.data import SOURCES
from sparsight.recipe import Recipe, load_recipe

SCRIPT = Path(__file__).parents[2] / "docs" / "recipe_fields.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("recipe_fields", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(script):
    page = script.PAGE.read_text("utf-8")
    made = "".join(
        page.split(f"<!-- recipe_fields.py: {name} -->\n")[1].split("<!-- end -->")[0]
        for name in script.WRITTEN
    )
    found = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*) \|$", made, re.MULTILINE)
    return {name: (default, allowed) for name, default, allowed in found}


def test_the_page_is_what_the_settings_say(script):
    page = script.PAGE.read_text("utf-8")
    assert script.written(page) == page, "run python docs/recipe_fields.py"


def value_of(default):
    return None if default == "not set" else tomllib.loads(f"value = {default.strip('`')}")["value"]


def test_a_recipe_that_gives_only_what_is_needed_has_the_defaults_of_the_page(rows):
    needed = {name for name, (default, _) in rows.items() if default == "needed" and ": " not in name}
    assert needed == {"name", "data.source"}
    values = {"name": "least", "data": {"source": "photographs"}, "training": {"steps": 3}}
    resolved = Recipe.from_values(values, "least").resolved()
    for name, (default, _) in rows.items():
        table, _, field = name.rpartition(".")
        if ": " in name or name in needed or name in ("training.steps", "conditions"):
            continue
        in_recipe = resolved[table] if table else resolved
        shown = value_of(default)
        # A field that has no effect, or that later versions added, is not written out.
        assert field not in in_recipe or in_recipe[field] == shown, name
        assert field in in_recipe or shown in (None, []) or table in ("pruning", "data"), name


@pytest.mark.parametrize("recipe", ["photographs", "nlgp-1d"])
def test_every_option_of_a_shipped_recipe_is_on_the_page(rows, recipe):
    data = load_recipe(recipe).data
    own = set(data.model_extra)
    assert own
    for option in own:
        assert f"{data.source}: {option}" in rows


def test_every_source_is_on_the_page(rows):
    ours = {name for name, source in SOURCES.items() if source.__module__.startswith("sparsight.")}
    assert {name.partition(": ")[0] for name in rows if ": " in name} == ours


def test_what_is_allowed_is_said_as_the_settings_check_it(rows):
    assert rows["pruning.rate"][1] == "number > 0 < 1".replace("<", r"\<")
    assert rows["replicates"][1] == "whole number ≥ 1"
    assert rows["pruning.scope"][1] == "global, layer"
