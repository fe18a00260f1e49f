import base64
import json
import math
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.figures import CATALOGUE, words_of
from sparsight.geometry import Geometry
from sparsight.instruments import NETWORK, Quantity
from sparsight.measure import (
    HISTOGRAM_EDGES,
    Interval,
    paired_difference,
    preactivation_histogram,
    student_interval,
)
from sparsight.recipe import load_recipe
from sparsight.report import write_report
from sparsight.report._caveats import caveats
from sparsight.report._explorer import Packer, pack
from sparsight.report._findings import findings, verdict
from sparsight.report._level_views import LevelView, level_views
from sparsight.report._page import render
from sparsight.report._subjects import Summaries
from sparsight.run import run_recipe
from sparsight.store import LevelRecord, Run, RunDirectory, open_run, write_record
from sparsight.store._level_files import MEASURES
from tests import toy  # noqa: F401  (registers the data source of plane.toml)
from tests.report.pages import Page

PLANE = Path(__file__).parents[1] / "plane.toml"


@pytest.fixture
def copied(stored_run, tmp_path):
    shutil.copytree(stored_run.path, tmp_path / "run")
    return open_run(tmp_path / "run")


@pytest.fixture
def lean_copy(lean_run, tmp_path):
    shutil.copytree(lean_run.path, tmp_path / "lean")
    return open_run(tmp_path / "lean")


def test_write_report_leaves_one_file_that_depends_on_the_run_alone(lean_copy, lean_run):
    path = write_report(lean_copy)
    assert path == lean_copy.directory.report
    assert path.read_text(encoding="utf-8") == render(lean_run)
    assert not list(lean_copy.path.glob(".report*"))


def test_write_report_keeps_the_old_page_if_a_level_is_damaged(copied):
    copied.directory.report.write_text("older")
    (copied.directory.level("imp", 0, 1) / MEASURES).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"measures\.safetensors"):
        write_report(copied)
    assert copied.directory.report.read_text() == "older"


@pytest.mark.parametrize("name", ["colour", "line"])
def test_the_summary_table_holds_the_stored_numbers(pages, stored_runs, name):
    frame = stored_runs[name].frame()
    cells = [cell for cell in pages[name].cells() if "data-level" in cell]
    shown = {cell["data-quantity"] for cell in cells}
    co_primary = {"locality.attained_share", "locality.far", "locality.radius_of_gyration"}
    assert shown >= {"test_accuracy", "gaussianity.excess_kurtosis", "connected_units"} | co_primary
    assert len(cells) == 2 * 4 * len(shown)
    for cell in cells:
        rows = frame[
            (frame["condition"] == cell["data-condition"])
            & (frame["level"] == int(cell["data-level"]))
            & (frame["quantity"] == cell["data-quantity"])
        ]
        expected = student_interval(rows["value"].to_numpy())
        for key in ("mean", "low", "high"):
            np.testing.assert_equal(float(cell[f"data-{key}"]), getattr(expected, key))


def test_the_numbers_of_the_curves_are_the_stored_ones(pages, stored_run):
    frame = stored_run.frame()
    rows = pages["colour"].json("numbers")
    assert {row["quantity"] for row in rows} >= {"locality.near", "cavity.delta_kurtosis_auc", "locality.ipr"}
    for row in rows:
        values = frame[
            (frame["condition"] == row["condition"])
            & (frame["level"] == row["level"])
            & (frame["layer"] == row["layer"])
            & (frame["quantity"] == row["quantity"])
        ]
        expected = student_interval(values["value"].to_numpy())
        for key in ("mean", "low", "high"):
            number = getattr(expected, key)
            assert row[key] == (None if math.isnan(number) else number)
        assert [np.nan if each is None else each for each in row["by_replicate"]] == pytest.approx(
            values["value"].tolist(), nan_ok=True
        )
        assert row["density"] == values["density"].mean()


