import numpy as np
import pandas as pd
import pytest

from sparsight.errors import InputError
from sparsight.figures._sweeps import plot_two_fields, table_over


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
