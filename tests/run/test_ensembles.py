"""Tickets as ensembles: numbers of a stored run, and what is refused."""

import itertools
import shutil

import numpy as np
import pytest
import torch

from sparsight.cli._app import run_app
from sparsight.data import data_source
from sparsight.errors import InputError
from sparsight.figures import ENSEMBLE_QUANTITIES, plot_ensembles
from sparsight.measure import (
    calibration,
    disagreement,
    ensemble_log_probabilities,
    joint_nll,
    marginal_nll,
    student_interval,
)
from sparsight.recipe import load_recipe
from sparsight.run import _ensembles, ensembles, run_recipe
from sparsight.run._building import build_network
from sparsight.store import open_run
from tests import toy
from tests.short_runs import PLANE

_SHORT = ["measure.instruments=[]", "measure.num_samples=80", "training.steps=15", "replicates=4"]


@data_source("fixed_plane")
def fixed_plane(*, seed: int):
    """A set that is no random draw."""
    return toy.linear_task()


def made(path, *overrides):
    run_recipe(load_recipe(PLANE, [*_SHORT, *overrides]), path, jobs=1)
    return open_run(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return made(tmp_path_factory.mktemp("ensembles") / "run", "data.seed=1")


@pytest.fixture(scope="module")
def table(run):
    return ensembles(run)


@pytest.fixture(scope="module")
def without_seed(tmp_path_factory):
    return made(tmp_path_factory.mktemp("apart") / "run", "replicates=2", "pruning.max_levels=1")


def numbers(table, condition, level, ensemble):
    chosen = table[
        (table["condition"] == condition) & (table["level"] == level) & (table["ensemble"] == ensemble)
    ]
    return dict(zip(chosen["quantity"], chosen["mean"], strict=True))


def logits_of(run, condition, level, task):
    inputs = torch.from_numpy(task.test_inputs[:80].reshape(80, -1))
    found = []
    for replicate in range(4):
        seed = run.recipe.replicate_seed(replicate)
        network = build_network(run.recipe.condition(condition), task, seed).eval()
        network.load_state_dict(run.level(condition, replicate, level).final)
        with torch.no_grad():
            found.append(network(inputs).double().numpy())
    return np.stack(found)


@pytest.mark.parametrize("condition", ["imp", "random"])
def test_numbers_are_those_of_all_pairs_of_stored_networks(run, table, condition):
    task = run.task(condition, 3)  # of any replicate: they share it
    labels = task.test_labels[:80]
    logits = logits_of(run, condition, 2, task)
    pairs = [list(each) for each in itertools.combinations(range(4), 2)]
    mixed = [calibration(ensemble_log_probabilities(logits[each]), labels) for each in pairs]
    found = numbers(table, condition, 2, "tickets")
    expected = {
        "accuracy": np.mean([each.accuracy for each in mixed]),
        "ece": np.mean([each.ece for each in mixed]),
        "marginal_nll": np.mean([marginal_nll(logits[each], labels) for each in pairs]),
        "joint_nll": np.mean([joint_nll(logits[each], labels) for each in pairs]),
        "disagreement": np.mean([disagreement(logits[each]) for each in pairs]),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name
    assert found["joint_gain"] == pytest.approx(10 * found["marginal_nll"] - found["joint_nll"])
    row = table[
        (table["condition"] == condition) & (table["level"] == 2) & (table["quantity"] == "joint_nll")
    ].iloc[0]
    assert row["density"] == run.level(condition, 0, 2).record.density
    interval = student_interval(list(row["by_replicate"]))
    assert (row["low"], row["high"]) == (interval.low, interval.high)
    assert row["low"] < row["mean"] < row["high"]


def test_copies_of_one_know_nothing_together(table, run):
    found = numbers(table, "imp", 2, "copies")
    assert found["joint_gain"] == pytest.approx(0, abs=1e-11)
    assert found["disagreement"] == 0
    accuracies = [run.level("imp", replicate, 2).record.test_accuracy for replicate in range(4)]
    task = run.task("imp", 0)
    alone = (logits_of(run, "imp", 2, task).argmax(axis=2) == task.test_labels[:80]).mean()
    assert found["accuracy"] == pytest.approx(alone)
    assert np.mean(accuracies) == pytest.approx(alone, abs=0.1)  # of 100 samples, not 80
    assert numbers(table, "imp", 2, "tickets")["joint_gain"] > 0.001


def test_the_dense_ensemble_and_the_tickets_are_compared_at_equal_marginals(table):
    assert numbers(table, "imp", 0, "dense_matched")["temperature"] == 1
    assert numbers(table, "imp", 0, "tickets")["joint_beyond_matched"] == 0
    for condition, level in itertools.product(("imp", "random"), (1, 2)):
        own, matched, dense = (
            numbers(table, condition, level, each) for each in ("tickets", "matched", "dense_matched")
        )
        assert dense["marginal_nll"] == pytest.approx(matched["marginal_nll"], abs=1e-9)
        assert matched["marginal_nll"] > own["marginal_nll"] - 1e-9
        assert (matched["temperature"], dense["temperature"]) != (1, 1)
        beyond = matched["joint_nll"] - dense["joint_nll"]
        assert own["joint_beyond_matched"] == pytest.approx(beyond)


def test_the_better_ensemble_is_made_as_bad_as_the_other():
    stream = np.random.default_rng(0)
    good, bad = (stream.normal(size=(3, 60, 2)) for _ in range(2))
    labels = good.mean(axis=0).argmax(axis=1)
    labels[:10] = 1 - labels[:10]  # who is sometimes wrong can be made as bad as anybody
    for pair in ([good, bad], [bad, good]):
        first, second = _ensembles._at_equal_marginals(*pair, labels, 0)
        assert first["marginal_nll"] == pytest.approx(second["marginal_nll"], abs=1e-10)
        assert first["marginal_nll"] == pytest.approx(marginal_nll(bad, labels), abs=1e-10)
    perfect = np.eye(2)[None, labels] * 1e-3  # never as bad as chance, however flat
    worse, _ = _ensembles._at_equal_marginals(perfect, -5 * perfect, labels, 0)
    assert np.isnan(worse["temperature"])
    assert np.isnan(worse["joint_nll"])


def test_members_that_are_one_network_are_an_ensemble_that_collapsed(run, monkeypatch):
    original = _ensembles._logits

    def collapsed(run, members, level):
        logits, density = original(run, members, level)
        return (np.repeat(logits[:1], 4, axis=0) if level else logits), density

    monkeypatch.setattr(_ensembles, "_logits", collapsed)
    found = numbers(ensembles(run, ["random"]), "random", 2, "tickets")
    assert found["joint_gain"] == pytest.approx(0, abs=1e-10)
    assert found["disagreement"] == 0
    assert found["joint_beyond_matched"] > 0.001


def test_all_replicates_in_one_ensemble_have_no_interval(run):
    found = ensembles(run, ["imp"], size=4)
    tickets = found[found["ensemble"] == "tickets"]
    assert tickets["low"].isna().all()
    assert tickets[tickets["quantity"] != "joint_beyond_matched"]["mean"].notna().all()
    copies = found[(found["ensemble"] == "copies") & (found["quantity"] == "accuracy")]
    assert copies["low"].notna().all()


def test_data_of_every_seed_its_own_are_refused_and_the_mend_is_named(without_seed):
    with pytest.raises(InputError, match=r"condition 'imp' depend on the replicate's seed.*data\.seed=0"):
        ensembles(without_seed)


def test_a_set_that_is_no_random_draw_needs_no_seed(tmp_path):
    overrides = ["data={source='fixed_plane'}", "replicates=2", "pruning.max_levels=1"]
    found = ensembles(made(tmp_path / "run", *overrides))
    assert set(found["size"]) == {2}
    assert found[found["quantity"] == "joint_nll"]["mean"].notna().any()


def test_levels_are_those_that_all_replicates_have(run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(run.path, path)
    opened = open_run(path)
    shutil.rmtree(opened.directory.level("imp", 1, 2))
    found = ensembles(opened)
    assert found[found["condition"] == "imp"]["level"].max() == 1
    assert found[found["condition"] == "random"]["level"].max() == 2


def test_replicates_that_failed_are_no_members(run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(run.path, path)
    opened = open_run(path)
    opened.directory.note_failure("imp", 2, "its loss is NaN")
    found = ensembles(opened, ["imp"])
    assert set(found["num_replicates"]) == {3}
    for replicate in (0, 1):
        opened.directory.note_failure("imp", replicate, "its loss is NaN")
    with pytest.raises(InputError, match="1 replicates of condition 'imp' hold a level; an ensemble needs 2"):
        ensembles(opened, ["imp"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conditions": ["none"]}, "no condition is called 'none'"),
        ({"size": 1}, "size is 1; 2 to 4"),
        ({"size": 5}, "size is 5; 2 to 4"),
        ({"conditions": []}, "conditions are empty"),
        ({"num_samples": 1}, "num_samples is 1; 2 or more"),
    ],
)
def test_wrong_options_are_named(run, options, words):
    with pytest.raises(InputError, match=words):
        ensembles(run, **options)


def test_a_size_with_too_many_subsets_is_refused():
    with pytest.raises(InputError, match=r"30 replicates have 142506 subsets of 5; .* such as 2"):
        _ensembles._checked_size(5, 30, "run")


def test_the_command_writes_a_table_and_figures(run, table, tmp_path, capsys):
    path = tmp_path / "run"
    shutil.copytree(run.path, path)
    assert run_app(["ensemble", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "Ensembles of 2 of 4 replicates" in printed
    assert f"{numbers(table, 'imp', 2, 'tickets')['joint_nll']:.2f}" in printed
    assert {each.name for each in (path / "ensemble").iterdir()} == {
        "ensemble.csv", *(f"{each}.png" for each in ENSEMBLE_QUANTITIES),
    }  # fmt: skip
    assert run_app(["ensemble", str(path), "--condition", "random", "--out", str(tmp_path / "out")]) == 0
    assert "imp" not in (tmp_path / "out" / "ensemble.csv").read_text()


def test_the_command_says_in_one_line_why_not(without_seed, capsys):
    assert run_app(["ensemble", str(without_seed.path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "data.seed" in error
    assert not (without_seed.path / "ensemble").exists()


def test_figures_have_a_line_for_each_ensemble(table):
    labels = plot_ensembles(table, quantity="joint_nll").get_legend_handles_labels()[1]
    assert labels == ["imp", "random", "imp: copies of one"]
    labels = plot_ensembles(table, quantity="joint_gain").get_legend_handles_labels()[1]
    assert labels == ["a single network = 0", "imp", "random"]
    with pytest.raises(InputError, match="quantity is 'x'"):
        plot_ensembles(table, quantity="x")
    with pytest.raises(InputError, match="ensemble"):
        plot_ensembles(table.drop(columns="ensemble"))