def test_findings_are_the_paired_differences_at_the_last_common_level(pages, stored_run):
    frame = stored_run.frame()
    last = frame[(frame["quantity"] == "locality.near") & (frame["level"] == 3)]
    imp, random = (last[last["condition"] == name]["value"].to_numpy() for name in ("imp", "random"))
    (value,) = pages["colour"].cells(kind="value", quantity="locality.near", condition="imp")
    assert float(value["data-mean"]) == imp.mean()
    (difference,) = pages["colour"].cells(kind="difference", quantity="locality.near")
    expected = paired_difference(random, imp, [0, 1], [0, 1])
    for key in ("mean", "low", "high"):
        assert float(difference[f"data-{key}"]) == getattr(expected, key)
    assert float(difference["data-high"]) - float(difference["data-low"]) == pytest.approx(
        2 * 12.7062 * abs(np.diff(random - imp)[0]) / 2, rel=1e-4
    )  # Student's t of one degree of freedom


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (Interval(mean=2.0, low=1.5, high=2.5, confidence=0.95, num_replicates=20), "above"),
        (Interval(mean=0.0, low=-0.5, high=0.5, confidence=0.95, num_replicates=20), "below"),
        (Interval(mean=2.0, low=1.5, high=2.5, confidence=0.95, num_replicates=2), "above"),
        (
            Interval(mean=2.0, low=0.5, high=2.5, confidence=0.95, num_replicates=20),
            "undecided: the interval contains 1",
        ),
        (
            Interval(mean=1.0, low=1.0, high=1.0, confidence=0.95, num_replicates=3),
            "exactly 1 in every replicate",
        ),
        (
            Interval(mean=2.0, low=math.nan, high=math.nan, confidence=0.95, num_replicates=1),
            "in the one replicate: above",
        ),
        (
            Interval(mean=0.0, low=math.nan, high=math.nan, confidence=0.95, num_replicates=1),
            "in the one replicate: below",
        ),
        (
            Interval(mean=1.0, low=math.nan, high=math.nan, confidence=0.95, num_replicates=1),
            "exactly 1 in the one replicate",
        ),
        (Interval(mean=math.nan, low=math.nan, high=math.nan, confidence=0.95, num_replicates=0), "no value"),
    ],
)
def test_verdict_follows_the_interval(interval, words):
    assert verdict(interval, 1.0, "above", "below") == words


def test_verdict_flips_with_the_sign_of_the_effect():
    for sign, words in ((1, "above"), (-1, "below")):
        low, high = sorted((sign * 0.5, sign * 1.5))
        interval = Interval(mean=float(sign), low=low, high=high, confidence=0.95, num_replicates=20)
        assert verdict(interval, 0.0, "above", "below") == words


def test_one_replicate_has_no_interval_and_the_page_says_so(pages):
    assert all(cell["data-low"] == "nan" for cell in pages["line"].cells() if "data-low" in cell)
    words = pages["line"].words()
    assert "Only one replicate: no number has an interval" in words
    assert "in the one replicate: neighbouring inputs are kept together more often than by chance" in words


@pytest.mark.parametrize("name", ["colour", "line"])
def test_the_page_is_whole_and_asks_for_nothing(pages, name):
    page = pages[name]
    assert page.source.startswith("<!DOCTYPE html>")
    assert len(page.source) < 2_000_000
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    for tag, found in page.elements:
        assert tag not in ("iframe", "object", "embed", "base")
        for key in ("src", "href", "xlink:href", "srcset", "poster", "action"):
            assert found.get(key, "#").startswith(("#", "data:")), (tag, found)
        if tag == "img":
            assert found["alt"]
        if tag == "svg":
            assert found["aria-label"]
    assert "@import" not in page.source
    assert "default-src 'none'" in page.source


def test_foreign_strings_are_shown_and_not_obeyed(pages, hostile):
    for page in pages.values():
        assert hostile not in page.source
        assert page.words().count(hostile) >= 3  # question, data card, recipe
        scripts = [found for tag, found in page.elements if tag == "script"]
        assert [found.get("id") for found in scripts] == ["numbers", "explorer-data", None, None]


def test_the_recipe_and_the_environment_are_there(pages, stored_run):
    words = pages["colour"].words()
    for line in (stored_run.path / "recipe.toml").read_text(encoding="utf-8").splitlines():
        assert " ".join(line.split()) in words
    assert stored_run.directory.environment()["packages"]["torch"] in words
    assert "rejected flat patches" in words
    assert "Save the recipe below as made-up.toml" in words


def unpacked(text):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


@pytest.mark.parametrize("name", ["colour", "line"])
def test_the_explorer_holds_masks_exactly_and_weights_to_half_a_step(pages, stored_runs, name):
    run, data = stored_runs[name], pages[name].json("explorer-data")
    assert data["units"] == list(range(12))
    for condition in data["conditions"]:
        survival = unpacked(condition["survival"]).reshape(12, -1)
        for level in condition["levels"]:
            stored = run.level(condition["name"], condition["replicate"], level["index"])
            mask, weight = stored.masks["linear_0.weight"].numpy(), stored.final["linear_0.weight"].numpy()
            np.testing.assert_array_equal(survival > level["index"], mask)
            codes = unpacked(level["weights"]).astype(float)
            shown = (codes - level["steps"] - 1) / level["steps"]
            limits = np.repeat(level["weightLimits"], mask.sum(axis=1))
            error = np.abs(shown - np.clip(weight[mask] / limits, -1, 1))
            assert error.max() <= 0.5 / level["steps"] + 0.01  # int8 in between
            delta = run.measures(condition["name"], 0, level["index"])["linear_0"][
                "cavity.delta_kurtosis"
            ].value
            assert ((unpacked(level["cavity"]) == 0) == np.isnan(delta[mask])).all()


