"""Array shapes and dtypes are checked at every call while the tests run."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the suite runs one process per core

from pathlib import Path

# nothing that a test makes goes to the user's cache
os.environ.setdefault("SPARSIGHT_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "sparsight"))

from jaxtyping import install_import_hook

for room in ("measure", "data", "pickles", "prune"):
    install_import_hook(f"sparsight.{room}", "beartype.beartype")

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "sparsight",
    deadline=None,  # a loaded machine is not a failure
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sparsight")

pytest_plugins = ["tests.short_runs", "tests.invented_runs"]


@pytest.fixture(autouse=True)
def _same_initial_weights():
    """A network that a test builds with torch's own initialisation is the same whatever ran before it."""
    torch.manual_seed(0)


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=12, help="How often each file of tests of kills kills.")
