"""The first screen says what the intervals say, and its units are chosen without a look at locality."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from sparsight.figures import PRUNED, field_colours
from sparsight.geometry import Geometry
from sparsight.measure import locality_verdict, student_interval
from sparsight.report._answer import answer, chosen_units
from sparsight.report._evidence import gather
from sparsight.report._page import render
from sparsight.report._subjects import Summaries
from tests.invented_runs import LOCALITY_ALONE
from tests.report.pages import Page


@pytest.fixture(scope="module")
def run(store, tmp_path_factory):
    """Five replicates: `imp` keeps weights around a centre, `random` any."""
    path = tmp_path_factory.mktemp("answer") / "run"
    return store(path, geometry=Geometry(1, (8, 8)), replicates=5, measure=LOCALITY_ALONE)


@pytest.fixture(scope="module")
def found(run):
    summaries = Summaries(run)
    levels = summaries.compared_levels()
    gathered = [gather(each, "linear_0", levels[name]) for name, each in summaries.subjects.items()]
    return answer(summaries, "linear_0", gathered)


def values(run, condition, quantity, level=3):
    frame = run.frame()
    chosen = frame["condition"].eq(condition) & frame["level"].eq(level) & frame["quantity"].eq(quantity)
    return frame[chosen]["value"].to_numpy()


@pytest.mark.parametrize(("condition", "word"), [("imp", "local"), ("random", "not local")])
def test_a_sentence_has_the_verdict_the_intervals_and_the_accuracies(run, found, condition, word):
    names = ("attained_share", "far", "radius_of_gyration")
    intervals = {name: student_interval(values(run, condition, f"locality.{name}")) for name in names}
    assert locality_verdict(**intervals) == word
    sentence = found.sentences[condition]
    assert sentence.startswith(f"at 12.5 % density: receptive fields {word} (attained share ")
    shown = [f"{each.mean:z.2f} [{each.low:z.2f}, {each.high:z.2f}]" for each in intervals.values()]
    accuracy = student_interval(values(run, condition, "test_accuracy"))
    shown.append(f"accuracy {accuracy.mean:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}]")
    shown.append(f"dense {values(run, condition, 'test_accuracy', 0).mean():.3f}.")
    for part in shown:
        assert part.replace("-", "−") in sentence


def test_the_page_begins_with_the_sentences(run, found):
    page = Page(render(run))
    words = page.words()
    for name, sentence in found.sentences.items():
        assert words.index(f"{name} {sentence}") < words.index("Findings at level 3")
    folds = [attrs for tag, attrs in page.elements if tag == "details" and attrs.get("class") == "fold"]
    assert len(folds) >= 6
    assert not any("open" in attrs for attrs in folds)


def test_one_replicate_has_numbers_without_brackets(lean_run):
    words = Page(render(lean_run)).words()
    assert "receptive fields undecided: one replicate (attained share 0." in words
    assert "A single replicate has no interval." in words


def test_units_are_evenly_spaced_among_those_connected_everywhere():
    first, second = np.ones((40, 5)), np.ones((30, 7))
    first[3] = second[0] = 0
    units, words = chosen_units([first, second])
    assert len(units) == 12
    assert (units[0], units[-1]) == (1, 29)
    assert {0, 3}.isdisjoint(units.tolist())
    assert set(np.diff(units)) <= {2, 3}
    assert "among the 28 of 30 that keep an input in every condition" in words
    # where the kept inputs lie does not matter
    shuffled = [np.random.default_rng(0).permuted(each, axis=1) for each in (first, second)]
    assert chosen_units(shuffled)[0].tolist() == units.tolist()


def test_without_a_common_unit_there_is_no_picture_and_a_sentence_why():
    units, words = chosen_units([np.eye(2), np.eye(2)[:, :1] * np.array([[0], [1]])])
    assert not len(units)
    assert words == "No unit keeps an input in every condition."
    assert not len(chosen_units([])[0])


def test_the_pictures_are_of_the_same_units_at_the_compared_level(run, found):
    assert [picture.condition for picture in found.pictures] == ["imp", "random"]
    for picture in found.pictures:
        weight = run.level(picture.condition, 0, 3).final["linear_0.weight"].numpy()
        file = io.BytesIO(base64.b64decode(picture.source.split(",")[1]))
        pixels = np.asarray(Image.open(file).convert("RGB"))
        assert pixels.shape[:2] == (2 * 9 - 1, 6 * 9 - 1)  # twelve units of 8 × 8, six in a row
        fields = field_colours(weight, Geometry(1, (8, 8)))
        np.testing.assert_array_equal(pixels[:8, 9:17], fields[1])
        grey = (pixels[:8, 9:17] == PRUNED).all(axis=-1)
        np.testing.assert_array_equal(grey.ravel(), weight[1] == 0)