@pytest.mark.parametrize("name", ["colour", "line"])
def test_the_explorer_holds_histograms_to_half_a_step(pages, stored_runs, name):
    data = pages[name].json("explorer-data")
    assert data["edges"] == HISTOGRAM_EDGES.tolist()
    for condition in data["conditions"]:
        for level in condition["levels"]:
            measures = stored_runs[name].measures(condition["name"], 0, level["index"])["linear_0"]
            counts = measures["gaussianity.histogram_per_unit"].value.astype(float)
            total = np.maximum(counts.sum(axis=1), 1)
            bars = unpacked(level["histogram"]).reshape(12, -1) / 255 * np.array(level["peaks"])[:, None]
            np.testing.assert_allclose(bars, counts / total[:, None], atol=0.003)


def test_pack_leaves_histograms_out_when_there_are_too_many(stored_run, monkeypatch):
    monkeypatch.setattr("sparsight.report._explorer.HISTOGRAM_BUDGET", 2 * 12 * 40)
    packer = Packer("imp", 0)
    for view in level_views(stored_run, "imp", 0, "linear_0"):
        packer.add(view)
    levels = pack([packer])["conditions"][0]["levels"]
    assert ["histogram" in level for level in levels] == [True, False, False, True]


def test_pack_gives_sparser_levels_finer_steps(stored_run, monkeypatch):
    packer = Packer("imp", 0)
    for view in level_views(stored_run, "imp", 0, "linear_0"):
        packer.add(view)
    monkeypatch.setattr("sparsight.report._explorer.WEIGHT_BUDGET", 1100)
    steps = [level["steps"] for level in pack([packer])["conditions"][0]["levels"]]
    assert steps == sorted(steps)
    assert len(set(steps)) > 1


def test_pack_leaves_units_out_when_the_budget_is_small(stored_run, monkeypatch):
    monkeypatch.setattr("sparsight.report._explorer.WEIGHT_BUDGET", 800)
    monkeypatch.setattr("sparsight.report._explorer.CAVITY_BUDGET", 0)
    packer = Packer("imp", 0)
    for view in level_views(stored_run, "imp", 0, "linear_0"):
        packer.add(view)
    data = pack([packer])
    assert 1 < len(data["units"]) < 12
    assert data["numUnits"] == 12
    level = data["conditions"][0]["levels"][1]
    mask = stored_run.level("imp", 0, 1).masks["linear_0.weight"].numpy()
    assert len(unpacked(level["weights"])) == mask[data["units"]].sum()
    assert len(level["near"]) == len(data["units"])
    assert "cavity" not in level
    assert sum(len(base64.b64decode(each["weights"])) for each in data["conditions"][0]["levels"]) < 1200


def test_an_empty_run_says_that_there_is_nothing(store, tmp_path):
    run = store(tmp_path / "run", levels=1, replicates=1)
    shutil.rmtree(run.directory.replicate("imp", 0))
    shutil.rmtree(run.directory.replicate("random", 0))
    assert "No level is stored yet" in Page(render(run)).words()


def test_unfinished_failed_and_missing_replicates_are_named(lean_copy, hostile):
    directory = lean_copy.directory
    shutil.rmtree(directory.level("imp", 0, 3))
    shutil.rmtree(directory.replicate("random", 0))
    directory.replicate("random", 0).mkdir()
    directory.note_failure("random", 0, f"loss became NaN at step 3 {hostile}")
    page = Page(render(lean_copy))
    words = page.words()
    assert f"Failed: random, replicate 0: loss became NaN at step 3 {hostile}" in words
    assert "Missing: random, replicate(s) 0" in words
    assert "Unfinished: imp, replicate 0 stops at level 2" in words
    assert "Findings at level 2, the last level that all conditions reached" in words
    assert hostile not in page.source


def test_what_the_cards_of_twins_warn_of_is_a_caveat(copied):
    hostile = "leaks <b>badly</b>"
    for condition, facts in (
        ("imp", {"card": {"warnings": ["few samples"]}, "twin": {"warnings": [hostile]}}),
        ("random", {"card": {"warnings": ["few samples"]}, "twin": "nonsense"}),
    ):
        before = copied.directory.task_facts(condition, 0)
        copied.directory.begin(condition, 0, before | facts)
    words = caveats(Summaries(copied))
    assert "Twin (imp, random): few samples" in words
    assert f"Twin (imp): {hostile}" in words
    assert hostile not in render(copied)


