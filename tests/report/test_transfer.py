"""The matrix of transfer: pairs found in the recipes, differences to own masks, and its control."""

import itertools
import shutil

import numpy as np
import pandas as pd
import pytest

from sparsight.cli import main
from sparsight.errors import InputError
from sparsight.figures import plot_transfer
from sparsight.geometry import Geometry
from sparsight.measure import paired_difference
from sparsight.recipe import Recipe
from sparsight.report import transfer_table
from sparsight.report._page import render
from sparsight.report._subjects import Summaries
from sparsight.report._transfer import transfer_pairs
from sparsight.report._transfer_panels import transfer_panels
from sparsight.store import MASKS_FROM, Run, RunDirectory, open_run, read_sealed, write_sealed
from tests.invented_runs import LOCALITY_ALONE, UNITS, store_replicate

RING = Geometry(1, (24,), wraps=True)
RANDOM = {"pruning": {"criterion": "random"}}


def ring(**data):
    return {"source": "nlgp", "size": [24], "wraps": True, **data}


def stored(path, conditions, data):
    """Write a run of invented levels whose conditions override fields of the recipe."""
    values = {
        "name": path.name,
        "replicates": 2,
        "data": data,
        "network": {"widths": [UNITS]},
        "training": {"steps": 10, "batch_size": 5},
        "pruning": {"max_levels": 2, "rate": 0.5},
        "measure": LOCALITY_ALONE,
        "conditions": conditions,
    }
    directory = RunDirectory.create(Recipe.from_values(values, "made up"), path)
    for replicate, condition in itertools.product(range(2), conditions):
        store_replicate(directory, condition, replicate, RING, levels=3)
    return Run(directory)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs: one finds masks on each of two rings, and the other takes masks of both."""
    folder = tmp_path_factory.mktemp("transfer")
    waves = stored(folder / "waves", {"imp": {}, "random": RANDOM}, {"source": "narrow_band", "size": [24]})
    conditions = {
        "imp": {},
        "random": RANDOM,
        "from_waves": {"pruning": {"masks_from": f"{folder / 'waves'}:imp"}},
        "to_waves": {"pruning": {"masks_from": "imp"}, "data": {"source": "narrow_band", "size": [24]}},
        "moved_pixels": {"pruning": {"masks_from": "from_waves", "rearranged": "pixels"}},
        "again": {"pruning": {"masks_from": "imp"}},
    }
    rings = stored(folder / "ring", conditions, ring())
    record(rings, "from_waves", waves)
    return rings, waves


def record(run, condition, source):
    """Record, as a real run does, whose masks a condition takes."""
    for replicate in range(run.recipe.replicates):
        path = run.directory.replicate(condition, replicate) / "task.json"
        facts = {"recipe": source.recipe.identity(), "run": str(source.path.absolute()), "condition": "imp"}
        write_sealed(path, read_sealed(path) | {MASKS_FROM: facts})


def places(table):
    return {row.condition: (row.source, row.target) for row in table.itertuples()}


def test_pairs_follow_from_the_recipes_of_both_runs(runs):
    table = transfer_table(*runs)
    assert places(table) == {
        "ring: imp": ("nlgp", "nlgp"),
        "waves: imp": ("narrow_band", "narrow_band"),
        "ring: from_waves": ("narrow_band", "nlgp"),
        "ring: to_waves": ("nlgp", "narrow_band"),
        "ring: moved_pixels": ("narrow_band, shuffled by pixels", "nlgp"),
        "ring: random": ("random", "nlgp"),
        "waves: random": ("random", "narrow_band"),
    }
    assert list(table.loc[table["is_own"], "condition"]) == ["ring: imp", "waves: imp"]
    assert list(dict.fromkeys(table["source"]))[-1] == "random"


def test_numbers_are_those_of_the_frames_and_differences_are_to_the_column(runs):
    table = transfer_table(*runs, quantity="locality.attained_share").set_index("condition")
    level = int(table.loc["ring: imp", "level"])
    assert level == 2

    def values(run, condition):
        frame = run.frame()
        chosen = frame[
            (frame["condition"] == condition)
            & (frame["level"] == level)
            & (frame["quantity"] == "locality.attained_share")
        ]
        return chosen["value"].to_numpy()

    own, moved = values(runs[1], "imp"), values(runs[0], "to_waves")
    row = table.loc["ring: to_waves"]
    expected = paired_difference(moved, own, [0, 1], [0, 1])
    assert row["reference"] == "waves: imp"
    assert row["mean"] == pytest.approx(moved.mean())
    assert (row["difference"], row["difference_low"]) == pytest.approx((expected.mean, expected.low))
    assert np.isnan(table.loc["waves: imp", "difference"])


def test_a_run_alone_shows_the_transfer_within_it(runs):
    assert places(transfer_table(runs[0])) == {
        "imp": ("nlgp", "nlgp"),
        "to_waves": ("nlgp", "narrow_band"),
        # The report does not know where these were found.
        "from_waves": (f"{runs[1].path}:imp", "nlgp"),
        "moved_pixels": (f"{runs[1].path}:imp, shuffled by pixels", "nlgp"),
        "random": ("random", "nlgp"),
    }
    assert not len(transfer_table(runs[1]))
    assert transfer_panels(Summaries(runs[1])) == []


def test_a_source_that_was_moved_is_found_by_its_recipe(runs, tmp_path):
    shutil.copytree(runs[1].path, tmp_path / "elsewhere")
    table = transfer_table(runs[0], open_run(tmp_path / "elsewhere"))
    assert places(table)["ring: from_waves"] == ("narrow_band", "nlgp")


def test_data_of_one_source_are_named_by_what_differs_and_the_report_says_what_is_missing(tmp_path):
    conditions = {
        "imp": {},
        "twin": {"data": {"clone": "gaussian"}},
        "twin_masks": {"pruning": {"masks_from": "twin"}},
    }
    run = stored(tmp_path / "run", conditions, ring())
    table = transfer_table(run)
    assert places(table) == {
        "imp": ("nlgp", "nlgp"),
        "twin": ("nlgp, clone = gaussian", "nlgp, clone = gaussian"),
        "twin_masks": ("nlgp, clone = gaussian", "nlgp"),
    }
    (first, *_) = transfer_panels(Summaries(run))
    assert "No condition prunes at random here" in first.caption
    page = render(run)
    assert 'id="transfer"' in page
    assert first.title in page
    assert "masks from" in page


def test_two_searches_on_the_same_data_have_rows_of_their_own(tmp_path):
    conditions = {
        "imp": {},
        "snip": {"pruning": {"criterion": "snip"}},
        "of_imp": {"data": {"gains": [1.0]}, "pruning": {"masks_from": "imp"}},
        "of_snip": {"data": {"gains": [1.0]}, "pruning": {"masks_from": "snip"}},
    }
    table = transfer_table(stored(tmp_path / "run", conditions, ring(gains=[3.0])))
    assert places(table)["of_imp"] == ("nlgp, gains = [3.0] (imp)", "nlgp, gains = [1.0]")
    assert places(table)["of_snip"] == ("nlgp, gains = [3.0] (snip)", "nlgp, gains = [1.0]")
    assert list(table.loc[table["is_own"], "condition"]) == ["imp"]  # what the others are compared with
    assert table.set_index("condition").loc["snip", "reference"] == "imp"
    assert plot_transfer(table).get_ylabel() == "masks from"


def test_runs_that_name_each_other_end(tmp_path):
    """As two runs can that somebody edited."""
    runs = []
    for name, other in (("a", "b"), ("b", "a")):
        conditions = {"imp": {}, "taken": {"pruning": {"masks_from": f"{tmp_path / other}:taken"}}}
        runs.append(stored(tmp_path / name, conditions, ring()))
    for run, other in (runs, runs[::-1]):
        record(run, "taken", other)
    assert len(transfer_pairs(Summaries(*runs))) == 0


def test_the_figures_of_several_runs_hold_the_matrix(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sparsight.report._figure_files.panels_of", lambda summaries: transfer_panels(summaries)
    )
    with pytest.raises(SystemExit) as ended:
        main(["figures", *(str(run.path) for run in runs), "--format", "png", "--out", str(tmp_path / "out")])
    assert not ended.value.code
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        "transfer-test-accuracy.png",
        "transfer-locality-attained-share.png",
        "transfer-locality-near-squared-weights.png",
    }
    captions = (tmp_path / "out" / "captions.md").read_text(encoding="utf-8")
    assert "The row random is random pruning, the control." in captions


def test_figures_refuse_no_run_and_a_run_given_twice(runs, tmp_path, capsys):
    for arguments, message in (
        ([], "no run is given"),
        ([str(runs[0].path)] * 2, "a run is given twice"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["figures", *arguments, "--out", str(tmp_path / "out")])
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_quantity_that_was_not_measured_is_named(runs):
    with pytest.raises(InputError, match=r"cavity\.delta_kurtosis has no value"):
        transfer_table(*runs, quantity="cavity.delta_kurtosis")


def pair(source, target, **values):
    row = {"source": source, "target": target, "is_own": source == target, "mean": 0.5, "low": 0.4}
    row |= {"high": 0.6, "difference": -0.1, "difference_low": -0.2, "difference_high": 0.0}
    return row | values


def test_the_plot_writes_every_number_and_puts_own_masks_on_the_diagonal():
    rows = [pair("a", "a"), pair("a", "c", mean=0.25), pair("b", "b"), pair("c", "c"), pair("a", "b")]
    ax = plot_transfer(pd.DataFrame(rows))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    texts = {text.get_position(): text.get_text() for text in ax.texts}
    assert texts[0, 0] == "0.500 ± 0.100"
    assert texts[2, 0] == "0.250 ± 0.100\n−0.100 ± 0.100"
    assert len(texts) == len(rows)


def test_the_plot_refuses_what_it_cannot_place():
    for rows, message in (
        ([], "lacks the column|no row"),
        ([pair("a", "a"), pair("a", "a")], "occurs twice"),
        ([pair("a", "a"), pair("b", "a", is_own=True)], "own masks in two rows"),
    ):
        with pytest.raises(InputError, match=message):
            plot_transfer(pd.DataFrame(rows))
