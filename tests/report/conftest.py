"""Reports that several tests only read: each is drawn once."""

import pytest

from sparsight.geometry import Geometry
from sparsight.report import write_report
from tests.invented_runs import LOCALITY_ALONE
from tests.report.pages import LONG_NAME, Page


@pytest.fixture(scope="session")
def same_seeds(store, tmp_path_factory):
    """Another recipe with the seeds of the stored run: shallower, and with one condition of its own."""
    path = tmp_path_factory.mktemp("comparison") / "shallow"
    return store(path, levels=3, name=LONG_NAME, conditions=("imp", "other"), measure=LOCALITY_ALONE)


@pytest.fixture(scope="session")
def other_seeds(store, tmp_path_factory):
    """A ring with other seeds."""
    path = tmp_path_factory.mktemp("comparison") / "late"
    geometry = Geometry(1, (24,))
    return store(path, seed=7, name="late", replicates=3, geometry=geometry, measure=LOCALITY_ALONE)


@pytest.fixture(scope="session")
def compared(stored_run, same_seeds, other_seeds):
    return (stored_run, same_seeds, other_seeds)


@pytest.fixture(scope="session")
def reports(stored_runs, compared, tmp_path_factory):
    """Paths of the reports of the stored runs, and of one that compares several."""
    path = tmp_path_factory.mktemp("reports") / "comparison.html"
    return {
        **{name: write_report(run) for name, run in stored_runs.items()},
        "comparison": write_report(*compared, path=path),
    }


@pytest.fixture(scope="session")
def pages(reports):
    """The same reports, parsed."""
    return {name: Page(path.read_text(encoding="utf-8")) for name, path in reports.items()}
