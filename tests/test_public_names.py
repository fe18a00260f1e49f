"""What ``import sparsight`` offers is there, whatever else was imported before."""

import importlib
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

import sparsight

SOURCE = Path(sparsight.__file__).parent
LAZY = sorted(path.parent.name for path in SOURCE.glob("*/__init__.pyi"))


def test_every_public_name_is_what_it_says_even_after_every_room_was_imported():
    sparsight.load_recipe("nlgp-1d")  # imports the rooms, which become attributes of the package
    for name in sparsight.__all__:
        value = getattr(sparsight, name)
        assert not isinstance(value, types.ModuleType), name
        assert value.__doc__, name


def test_names_are_loaded_when_asked_for():
    code = (
        "import sparsight, sys; assert 'torch' not in sys.modules; "
        "sparsight.imp; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("room", LAZY)
def test_every_name_that_a_room_lists_is_in_it(room):
    face = importlib.import_module(f"sparsight.{room}")
    assert face.__all__
    assert all(hasattr(face, name) for name in face.__all__)


def test_the_lists_of_names_are_shipped():
    packaging = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    patterns = packaging["tool"]["setuptools"]["package-data"]["sparsight"]
    shipped = {path for pattern in patterns for path in SOURCE.glob(pattern)}
    assert LAZY
    assert set(SOURCE.rglob("*.pyi")) <= shipped


@pytest.mark.parametrize(
    "code",
    [
        "from sparsight.data import SOURCES; assert {'nlgp', 'photographs'} <= set(SOURCES)",
        "from sparsight.prune import CRITERIA; assert {'magnitude', 'snip'} <= set(CRITERIA)",
        "from sparsight.instruments import INSTRUMENTS; assert {'locality', 'cavity'} <= set(INSTRUMENTS)",
        "from sparsight.instruments import NETWORK_INSTRUMENTS as all; assert {'sharpness'} <= set(all)",
        "from sparsight.instruments import registry_of_instrument as of; assert of('cavity')['cavity']",
    ],
)
def test_a_registry_is_complete_whatever_was_imported_first(code):
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "code",
    [
        "from sparsight.instruments import instrument; instrument('locality')(print)",
        "from sparsight import criterion; criterion('snip')(print)",
        "from sparsight.data import data_source; data_source('nlgp')(print)",
    ],
)
def test_a_shipped_name_cannot_be_taken_by_a_first_import(code):
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is registered already" in answer.stderr
