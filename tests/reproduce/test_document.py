import copy
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from sparsight.errors import InputError
from sparsight.reproduce import select_claims
from sparsight.reproduce._document import claims_page, read_earlier, write_claims_page
from sparsight.reproduce._figures import draw_claim, plot_findings


def _row(name, values, verdict, *, decisive=True, variant="", expects="above", margin=0.1):
    values = np.array(values)
    return {
        "prediction": name,
        "statement": f"what {name} is, |κ|",
        "study": "ring",
        "variant": variant,
        "decisive": decisive,
        "rule": {"expects": expects, "margin": margin, "equivalence": margin},
        "summary": "mean",
        "values": values.tolist(),
        "effect": {
            "mean": values.mean(),
            "low": values.min(),
            "high": values.max(),
            "num_replicates": len(values),
            "num_missing": 0,
            "is_unbounded": False,
        },
        "control": None,
        "control_statement": "",
        "smallest_detectable_effect": 0.123,
        "num_replicates_needed": 31,
        "p": 0.01,
        "p_adjusted": 0.02,
        "data_sets": "fresh each replicate",
        "verdict_alone": verdict,
        "verdict": verdict,
    }


@pytest.fixture
def table():
    return {
        "claim": "locality",
        "scale": "laptop",
        "statement": "A statement.",
        "source": "A source",
        "scope": "A scope.",
        "verdict": "undecided",
        "findings": [
            _row("near", [1.0, 2.0, 3.0], "supported"),
            _row("far", [-1.5, 2.5], "undecided", expects="within", margin=0.5),
            _row("aside", [-4.0, -5.0], "contradicted", decisive=False),
            _row("near", [7.0, 8.0], "supported", variant="half-width"),
        ],
        "studies": [
            {
                "name": "ring",
                "variant": "",
                "recipe_hash": "0123456789abcdef",
                "seeds": ["1", "2"],
                "dense_accuracy": {"imp": 0.9, "twin": 0.999},
                "out_of_accuracy_band": ["twin"],
                "failures": {},
                "versions": {"torch": "2.0"},
                "started": "2026-01-01T00:00:00+00:00",
                "data_sets": "fresh each replicate",
                "cost": {"train_seconds": 5400.0, "measure_seconds": 1800.0},
            }
        ],
        "curves": {
            "ring/locality.near": {"imp": {"density": [1.0, 0.5], "values": [[1.0, 2.0], [1.0, None]]}}
        },
    }


def test_the_committed_page_is_that_of_the_committed_tables():
    docs = Path(__file__).parents[2] / "docs"
    tables = {path.stem: json.loads(path.read_text("utf-8")) for path in (docs / "claims").glob("*.json")}
    there = [tables[name] for name in select_claims() if name in tables]
    missing = [name for name in select_claims() if name not in tables]
    page = claims_page(there, missing, "docs/claims", "docs/claims.md", read_earlier(docs / "claims"))
    assert page == (docs / "claims.md").read_text("utf-8")


def _page(table):
    return claims_page([table], ["cavity"], "docs/claims", "docs/claims.md")


@pytest.mark.parametrize("verdict", ["supported", "contradicted", "equivalent", "mixed", "undecided"])
def test_verdicts_on_the_page_are_those_of_the_table(table, verdict):
    table["verdict"] = verdict
    if verdict != "mixed":
        table["findings"][0] |= {"verdict": verdict, "verdict_alone": verdict}
    page = _page(table)
    assert f"**Verdict at scale laptop: {verdict}.**" in page
    (row,) = re.findall(r"^\| near \| what .*$", page, re.M)
    assert row.endswith(f"| {table['findings'][0]['verdict']} |")


def test_page_says_which_predictions_disagree(table):
    table["verdict"] = "mixed"
    table["findings"][1] |= {"verdict": "equivalent", "verdict_alone": "equivalent"}
    reason = "*supported*: near; *equivalent*: far 0.5 [-1.5, 2.5]"
    page = _page(table)
    assert f"**Verdict at scale laptop: mixed.** {reason}." in page
    assert f"| **mixed** | {reason} |" in page


def test_page_says_what_the_correction_changed(table):
    table["findings"][0] |= {"verdict": "undecided", "verdict_alone": "supported"}
    page = _page(table)
    (row,) = re.findall(r"^\| near \| what .*$", page, re.M)
    assert row.endswith("| 0.02 |  | 0.12 (needs 31) | undecided (alone: supported) |")
    (row,) = re.findall(r"^\| \(aside\) .*$", page, re.M)
    assert row.endswith("| 0.01 |  | 0.12 | contradicted |")  # not corrected, and decided


def test_page_counts_missing_replicates_and_marks_one_data_set(table):
    table["findings"][0]["effect"]["num_missing"] = 2
    table["findings"][0]["data_sets"] = table["studies"][0]["data_sets"] = "one"
    page = _page(table)
    assert "| 3† (2 missing) |" in page
    assert "2 seeds, one data set; 1.5 h of training, 0.5 h of measuring." in page


