"""The table of `sparsight tickets`: which level, which references, which pairs."""

import io
import itertools
import shutil

import numpy as np
import pytest
from rich.console import Console

from sparsight import ticket_table
from sparsight.cli.views._tickets import print_tickets
from sparsight.errors import InputError
from sparsight.measure import paired_difference, student_interval
from sparsight.prune import PruningSettings
from sparsight.recipe import load_recipe
from sparsight.report._page import render
from sparsight.report._stability_panels import stability_panels
from sparsight.report._subjects import Summaries
from sparsight.report._tickets import masks_in_words
from sparsight.run import run_recipe
from sparsight.store import open_run
from tests.invented_runs import LOCALITY_ALONE
from tests.short_runs import PLANE

CONDITIONS = ("imp", "random", "one_shot", "with_fresh_initial_weights")
OVERRIDES = (
    "replicates=3", "training.steps=8", "training.kernel=dense", "measure.instruments=['locality']",
    "conditions.imp.measure.instruments=['locality','stability']",
    "conditions.random.measure.instruments=['locality','stability']",
    "conditions.one_shot.pruning.schedule=one_shot",
    'conditions.with_fresh_initial_weights.pruning={masks_from="imp",weights="fresh",rewind="init"}',
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("tickets") / "run"
    run_recipe(load_recipe(PLANE, OVERRIDES), path, jobs=1)
    return open_run(path)


@pytest.fixture
def copied(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "run")
    return tmp_path / "run"


def accuracies(run, condition, level):
    return np.array(
        [run.directory.records(condition, replicate)[level].test_accuracy for replicate in range(3)]
    )


def row(table, condition, reference="", quantity="test_accuracy"):
    chosen = table[
        (table["condition"] == condition)
        & (table["reference"] == reference)
        & (table["quantity"] == quantity)
    ]
    assert len(chosen) == 1
    return chosen.iloc[0]


def assert_interval(found, expected):
    assert (found["mean"], found["low"], found["high"]) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert found["num_replicates"] == expected.num_replicates


def test_every_condition_stands_beside_ticket_random_and_dense_paired_by_seed(run):
    table = ticket_table(run)
    levels = {"imp": 2, "random": 2, "one_shot": 1, "with_fresh_initial_weights": 2}
    values = {name: accuracies(run, name, level) for name, level in levels.items()}
    values["dense"] = accuracies(run, "imp", 0)
    for name, own in values.items():
        assert_interval(row(table, name), student_interval(own))
        assert row(table, name)["density"] == pytest.approx(1 if name == "dense" else 0.4896, abs=0.01)
        for reference in ("imp", "random", "dense"):
            if reference != name:
                expected = paired_difference(own, values[reference], range(3), range(3))
                assert_interval(row(table, name, reference), expected)
    assert set(table["reference"]) == {"", "imp", "random", "dense"}


def test_barriers_are_compared_where_they_were_measured(run):
    table = ticket_table(run)
    barriers = {
        name: np.array(
            [run.measures(c, r, level)["network"]["stability.error_barrier"].value for r in range(3)]
        )
        for name, c, level in (("imp", "imp", 2), ("random", "random", 2), ("dense", "imp", 0))
    }
    quantity = "stability.error_barrier"
    assert set(table[table["quantity"] == quantity]["condition"]) == set(barriers)
    assert_interval(row(table, "random", "", quantity), student_interval(barriers["random"]))
    expected = paired_difference(barriers["random"], barriers["dense"], range(3), range(3))
    assert_interval(row(table, "random", "dense", quantity), expected)


def test_a_density_is_met_within_a_tenth_and_conditions_without_it_are_left_out(run):
    table = ticket_table(run, density=0.72)
    assert set(table["condition"]) == {"imp", "random", "with_fresh_initial_weights", "dense"}
    assert set(table[table["condition"] != "dense"]["level"]) == {1}
    assert_interval(row(table, "imp"), student_interval(accuracies(run, "imp", 1)))


def test_no_condition_is_read_far_from_the_density_at_which_the_others_are(copied):
    shutil.rmtree(copied / "random" / "replicate_001" / "level_002")
    table = ticket_table(open_run(copied))  # one_shot has the dense level, and one that is much sparser
    assert set(table["condition"]) == {"imp", "random", "with_fresh_initial_weights", "dense"}
    assert table[table["condition"] != "dense"]["density"].to_numpy() == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (0.1, r"imp has no level within 10% of density 0.1 \(it has 1, 0.7\d*, 0.4\d*\): choose one"),
        (0.0, "density is 0; a share above 0"),
        (1.5, "density is 1.5"),
        (float("nan"), "density is nan"),
    ],
)
def test_a_density_that_was_not_reached_is_told_in_one_line(run, density, message):
    with pytest.raises(InputError, match=message) as raised:
        ticket_table(run, density=density)
    assert "\n" not in str(raised.value)


def test_a_run_that_has_not_got_that_far_is_told_in_one_line(copied):
    for level in (1, 2):
        shutil.rmtree(copied / "random" / "replicate_001" / f"level_{level:03d}")
    with pytest.raises(InputError, match="no density below 1 in common: random has only"):
        ticket_table(open_run(copied))
    for condition in CONDITIONS:
        shutil.rmtree(copied / condition)
    with pytest.raises(InputError, match="holds no level yet"):
        ticket_table(open_run(copied))


