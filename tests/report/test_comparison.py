"""Several runs in one page."""

import math
import shutil

import numpy as np
import pytest

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.measure import difference, paired_difference
from sparsight.report import write_report
from sparsight.report._caveats import caveats
from sparsight.report._findings import findings
from sparsight.report._page import render
from sparsight.report._subjects import Summaries, run_names
from sparsight.store import Run, RunDirectory, open_run
from tests.invented_runs import LOCALITY_ALONE
from tests.report.pages import LONG_NAME as SHALLOW, Page


@pytest.fixture(scope="module")
def comparison(compared):
    return Summaries(*compared)


@pytest.fixture
def page(pages):
    return pages["comparison"]


def values(run, condition, level, quantity="locality.near"):
    frame = run.frame()
    rows = frame[
        (frame["condition"] == condition) & (frame["level"] == level) & (frame["quantity"] == quantity)
    ]
    seeds = [run.recipe.replicate_seed(replicate) for replicate in rows["replicate"]]
    return rows["value"].to_numpy(), seeds


def test_run_names_are_short_and_distinct(stored_run, same_seeds, tmp_path):
    assert run_names([stored_run, same_seeds]) == ["made-up", SHALLOW]
    shutil.copytree(stored_run.path, tmp_path / "copy")
    copied = open_run(tmp_path / "copy")
    assert run_names([stored_run, copied]) == [stored_run.path.name, "copy"]
    shutil.copytree(stored_run.path, tmp_path / "elsewhere" / stored_run.path.name)
    third = open_run(tmp_path / "elsewhere" / stored_run.path.name)
    assert run_names([stored_run, third]) == ["made-up (1)", "made-up (2)"]


def test_each_condition_is_compared_with_its_like_in_the_first_run(comparison):
    references = {name: subject.reference for name, subject in comparison.subjects.items()}
    assert references == {
        "made-up: imp": None,
        "made-up: random": "made-up: imp",
        f"{SHALLOW}: imp": "made-up: imp",
        f"{SHALLOW}: other": f"{SHALLOW}: imp",
        "late: imp": "made-up: imp",
        "late: random": "made-up: random",
    }


def test_runs_are_compared_at_the_lowest_density_that_all_reached(comparison, stored_run, same_seeds):
    assert set(comparison.compared_levels().values()) == {2}  # shallow has levels 0, 1, 2
    assert set(Summaries(stored_run).compared_levels().values()) == {3}
    record = same_seeds.directory.records("imp", 0)[1]
    assert record.density == comparison.density(f"{SHALLOW}: imp", 1)


def test_differences_are_paired_only_where_seeds_are_shared(comparison, stored_run, same_seeds, other_seeds):
    (near,) = [each for each in findings(comparison, "linear_0") if each.quantity.name == "locality.near"]
    cells = {cell.condition: cell for cell in near.differences}
    first, seeds = values(stored_run, "imp", 2)
    shallow, shallow_seeds = values(same_seeds, "imp", 2)
    assert seeds == shallow_seeds
    assert cells[f"{SHALLOW}: imp"].is_paired
    assert cells[f"{SHALLOW}: imp"].interval == paired_difference(shallow, first, shallow_seeds, seeds)
    late, late_seeds = values(other_seeds, "imp", 2)
    assert not set(late_seeds) & set(seeds)
    assert not cells["late: imp"].is_paired
    assert cells["late: imp"].interval == difference(late, first)


def test_the_page_holds_the_runs_their_settings_and_the_stored_numbers(
    page, comparison, stored_run, other_seeds
):
    words = page.words()
    for part in (
        "How the runs differ",
        "paired by seed where seeds are shared",
        "late: random − made-up: random",
        "Save the recipe below as late.toml",
        f"Save the recipe below as {SHALLOW}.toml",
    ):
        assert part in words, part
    rows = {tuple(setting) for setting in table_rows(page, "settings")}
    assert ("seed", "0", "0", "7") in rows
    assert ("replicates", "2", "2", "3") in rows
    assert ("conditions.other", "–", "no change", "–") in rows
    assert not any(row[0] == "training.steps" for row in rows)
    cells = page.cells(kind="value", quantity="locality.near", condition="late: imp")
    assert float(cells[0]["data-mean"]) == values(other_seeds, "imp", 2)[0].mean()
    numbers = [
        row for row in page.json("numbers") if row["quantity"] == "locality.near" and row["level"] == 1
    ]
    assert {row["condition"] for row in numbers} == set(comparison.conditions)
    for row in numbers:
        subject = comparison.subjects[row["condition"]]
        assert row["mean"] == values(subject.run, subject.condition, 1)[0].mean()
        assert math.isfinite(row["low"])


