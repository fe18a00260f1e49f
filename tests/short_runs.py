"""Short runs that the tests of this folder damage, kill and compare."""

import shutil
from pathlib import Path

import pytest

from sparsight.recipe import load_recipe
from sparsight.run import run_recipe
from tests import toy  # noqa: F401 - registers the data source of plane.toml

PLANE = Path(__file__).parent / "plane.toml"
SHORT = ("replicates=1", "measure.instruments=['locality']", "measure.num_samples=40")


@pytest.fixture(scope="session")
def short_recipe():
    return load_recipe(PLANE, SHORT)


@pytest.fixture(scope="session")
def short_run(short_recipe, tmp_path_factory):
    """Two conditions, one replicate, three levels; not to be changed."""
    path = tmp_path_factory.mktemp("short") / "run"
    run_recipe(short_recipe, path, jobs=1)
    return path


@pytest.fixture
def short_copy(short_run, tmp_path):
    shutil.copytree(short_run, tmp_path / "run")
    return tmp_path / "run"