def test_page_names_the_kind_of_an_estimate_and_an_unbounded_one(table):
    table["findings"][0]["summary"] = "median"
    table["findings"][1] |= {"summary": "ratio of means"}
    table["findings"][1]["effect"] |= {"low": None, "high": None, "is_unbounded": True}
    page = _page(table)
    assert "| 2 [1, 3], median |" in page
    assert "| 0.5 (unbounded), ratio of means |" in page


def test_page_shows_how_verdicts_moved(table):
    earlier = {"rules": "By other rules.", "verdicts": {"locality": "supported", "gone": "contradicted"}}
    page = claims_page([table], [], "docs/claims", "docs/claims.md", earlier)
    assert "## How verdicts moved\n\nBy other rules.\n" in page
    assert "| [locality](#locality) | supported | **undecided** |" in page
    assert "| gone | contradicted | **not a claim now** |" in page
    assert "How verdicts moved" not in _page(table)


def test_damaged_file_of_earlier_verdicts_is_named(table, tmp_path):
    (tmp_path / "before.json").write_text("{}")
    (tmp_path / "locality.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=r"before\.json does not hold earlier verdicts"):
        write_claims_page(tmp_path, tmp_path / "claims.md")


def test_page_says_what_speaks_against_and_what_was_not_run(table):
    page = _page(table)
    assert "*supported*: near; *undecided*: far 0.5 [-1.5, 2.5]" in page
    assert "Not run yet: cavity." in page
    assert "**Outside 0.80 … 0.99**: twin" in page
    assert "1.5 h of training, 0.5 h of measuring. Dense test accuracy" in page
    assert "| near | 7.5 [7, 8] supported |" in page  # robustness
    assert "(aside)" in page
    assert "Not yet repeated" not in page
    assert "what near is, \\|κ\\|" in page  # a bar in a cell would end it


def test_page_says_that_robustness_is_still_to_be_run(table):
    table["findings"].pop()
    assert "To do so: `sparsight reproduce locality --scale laptop --results docs/claims`." in _page(table)


def test_figure_shows_every_replicate_and_margin(table):
    ax = plot_findings(table, Figure().add_subplot())
    assert len(ax.get_yticklabels()) == 3
    drawn = [
        line.get_xdata() for line in ax.lines if line.get_linestyle() == "None" and len(line.get_xdata()) == 3
    ]
    assert np.allclose(drawn[0], np.array([1, 2, 3]) / 3)
    dotted, dashed = (
        sorted(line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == dashes)
        for dashes in (":", "--")
    )
    assert np.allclose(dotted, [-0.2, 0.02, 0.1 / 3, 0.2])
    assert np.allclose(dashed, [-0.1 / 3, -0.02])  # within them an effect counts as none


def test_figure_of_a_claim_without_any_value_is_drawn(table):
    for row in table["findings"]:
        row["values"] = [None, None]
        row["effect"] |= {"mean": None, "low": None, "high": None}
    draw_claim(table).canvas.draw()
    assert "no value" in _page(table)


def test_page_is_written_from_tables_alone(table, tmp_path):
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "locality.json").write_text(json.dumps(table))
    write_claims_page(folder, tmp_path / "claims.md")
    assert (tmp_path / "claims.md").read_text().startswith("# The claims")
    assert (folder / "locality.png").read_bytes().startswith(b"\x89PNG")


def test_the_module_writes_the_page_from_the_command_line(table, tmp_path, monkeypatch):
    folder, page = tmp_path / "claims", tmp_path / "claims.md"
    folder.mkdir()
    for arguments, message in (([str(folder)], "usage"), ([str(folder), str(page)], "holds no result table")):
        monkeypatch.setattr("sys.argv", ["sparsight.reproduce", *arguments])
        with pytest.raises(SystemExit, match=message):
            runpy.run_module("sparsight.reproduce", run_name="__main__")
    (folder / "locality.json").write_text(json.dumps(table))
    runpy.run_module("sparsight.reproduce", run_name="__main__")
    assert "**Verdict at scale laptop: undecided.**" in page.read_text()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "holds no result table"),
        ("[]", "is not a result table"),
        ('{"claim": "locality", "studies": [], "curves": {}, "findings": [{}]}', "is not a result table"),
    ],
)
def test_missing_or_damaged_tables_are_named(content, match, tmp_path):
    if content is not None:
        (tmp_path / "locality.json").write_text(content)
    with pytest.raises(InputError, match=match):
        write_claims_page(tmp_path, tmp_path / "claims.md")


def test_table_is_not_changed_by_being_written(table):
    before = copy.deepcopy(table)
    _page(table)
    draw_claim(table)
    assert table == before