def test_severed_layers_and_undefined_values_are_named(copied):
    directory = copied.directory
    stored = copied.level("imp", 0, 3)
    measures = copied.measures("imp", 0, 3)
    facts = {"num_units": 12, "num_connected": 0, "severed_layers": ["linear_0"], "has_path": False}
    severed = LevelRecord.model_validate(stored.record.model_dump() | {"connectivity": facts})
    write_record(directory.level("imp", 0, 3), severed, stored.masks, measures)
    words = " ".join(caveats(Summaries(copied)))
    assert "Severed layer: imp, replicate 0, level 3: no weight is left in linear_0." in words
    assert "Severed network: imp, replicate 0, level 3" in words
    assert "Severed units, without a path from input to output: imp from level 1, at most 12 of 12" in words


def test_panels_of_instruments_that_did_not_run_are_left_out_and_it_is_said(lean_run):
    words = Page(render(lean_run)).words()
    assert "Not measured: gaussianity." in words
    assert "Not measured: cavity." in words
    assert "κ beside its controls" not in words
    assert "Radius of gyration" in words


def test_a_real_run_with_two_layers_gets_its_page(tmp_path):
    smaller = ["network.widths=[12, 8]", "replicates=1", "pruning.max_levels=1"]
    smaller += ['measure.instruments=["gaussianity"]']  # of deeper layers too, and units by fan-in
    run = Run(run_recipe(load_recipe(PLANE, smaller), tmp_path / "plane", jobs=1))
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "Layer linear_1" in page.words()
    assert {row["layer"] for row in page.json("numbers")} == {NETWORK, "linear_0", "linear_1"}


def test_summaries_know_the_last_common_level(stored_run):
    summaries = Summaries(stored_run)
    assert summaries.compared_levels() == {"imp": 3, "random": 3}
    assert summaries.conditions == ["imp", "random"]
    assert not summaries.has("locality.nonsense", "linear_0")
    names = [finding.quantity.name for finding in findings(summaries, "linear_0")]
    measured = [name for name in CATALOGUE.findings if summaries.has(name, words_of(name).layer("linear_0"))]
    assert [name for name in names if name != "locality.verdict"] == measured
    assert set(CATALOGUE.findings) - set(measured) == {"stability.error_barrier"}  # on request


def test_a_run_that_has_not_begun_is_reported_too(stored_run, tmp_path):
    run = Run(RunDirectory.create(stored_run.recipe, tmp_path / "new"))
    words = Page(render(run)).words()
    assert "no condition has started" in words
    assert "Missing: imp, replicate(s) 0, 1" in words


def test_wrapped_geometry_is_carried_into_the_page(pages):
    geometry = pages["line"].json("explorer-data")["geometry"]
    assert Geometry(geometry["channels"], tuple(geometry["size"]), geometry["wraps"]) == Geometry(
        1, (24,), True
    )


@pytest.mark.slow
def test_the_explorer_of_the_default_recipe_leaves_room_below_8_mb():
    """Three conditions, 12 levels, 256 units of 3072 inputs; figures and maps take 2.2 MB more."""
    stream = np.random.default_rng(0)
    packers = []
    for condition in ("imp", "twin", "random"):
        packer = Packer(condition, 0)
        mask, scores = np.ones((256, 3072), bool), stream.random((256, 3072))
        for index in range(12):
            next_mask = mask & (scores > np.quantile(scores[mask], 0.3))
            weight = np.where(mask, stream.standard_normal(mask.shape), 0).astype(np.float32)
            delta = stream.standard_normal(mask.shape).astype(np.float32)
            per_unit = {
                name: Quantity(stream.random(256), ("unit",), "made up")
                for name in (
                    "locality.near_per_unit",
                    "locality.ipr_per_unit",
                    "gaussianity.excess_kurtosis_per_unit",
                    "gaussianity.mean_per_unit",
                    "gaussianity.variance_per_unit",
                )
            }
            counts = preactivation_histogram(stream.standard_normal((2000, 256)))
            quantities = per_unit | {
                "cavity.delta_kurtosis": Quantity(delta, ("unit", "input"), "made up"),
                "gaussianity.histogram_per_unit": Quantity(counts, ("unit", "bin"), "made up"),
            }
            packer.add(
                LevelView(
                    index=index,
                    density=mask.mean(),
                    accuracy=0.9,
                    weight=weight,
                    mask=mask,
                    next_mask=next_mask,
                    quantities=quantities,
                )
            )
            mask = next_mask
        packers.append(packer)
    data = pack(packers)
    assert len(data["units"]) == 256
    assert len(json.dumps(data)) < 5_500_000
