"""Short runs that tests damage, kill and compare."""

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
    """A run of two conditions, one replicate and three levels. Tests must not change it."""
    path = tmp_path_factory.mktemp("short") / "run"
    run_recipe(short_recipe, path, jobs=1)
    return path


@pytest.fixture
def short_copy(short_run, tmp_path):
    """A copy of it that a test may change."""
    shutil.copytree(short_run, tmp_path / "run")
    return tmp_path / "run"
