"""Curves over the steps within levels."""

import itertools

import numpy as np
import pandas as pd
import pytest

from sparsight.errors import InputError
from sparsight.figures import plot_over_training

STEPS = (0, 10, 100, 1000)


def frame(conditions=("imp", "random"), replicates=3):
    rows = [
        {"condition": condition, "replicate": replicate, "level": level, "step": step, "density": 0.5**level}
        | {"layer": "linear_0", "quantity": "locality.ipr"}
        | {"value": level + step / 1000 + replicate / 10 + (condition == "random")}
        for condition, replicate, level, step in itertools.product(
            conditions, range(replicates), range(2), STEPS
        )
    ]
    return pd.DataFrame(rows)


def test_each_level_is_a_line_of_means_over_its_steps():
    ax = plot_over_training(frame(), quantity="locality.ipr", condition="random")
    lines = {line.get_label(): line for line in ax.get_lines() if str(line.get_label()).startswith("level")}
    assert list(lines) == ["level 0", "level 1"]
    for level, line in enumerate(lines.values()):
        assert list(line.get_xdata()) == list(STEPS)
        np.testing.assert_allclose(line.get_ydata(), [1 + level + step / 1000 + 0.1 for step in STEPS])
    assert ax.get_xscale() == "symlog"
    assert len(ax.collections) == 2  # a band for each level


def test_the_first_condition_is_the_default_and_one_replicate_has_no_band():
    ax = plot_over_training(frame(replicates=1), quantity="locality.ipr")
    assert not ax.collections
    (first, _) = ax.get_lines()
    assert list(first.get_ydata()) == [step / 1000 for step in STEPS]


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (
            frame(),
            {"quantity": "locality.far"},
            r"'locality\.far' was not measured during training",
        ),
        (frame(), {"quantity": "locality.ipr", "condition": "twin"}, "in twin; there are imp, random"),
        (frame(), {"quantity": "locality.ipr", "layer": "linear_1"}, "in linear_1; there are linear_0"),
        (frame().iloc[:0], {"quantity": "locality.ipr"}, "no numbers: set measure.at_steps"),
        (frame().drop(columns="step"), {"quantity": "locality.ipr"}, "lacks the column"),
    ],
)
def test_what_cannot_be_drawn_is_named(data, arguments, message):
    with pytest.raises(InputError, match=message):
        plot_over_training(data, **arguments)