def table_rows(page, identifier):
    """The text of a table's cells, row by row."""
    start = page.source.index(f'<table id="{identifier}">')
    body = page.source[page.source.index("<tbody>", start) : page.source.index("</tbody>", start)]
    rows = [row.split("</tr>")[0] for row in body.split("<tr>")[1:]]
    return [
        [" ".join(Page(f"<table><tr>{row}</tr></table>").text).strip() for row in cells(row)] for row in rows
    ]


def cells(row):
    parts = row.replace("</th>", "</td>").replace("<th", "<td").split("</td>")[:-1]
    return [f"{part}</td>" for part in parts]


def test_the_explorer_holds_all_conditions_of_like_geometry_and_says_which_it_leaves_out(page):
    data = page.json("explorer-data")
    names = ["made-up: imp", "made-up: random", f"{SHALLOW}: imp", f"{SHALLOW}: other"]
    assert [condition["name"] for condition in data["conditions"]] == names
    assert "Not shown: late: imp, late: random" in page.words()


def test_colours_and_marks_are_distinct(page):
    legend = page.source[page.source.index('<div class="legend"') :].split("</div>")[0]
    signs = [part.split("</span>")[0] for part in legend.split('aria-hidden="true">')[1:]]
    assert len(set(signs)) == 6


def test_caveats_name_the_run_that_they_are_about(comparison):
    words = caveats(comparison)
    assert any(sentence.startswith("made-up: Only 2 replicates") for sentence in words)
    assert any(sentence.startswith("late: Only 3 replicates") for sentence in words)


def test_runs_that_are_pruned_at_other_rates_meet_at_the_nearest_density(stored_run, store, tmp_path):
    faster = store(tmp_path / "faster", levels=4, name="faster", rate=0.6, measure=LOCALITY_ALONE)
    levels = Summaries(stored_run, faster).compared_levels()
    assert levels == {"made-up: imp": 3, "made-up: random": 3, "faster: imp": 2, "faster: random": 2}
    (sentence,) = [
        each for each in caveats(Summaries(stored_run, faster)) if "at different densities" in each
    ]
    assert "made-up: imp 12.5 % (level 3)" in sentence
    assert "faster: imp 16 % (level 2)" in sentence


def test_a_run_without_levels_beside_one_with_them_is_named(lean_run, tmp_path):
    empty = Run(RunDirectory.create(lean_run.recipe, tmp_path / "empty"))
    words = Page(render(empty, lean_run)).words()
    assert "empty: No level is stored yet" in words
    folder = lean_run.path.name
    assert f"{folder}: random − {folder}: imp" in words


def test_report_writes_one_page_for_several_runs(lean_run, store, tmp_path, capsys, monkeypatch):
    other = store(tmp_path / "other", name="other", levels=2, conditions=("imp",), measure=LOCALITY_ALONE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(lean_run.path), str(other.path)])
    assert not ended.value.code
    assert "report: comparison.html" in capsys.readouterr().out
    text = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert text == render(lean_run, other)
    with pytest.raises(InputError, match="needs a path"):
        write_report(lean_run, other)


def test_wrong_runs_are_named(lean_run, tmp_path, capsys):
    with pytest.raises(InputError, match="given twice"):
        write_report(lean_run, lean_run, path=tmp_path / "page.html")
    with pytest.raises(InputError, match="no run is given"):
        write_report(path=tmp_path / "page.html")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(lean_run, path=tmp_path / "missing" / "page.html")
    with pytest.raises(SystemExit) as ended:
        main(["report"])
    assert ended.value.code == 2
    assert "sparsight: no run is given" in capsys.readouterr().err


def test_numbers_of_a_run_alone_and_beside_others_are_the_same(comparison, stored_run):
    alone = Summaries(stored_run).intervals("locality.near", "linear_0")
    beside = comparison.intervals("locality.near", "linear_0")
    beside = beside[beside["condition"].str.startswith("made-up: ")]
    np.testing.assert_array_equal(alone[["mean", "low", "high"]], beside[["mean", "low", "high"]])
