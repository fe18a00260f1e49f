"""The benchmarks run on the package as it is. Their figures are not judged here."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks.structure import counts, public_names

ROOT = Path(__file__).parents[1]
NEEDS_TENSORFLOW = {"peer_step"}
NAMES = (
    {module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - NEEDS_TENSORFLOW - {"__main__"}
)
FUNCTION = """def shown(a, b, c, d, e, f, g, *, h):
    # why
    return shown(a, b, c, d, e, f, g=g, h=h)
"""


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_benchmark_can_be_imported(name):
    assert importlib.import_module(f"benchmarks.{name}").__doc__


@pytest.mark.slow
@pytest.mark.parametrize("name", ["step", "pairs", "fields", "together", "peers", "probes", "parts"])
def test_a_quick_benchmark_writes_its_table(name, tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--threads", "1", "--only", name]
    subprocess.run(
        [*command, "--out", str(tmp_path / "results.md")], cwd=ROOT, check=True, capture_output=True
    )
    assert "| --- |" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_structure_counts_a_package_made_by_hand(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text("from pack.room._inside import shown as shown\n")
    (tmp_path / "room" / "_inside.py").write_text(f'"""A module."""\n\n\n{FUNCTION}')
    (tmp_path / "__init__.pyi").write_text("from .room import shown as shown\n")
    (tmp_path / "base.py").write_text("LIMIT = 3\n_hidden = 4\n")
    assert public_names(tmp_path) == {("room", "shown"), ("base", "LIMIT")}
    found = counts(tmp_path)
    assert found["files / median / biggest"] == "3 / 2 / 6"
    assert found["functions with ≥ 8 parameters (most)"] == "1 (8)"
    assert found["calls with ≥ 6 positional arguments"] == "1"
    assert found["comments per 100 code lines"] == "20.0"
    assert found["biggest room"] == "room, 77.8 %"
