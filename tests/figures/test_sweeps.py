import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sparsight.errors import InputError
from sparsight.figures._sweeps import curve_over, plot_one_field, plot_two_fields, table_over


@pytest.fixture
def frame():
    """Accuracy = rate + seed + replicate / 10 at level 1, and ten times that before."""
    rows = [
        {
            "case": f"case-{rate}-{seed}",
            "pruning.rate": rate,
            "seed": seed,
            "condition": condition,
            "replicate": replicate,
            "level": level,
            "layer": layer,
            "quantity": "accuracy",
            "value": (rate + seed + replicate / 10) * (1 if level else 10),
        }
        for rate in (0.5, 0.25)
        for seed in (1, 2, 3)
        if (rate, seed) != (0.25, 3)
        for condition in ("imp", "random")
        for replicate in (0, 1)
        for level in (0, 1)
        for layer in ("network",)
    ]
    return pd.DataFrame(rows)


def test_the_table_holds_means_over_replicates_at_the_last_level(frame):
    table = table_over(frame, "pruning.rate", "seed", "accuracy", "imp")
    assert list(table.columns) == [0.5, 0.25]
    assert list(table.index) == [1, 2, 3]
    np.testing.assert_allclose(table.to_numpy(), [[1.55, 1.3], [2.55, 2.3], [3.55, np.nan]])


def test_the_picture_shows_every_value(frame):
    ax = plot_two_fields(frame, x="pruning.rate", y="seed", quantity="accuracy", condition="random")
    assert [text.get_text() for text in ax.texts] == ["1.55", "1.3", "2.55", "2.3", "3.55"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.5", "0.25"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pruning.rate", "seed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pruning.rat", "seed", "accuracy", "imp"), "did you mean pruning.rate"),
        (("pruning.rate", "", "accuracy", "imp"), "there are pruning.rate, seed"),
        (("pruning.rate", "seed", "acuracy", "imp"), "did you mean accuracy"),
        (("pruning.rate", "seed", "accuracy", "twin"), "has no accuracy yet; run the sweep first"),
    ],
)
def test_unknown_names_are_reported_with_the_nearest_known_name(frame, arguments, message):
    with pytest.raises(InputError, match=message):
        table_over(frame, *arguments)


def test_a_curve_has_students_interval_over_replicates_averaged_over_other_fields(frame):
    curve = curve_over(frame, "pruning.rate", "accuracy", "imp")
    assert list(curve["pruning.rate"]) == [0.5, 0.25]
    # rate + mean seed + replicate / 10; rate 0.25 has seeds 1 and 2 alone
    np.testing.assert_allclose(curve["by_replicate"].tolist(), [[2.5, 2.6], [1.75, 1.85]])
    np.testing.assert_allclose(curve["mean"], [2.55, 1.8])
    half = stats.t.ppf(0.975, 1) * np.std([0, 0.1], ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(curve["high"] - curve["mean"], half)
    np.testing.assert_allclose(curve["mean"] - curve["low"], half)


def test_the_curves_are_drawn_to_scale_with_bars_and_dots(frame):
    ax = plot_one_field(frame, x="pruning.rate", quantity="accuracy")
    assert [each.get_label() for each in ax.containers] == ["imp", "random"]
    line, _, (bars,) = ax.containers[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[0.25, 1.8], [0.5, 2.55]])
    assert len(bars.get_segments()) == 2
    dots = [each for each in ax.lines if each.get_marker() == "."]
    np.testing.assert_allclose(np.sort(dots[0].get_ydata()), [1.75, 1.85, 2.5, 2.6])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pruning.rate", "accuracy")


@pytest.mark.parametrize("replicates", [1, 2])
def test_values_that_are_no_numbers_stand_side_by_side_and_one_replicate_has_no_bar(frame, replicates):
    text = frame[(frame["seed"] == 1) & (frame["replicate"] < replicates)]
    text = text.assign(**{"pruning.rate": text["pruning.rate"].map({0.5: "[64]", 0.25: "[64, 64]"})})
    ax = plot_one_field(text, x="pruning.rate", quantity="accuracy")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["[64]", "[64, 64]"]
    assert list(ax.get_xticks()) == [0, 1]
    assert bool(ax.containers[0].has_yerr) == (replicates == 2)


def test_the_null_of_a_quantity_is_drawn(frame):
    near = frame.assign(quantity="locality.near_configuration", layer="linear_0")
    ax = plot_one_field(near, x="seed", quantity="locality.near_configuration")
    assert any(line.get_label() == "chance = 1" for line in ax.lines)
    assert ax.get_ylabel() == "pairs at |d| ≤ 1.5 pixels / chance"


@pytest.mark.parametrize(
    ("x", "quantity", "message"),
    [
        ("pruning.rat", "accuracy", "did you mean pruning.rate"),
        ("condition", "accuracy", "there are pruning.rate, seed"),
        ("seed", "acuracy", "did you mean accuracy"),
    ],
)
def test_unknown_names_of_a_curve_are_reported(frame, x, quantity, message):
    with pytest.raises(InputError, match=message):
        plot_one_field(frame, x=x, quantity=quantity)
