"""The word for receptive fields in the report is that of the deciding function, on planted masks."""

import pytest

from sparsight.geometry import Geometry
from sparsight.measure import locality_verdict, smallest_detectable_effect, student_interval
from sparsight.report._caveats import caveats
from sparsight.report._findings import findings
from sparsight.report._page import render
from sparsight.report._subjects import Summaries
from tests.invented_runs import LOCALITY_ALONE
from tests.report.pages import Page


@pytest.fixture(scope="module")
def run(store, tmp_path_factory):
    """Six replicates of one condition that keeps weights around a centre, and one that keeps any."""
    path = tmp_path_factory.mktemp("findings") / "run"
    return store(path, geometry=Geometry(1, (8, 8)), replicates=6, measure=LOCALITY_ALONE)


def word_of(run, condition):
    (finding,) = [f for f in findings(Summaries(run), "linear_0") if f.quantity.name == "locality.verdict"]
    assert finding.differences == []
    (cell,) = [cell for cell in finding.conditions if cell.condition == condition]
    return cell


def test_the_word_is_that_of_the_deciding_function(run):
    frame = run.frame()
    last = frame[(frame["level"] == 3) & (frame["layer"] == "linear_0")]
    words = set()
    for condition in ("imp", "random"):
        rows = last[last["condition"] == condition]
        intervals = {
            name: student_interval(rows[rows["quantity"] == f"locality.{name}"]["value"].to_numpy())
            for name in ("attained_share", "far", "radius_of_gyration")
        }
        assert word_of(run, condition).text == locality_verdict(**intervals)
        words.add(word_of(run, condition).text)
    assert words == {"local", "not local"}


def test_the_three_numbers_come_before_the_word_and_the_word_is_on_the_page(run):
    names = [finding.quantity.name for finding in findings(Summaries(run), "linear_0")]
    assert names[1:5] == [
        "locality.attained_share",
        "locality.far",
        "locality.radius_of_gyration",
        "locality.verdict",
    ]
    page = Page(render(run))
    assert len(page.cells(kind="value", quantity="locality.verdict")) == 2
    assert "local share 0." in page.words()


def test_conclusions_follow_from_student_intervals_of_pairs(run):
    found = {each.quantity.name: each for each in findings(Summaries(run), "linear_0")}
    near = found["locality.near"]
    assert near.conditions[0].words == "neighbouring inputs are kept together more often than by chance"
    (cell,) = near.differences
    assert cell.words == "lower than imp"
    assert cell.interval == student_interval(list(cell.by_replicate))
    assert len(cell.by_replicate) == 6


def test_few_replicates_are_said_to_give_wide_intervals_and_what_they_can_find(run, stored_run):
    (sentence,) = [each for each in caveats(Summaries(stored_run)) if "Only 2 replicates" in each]
    assert f"{smallest_detectable_effect(1.0, 2):.1f} standard deviations" in sentence
    (sentence,) = [each for each in caveats(Summaries(run)) if "Only 6 replicates" in each]
    assert "1.4 standard deviations" in sentence


def test_one_replicate_is_not_called_local(lean_run):
    assert word_of(lean_run, "imp").text == "undecided: one replicate"


def test_never_active_units_are_a_caveat_with_relu_alone(lean_run, monkeypatch):
    summaries = Summaries(lean_run)
    is_last = (summaries.frame["quantity"] == "locality.num_never_active") & (summaries.frame["level"] == 3)
    summaries.frame.loc[is_last & (summaries.frame["condition"] == "imp"), "value"] = 5.0
    assert any("Never active" in each and "imp 5, from level" in each for each in caveats(summaries))
    (run,) = summaries.runs.values()
    network = run.recipe.network.model_copy(update={"activation": "erf"})
    monkeypatch.setattr(run, "recipe", run.recipe.model_copy(update={"network": network}))
    assert not any("Never active" in each for each in caveats(summaries))
