"""Runs, sweeps and files are made, read and written by paths as text."""

from pathlib import Path

import pytest

import sparsight
from sparsight import interchange, sweep


def test_runs_are_made_read_and_written_by_text(short_recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plugin = tmp_path / "plug.py"
    plugin.write_text("loaded = True\n")
    directory = sparsight.run_recipe(short_recipe, "runs/mine", jobs=1, plugins=[str(plugin)])
    assert directory.path == Path("runs/mine")
    made = sparsight.open_run("runs/mine")
    assert sparsight.write_report(made, path="report.html").is_file()
    assert all(path.is_file() for path in sparsight.write_figures(made, "figures", ["svg"]))
    assert sparsight.write_movie(made, "movie.gif").is_file()
    assert interchange.export_level(made, condition="imp", replicate=0, out="a.pt").is_file()
    assert interchange.read_state("a.pt").keys() == interchange.read_state(Path("a.pt")).keys()


@pytest.mark.parametrize("kind", [str, Path])
def test_sweeps_are_planned_and_opened_by_text(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    plane = Path(__file__).parent / "plane.toml"
    Path("rates.toml").write_text(f'recipe = "{plane}"\n[grid]\npruning.rate = [0.2, 0.3]\n')
    plan = sweep.plan_sweep(kind("rates.toml"), kind("out"))
    assert plan.directory.path == Path("out")
    assert sweep.folder_of(kind("out")) == Path("out")
    assert sweep.open_sweep(kind("out")).path == Path("out")
