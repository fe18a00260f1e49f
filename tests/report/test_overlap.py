"""`sparsight overlap`: its table, its files, and what the report shows of them."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.figures import plot_mask_overlaps
from sparsight.geometry import Geometry
from sparsight.report import Summaries, write_overlap_files
from sparsight.report._overlap_panels import overlap_panels
from sparsight.report._page import render
from sparsight.store import (
    OVERLAP,
    mask_overlaps,
    open_run,
    overlap_intervals,
    read_overlap,
    write_overlap,
    write_sealed,
)
from tests.invented_runs import LOCALITY_ALONE


@pytest.fixture(scope="module")
def compared(tmp_path_factory, store):
    """A run of a ring whose masks have been compared by the command."""
    path = tmp_path_factory.mktemp("overlap") / "run"
    store(path, geometry=Geometry(1, (24,), wraps=True), replicates=3, levels=3, measure=LOCALITY_ALONE)
    with pytest.raises(SystemExit) as end:
        main(["overlap", str(path), "--draws", "4"])
    assert end.value.code == 0
    return path


@pytest.fixture
def copy(compared, tmp_path):
    shutil.copytree(compared, tmp_path / "run")
    return tmp_path / "run"


def test_the_command_writes_every_pair_and_a_figure_of_each_comparison(compared):
    folder = compared / "overlap"
    table = pd.read_csv(folder / "overlap.csv")
    pd.testing.assert_frame_equal(table, mask_overlaps(open_run(compared), num_draws=4))
    assert {each.name for each in folder.glob("*.png")} == {
        f"overlap-linear-0-{between}-{units}.png"
        for between in ("seeds", "conditions")
        for units in ("plain", "matched")
    }


def test_the_report_shows_what_the_command_found(compared):
    run = open_run(compared)
    overlaps, similarities = read_overlap(run)
    pd.testing.assert_frame_equal(overlaps, overlap_intervals(mask_overlaps(run, num_draws=4)))
    assert not len(similarities)
    assert len(list(overlap_panels(Summaries(run)))) == 4
    page = render(run)
    assert "How alike masks are" in page
    assert "Overlap of masks of two seeds of a condition" in page


def test_a_run_that_was_not_compared_has_no_such_section(lean_run):
    assert read_overlap(lean_run) is None
    assert not list(overlap_panels(Summaries(lean_run)))


def test_masks_of_two_runs_leave_the_report_of_the_first_as_it_is(copy, compared, tmp_path):
    before = (copy / OVERLAP).read_bytes()
    with pytest.raises(SystemExit) as end:
        main(["overlap", str(copy), str(compared), "--draws", "2", "--out", str(tmp_path / "out")])
    assert end.value.code == 0
    table = pd.read_csv(tmp_path / "out" / "overlap.csv")
    assert set(table["between"]) == {"runs"}
    assert (table["iou"] == 1).all()
    assert (copy / OVERLAP).read_bytes() == before


def test_the_folder_may_be_text_and_lie_in_the_run(copy):
    run = open_run(copy)
    overlaps = mask_overlaps(run, num_draws=2)
    written = write_overlap_files(run, overlaps, None, str(copy / "again"), is_within=False)
    assert sorted(written) == sorted((copy / "again").iterdir())
    pd.testing.assert_frame_equal(pd.read_csv(copy / "again" / "overlap.csv"), overlaps)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"condition": "<script>"}, "conditions that the run lacks"),
        ({"mean": "high"}, "damaged"),
        ({"between": "friends"}, "damaged"),
        ({"more": 1}, "damaged"),
    ],
)
def test_a_foreign_file_that_contradicts_its_run_is_refused(copy, change, match):
    content = json.loads((copy / OVERLAP).read_text())
    content["overlaps"][0] |= change
    write_sealed(copy / OVERLAP, content)
    with pytest.raises(InputError, match=f"{match}.*sparsight overlap"):
        read_overlap(open_run(copy))


def test_a_damaged_file_is_named(copy):
    (copy / OVERLAP).write_text("{")
    with pytest.raises(InputError, match=OVERLAP):
        read_overlap(open_run(copy))


def test_undefined_numbers_survive_the_file(copy):
    run = open_run(copy)
    table, _ = read_overlap(run)
    table.loc[0, ["mean", "low", "high"]] = np.nan
    write_overlap(run, table)
    pd.testing.assert_frame_equal(read_overlap(run)[0], table)


def test_mistakes_are_one_line(compared, lean_run, capsys):
    for arguments, message in (
        (["overlap", "nowhere"], "holds no run"),
        (["overlap", str(compared), "--draws", "1"], "num_draws is 1"),
        (["overlap", str(compared), "--level", "7"], "no two masks to compare at level 7"),
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_the_plot_draws_a_line_for_each_comparison_and_names_what_is_missing(compared):
    table, _ = read_overlap(open_run(compared))
    labels = plot_mask_overlaps(table, between="conditions").get_legend_handles_labels()[1]
    assert labels == ["random masks = 0", "imp and random"]
    labels = plot_mask_overlaps(table, matched=True).get_legend_handles_labels()[1]
    assert labels == ["random masks = 0", "imp", "random"]
    with pytest.raises(InputError, match="no overlap between runs"):
        plot_mask_overlaps(table, between="runs")
    with pytest.raises(InputError, match="lacks the column"):
        plot_mask_overlaps(table.drop(columns="matched"))