def test_a_replicate_without_a_level_is_missing_and_counted(copied):
    shutil.rmtree(copied / "random" / "replicate_001")
    table = ticket_table(open_run(copied))
    assert row(table, "random")["num_replicates"] == 2
    assert row(table, "random", "imp")["num_replicates"] == 2
    assert row(table, "random", "imp")["num_missing"] == 1
    expected = (accuracies(open_run(copied), "imp", 2)[[0, 2]]).mean()
    assert row(table, "imp")["mean"] != expected


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits_its_terminal_and_says_what_it_shows(run, width):
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    print_tickets(console, run, None)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    table = ticket_table(run)
    shown = {line.split("  ")[0].strip(): line for line in text.splitlines()[:12]}
    for reference in ("", "dense", "imp"):
        found = row(table, "random", reference)
        assert f"{found['mean']:z.3f} ±{(found['high'] - found['low']) / 2:.3f}" in shown["random"]
    for words in ("− imp", "− random", "− dense", "paired by seed", "Without a value: one_shot", "barrier"):
        assert words in " ".join(text.split())
    assert ("imp's, fresh weights" in text) == (width == 200)


def test_the_lines_between_copies_are_drawn_for_every_condition_that_has_them(run):
    panels = {panel.name: panel for panel in stability_panels(Summaries(run))}
    both = ("imp", "random")
    assert list(panels) == [f"stability-{name}-{each}" for name in ("loss", "accuracy") for each in both]
    for condition, quantity in itertools.product(both, ("loss", "accuracy")):
        ax = panels[f"stability-{quantity}-{condition}"].ax
        lines = [line for line in ax.get_lines() if len(line.get_xdata()) == 11]
        assert len(lines) == 3
        for level, line in enumerate(lines):
            measured = [run.measures(condition, replicate, level)["network"] for replicate in range(3)]
            values = [each[f"stability.{quantity}"].value for each in measured]
            np.testing.assert_allclose(line.get_ydata(), np.mean(values, axis=0))
    for name in ("loss", "accuracy"):  # they are read side by side
        assert len({panels[f"stability-{name}-{each}"].ax.get_ylim() for each in both}) == 1
    text = render(run)
    assert 'id="stability"' in text
    assert text.count("between two copies: imp</h4>") == 2


def test_without_the_instrument_there_is_no_line_to_draw(store, tmp_path):
    run = store(tmp_path / "run", measure=LOCALITY_ALONE)
    assert stability_panels(Summaries(run)) == []


def test_conditions_on_other_data_are_named(store, tmp_path):
    recipe = {"conditions": {"imp": {}, "wider": {"data": {"num_train": 500}}}}
    run = store(tmp_path / "run", conditions=("imp", "wider"), measure=LOCALITY_ALONE)
    run.recipe = run.recipe.model_copy(update=recipe)
    console = Console(width=80, record=True, file=io.StringIO(), highlight=False)
    print_tickets(console, run, None)
    assert "On other data than imp: wider." in " ".join(console.export_text().split())


def test_masks_are_described_in_words():
    words = {
        "magnitude, iterative": {},
        "random, one shot": {"criterion": "random", "schedule": "one_shot"},
        "compact windows": {"masks_from": "windows"},
        "imp's of another seed": {"masks_from": "imp", "masks_replicate_offset": 1},
        "imp's, shuffled by rows and columns": {"masks_from": "imp", "rearranged": "rows_columns"},
        "imp's, shuffled by unit, one size, own signs": {
            "masks_from": "imp", "rearranged": "unit", "weights": "constant",
        },
        "magnitude, cubic, erk": {"schedule": "cubic", "distribution": "erk"},
        "magnitude, one shot, densities by layer": {
            "schedule": "one_shot", "distribution": {"linear_0": 0.1},
        },
        "magnitude, iterative, whole units": {"granularity": "unit", "distribution": "uniform"},
        "snip, iterative, whole units, erk": {
            "criterion": "snip", "granularity": "unit", "distribution": "erk",
        },
        "magnitude, iterative, whole units, densities by layer": {
            "granularity": "unit", "distribution": {"linear_0": 0.1},
        },
        "random, one shot, erk, regrown by gradient": {
            "criterion": "random", "schedule": "one_shot", "distribution": "erk", "regrowth": "gradient",
        },
        "random, iterative, regrown at random": {"criterion": "random", "regrowth": "random"},
    }  # fmt: skip
    for expected, settings in words.items():
        assert masks_in_words(PruningSettings(**settings)) == expected


def test_masks_that_were_drawn_at_random_and_regrown_are_not_the_random_control(store, tmp_path):
    recipe = {"conditions": {"rigl": {"pruning": {"criterion": "random", "regrowth": "gradient"}}}}
    recipe["conditions"]["random"] = {"pruning": {"criterion": "random"}}
    run = store(tmp_path / "run", conditions=("rigl", "random"), measure=LOCALITY_ALONE)
    run.recipe = run.recipe.model_copy(update=recipe)
    table = ticket_table(run)
    assert table.attrs["ticket"] == "rigl"
    assert set(table.loc[table["condition"] == "rigl", "reference"]) == {"", "random", "dense"}
