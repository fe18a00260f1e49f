"""Panels beside random pruning of equal accuracy: who is compared with whom, and what is drawn."""

import numpy as np
import pytest

from sparsight.figures import CATALOGUE
from sparsight.instruments import NETWORK
from sparsight.recipe import load_recipe
from sparsight.report._equal_accuracy_panels import equal_accuracy_panels
from sparsight.report._panels import curve_panels
from sparsight.report._subjects import Summaries
from sparsight.run import run_recipe
from sparsight.store import at_equal_accuracy, open_run
from tests.short_runs import PLANE

QUANTITY = "calibration.overconfidence"
OVERRIDES = (
    "replicates=3", "training.steps=8", "training.kernel=dense",
    "measure.instruments=['locality','calibration']", "conditions.other_data.data.label_noise=0.5",
    "conditions.other_training.training.learning_rate=0.01",
    "conditions.regrown.pruning.criterion='random'", "conditions.regrown.pruning.regrowth='random'",
    "conditions.regrown.pruning.update_every=1", "conditions.given.pruning.masks_from='imp'",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("equal accuracy") / "run"
    run_recipe(load_recipe(PLANE, OVERRIDES), path, jobs=1)
    return open_run(path)


def planted(run):
    """Summaries in which overconfidence follows accuracy, and `imp` has a quarter more than that."""
    summaries = Summaries(run)
    frame = summaries.frame
    accuracies = frame[frame["quantity"] == "test_accuracy"].set_index(["condition", "replicate", "level"])
    for row in frame.index[frame["quantity"] == QUANTITY]:
        condition, replicate, level = frame.loc[row, ["condition", "replicate", "level"]]
        value = 2 - 3 * accuracies.loc[(condition, replicate, level), "value"]
        frame.loc[row, "value"] = value + 0.25 * (condition == "imp")
    return summaries


def lines(ax):
    """The means of each condition, by level."""
    return {line.get_label(): line.get_ydata() for line in ax.get_lines() if line.get_linestyle() != "None"}


def test_what_accuracy_does_not_explain_is_drawn_for_conditions_like_the_reference(run):
    summaries = planted(run)
    (panel,) = [each for each in equal_accuracy_panels(summaries, legend=True) if QUANTITY in each.name]
    drawn = lines(panel.ax)
    expected = at_equal_accuracy(summaries.frame, QUANTITY, "imp", "random")["mean"]
    np.testing.assert_array_equal(drawn["imp"], expected)
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(expected.dropna(), 0.25)
    # Neither the reference itself nor conditions that differ from it in more than pruning.
    assert not {"random", "other_data", "other_training"} & drawn.keys()
    assert "same test accuracy" in panel.caption


def test_masks_that_change_while_they_train_are_no_reference_though_they_begin_at_random(run):
    summaries = planted(run)
    names = list(summaries.subjects)
    # Found first, a condition with regrowth would stand for random pruning.
    summaries.subjects = {name: summaries.subjects[name] for name in sorted(names, reverse=True)}
    (panel,) = [each for each in equal_accuracy_panels(summaries, legend=True) if QUANTITY in each.name]
    expected = at_equal_accuracy(summaries.frame, QUANTITY, "imp", "random")["mean"]
    np.testing.assert_array_equal(lines(panel.ax)["imp"], expected)
    assert {"regrown", "given"} <= lines(panel.ax).keys()  # they are compared as well


def test_colours_are_those_of_the_other_figures(run):
    summaries = Summaries(run)
    both = [*curve_panels(summaries, "linear_0"), *equal_accuracy_panels(summaries)]
    panels = {each.name: each for each in both}
    curve, gap = panels[f"linear_0-{QUANTITY}"], panels[f"equal-accuracy-{QUANTITY}"]
    colours = [
        {line.get_label(): line.get_color() for line in each.ax.get_lines()}["imp"] for each in (curve, gap)
    ]
    assert colours[0] == colours[1]


def test_without_random_pruning_or_without_probes_there_is_none(run):
    summaries = Summaries(run)
    summaries.frame = summaries.frame[~summaries.frame["quantity"].isin(CATALOGUE.at_equal_accuracy)]
    assert equal_accuracy_panels(summaries) == []
    summaries = Summaries(run)
    del summaries.subjects["random"]
    assert equal_accuracy_panels(summaries) == []
    assert summaries.has(QUANTITY, NETWORK)
