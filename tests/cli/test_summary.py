"""What the terminal shows of a run: less than a screen at the end, and every level on request."""

import io
import re
import shutil

import numpy as np
import pytest
import torch
from rich.console import Console

from sparsight.cli import main
from sparsight.cli.views._summary import print_summary
from sparsight.figures import CATALOGUE, words_of
from sparsight.geometry import Geometry
from sparsight.measure import paired_difference, student_interval
from tests.invented_runs import LOCALITY_ALONE


def printed(run, width, *, levels=False):
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    print_summary(console, run, levels=levels)
    return console.export_text()


def values(run, condition, quantity, level=3):
    frame = run.frame()
    chosen = frame["condition"].eq(condition) & frame["level"].eq(level) & frame["quantity"].eq(quantity)
    return frame[chosen]["value"].to_numpy()


def cell(interval, decimals):
    return f"{interval.mean:z.{decimals}f} ±{(interval.high - interval.low) / 2:.{decimals}f}"


def rows_of(text, name):
    """The cells of every printed row that begins with a name, joined over the blocks of the table."""
    return [cell for line in text.splitlines() if line.startswith(f"{name}  ") for cell in line.split("  ")]


@pytest.mark.parametrize("width", [80, 120, 160])
def test_the_summary_is_less_than_a_screen_of_last_levels_and_differences(stored_run, width):
    text = printed(stored_run, width)
    lines = text.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= width
    assert "…" not in text
    quantities = {
        "test_accuracy": 3,
        "locality.attained_share": 2,
        "locality.near_configuration": 2,
        "locality.far": 2,
        "locality.radius_of_gyration": 2,
        "gaussianity.excess_kurtosis": 2,
        "cavity.delta_kurtosis_pruned": 4,
    }
    for quantity, decimals in quantities.items():
        imp, random = (values(stored_run, name, quantity) for name in ("imp", "random"))
        difference = paired_difference(random, imp, [0, 1], [0, 1])
        for name, interval in (
            ("imp", student_interval(imp)),
            ("random", student_interval(random)),
            ("random − imp", difference),
        ):
            assert cell(interval, decimals) in [each.strip() for each in rows_of(text, name)], (
                name,
                quantity,
            )
    assert "12.5 %" in " ".join(rows_of(text, "random − imp"))
    assert "--levels" in text


@pytest.mark.parametrize("num_others", [1, 3, 8])
def test_rows_that_would_fill_more_than_a_screen_leave_columns_out_and_say_so(store, tmp_path, num_others):
    names = ("imp", *(f"other-{number}" for number in range(num_others)))
    run = store(tmp_path / "run", levels=1, replicates=2, conditions=names, measure=LOCALITY_ALONE)
    for width in (60, 80, 120):
        text = printed(run, width)
        assert len(text.splitlines()) <= 24
        assert max(map(len, text.splitlines())) <= width
        table, _, caption = text.partition("Last level")
        told = " ".join(caption.split()).partition("More columns in a wider terminal: ")[2].partition(".")[0]
        headings = {
            each for line in table.splitlines() if line.startswith("  ") for each in re.split(r"\s{2,}", line)
        }
        for name in ("accuracy", "share", "near", "far", "radius", "κ in class", "connected"):
            assert (name in headings) != (name in told.split(", ")), name


def test_near_in_the_terminal_is_not_fooled_by_inputs_that_every_unit_uses(store, tmp_path, monkeypatch):
    """Every unit keeps some of the same few neighbouring inputs: neighbours by use, not by fields."""

    def scores(network, geometry, condition, stream):
        shape = network.linear_0.weight.shape
        popular = np.arange(shape[1]) < 12
        return torch.from_numpy((popular + 0.5 * stream.random(shape)).astype(np.float32))

    monkeypatch.setattr("tests.invented_runs.scores_of", scores)
    geometry = Geometry(1, (48,), wraps=True)
    run = store(tmp_path / "run", geometry=geometry, levels=4, conditions=("imp",), measure=LOCALITY_ALONE)
    lenient, strict = (
        values(run, "imp", f"locality.near{suffix}").mean() for suffix in ("", "_configuration")
    )
    assert lenient > 2
    assert abs(strict - 1) < 0.15
    for levels in (False, True):
        text = printed(run, 200, levels=levels)
        row = [line for line in text.splitlines() if "±" in line and "%" in line and "95" not in line][-1]
        assert f"{strict:.2f} ±" in row
        assert f"{lenient:.2f} ±" not in row


def test_one_replicate_has_means_alone(lean_run):
    text = printed(lean_run, 80)
    assert "±" not in text
    assert f"{values(lean_run, 'imp', 'locality.far')[0]:.2f}" in text
    assert np.isnan(student_interval(values(lean_run, "imp", "locality.far")).low)


def test_many_conditions_fit_into_a_screen_and_it_is_said_what_is_left_out(store, tmp_path):
    names = ("imp", *(f"other-{number}" for number in range(8)))
    run = store(tmp_path / "run", levels=2, replicates=1, conditions=names, measure=LOCALITY_ALONE)
    text = printed(run, 80)
    assert len(text.splitlines()) <= 24
    assert "3 more rows are in the report" in " ".join(text.split())
    assert "other-7" in text


@pytest.mark.parametrize("width", [60, 80, 120, 240])
def test_every_level_has_every_column_with_its_interval_however_narrow_the_terminal(stored_run, width):
    text = printed(stored_run, width, levels=True)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    headings = [
        cell
        for line in text.splitlines()
        if line.startswith("condition ")
        for cell in re.split(r"\s{2,}", line)[2:]
    ]
    columns = list(map(words_of, CATALOGUE.summary))
    assert [heading for heading in headings if heading != "density"] == [column.short for column in columns]
    for column in columns:
        for level in range(4):
            found = student_interval(values(stored_run, "imp", column.name, level))
            if not np.isnan(found.mean):
                assert cell(found, column.decimals) in text, column.name
    assert all(f"{density:.2f} %" in text for density in (100, 50, 25, 12.5))


@pytest.mark.parametrize("command", ["report", "show"])
def test_the_option_prints_every_level(lean_run, tmp_path, capsys, command):
    out = ["--out", str(tmp_path / "page.html")] if command == "report" else []
    for option, is_there in (([], False), (["--levels"], True)):
        with pytest.raises(SystemExit) as ended:
            main([command, str(lean_run.path), *out, *option])
        assert not ended.value.code
        assert ("50.00" in capsys.readouterr().out) == is_there


def test_show_prints_what_report_prints_and_writes_nothing(stored_run, tmp_path, capsys):
    def answer(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        assert not ended.value.code
        return capsys.readouterr().out

    copy = tmp_path / "run"
    shutil.copytree(stored_run.path, copy)
    reported = answer("report", copy)
    (copy / "report.html").unlink()
    before = {path: path.stat().st_mtime_ns for path in sorted(copy.rglob("*"))}
    shown = answer("show", copy)
    assert reported.startswith(shown)
    assert len(shown) > 500
    assert answer("show", copy, copy) == shown * 2
    assert {path: path.stat().st_mtime_ns for path in sorted(copy.rglob("*"))} == before


@pytest.mark.parametrize("arguments", [[], ["/no/such/run"]])
def test_show_without_a_run_is_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["show", *arguments])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
