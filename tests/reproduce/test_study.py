import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest

from sparsight.data import availability
from sparsight.errors import InputError
from sparsight.recipe import Recipe
from sparsight.reproduce import Studies, reproduce, select_claims, write_table
from sparsight.reproduce._study import (
    SCALES,
    data_sets_of,
    load_study,
    outside_accuracy_band,
    results_of,
    study_names,
    variants_of,
)
from sparsight.reproduce._verdict import CLAIM_VERDICTS
from sparsight.run import run_recipe
from sparsight.store import Run, open_run
from tests.reproduce.planted import planted


@pytest.mark.parametrize("name", study_names())
def test_every_study_is_a_recipe_at_every_scale(name):
    hashes = {load_study(name, scale).digest() for scale in SCALES}
    assert len(hashes) == len(SCALES)
    # "pictures" trains for hours, and its claim says how few its replicates are
    assert load_study(name, "laptop").replicates >= (3 if name == "pictures" else 10)
    for variant in variants_of(name, "laptop"):
        assert load_study(name, "laptop", variant).digest() not in hashes


def test_variants_halve_and_double_one_setting():
    base = load_study("ring", "laptop")
    wide = load_study("ring", "laptop", "double-width")
    assert [2 * w for w in base.network.widths] == list(wide.network.widths)
    assert base.training == wide.training
    assert base.pruning == wide.pruning


def test_intervals_on_images_are_given_one_data_set():
    found = {name: data_sets_of(load_study(name, "laptop")) for name in study_names()}
    assert {found[name] for name in ("photographs", "fashion", "labels")} == {"one"}
    assert {found[name] for name in ("ring", "gains", "kinds", "criteria")} == {"fresh each replicate"}


_STUDY = {
    "replicates": 3,
    "seed": 5,
    "data": {"source": "nlgp", "size": [32], "correlation_lengths": [1.0, 2.0]},
    "training": {"steps": 10, "batch_size": 16, "learning_rate": 0.1},
    "conditions": {"imp": {}, "random": {"pruning": {"criterion": "random"}}, "one_shot": {}},
    "scales": {"smoke": {"replicates": 2}, "laptop": {"replicates": 20}},
    "every_variant": {"only": ["imp", "random"], "replicates": 10},
    "variants": {"half-rate": {"training": {"learning_rate": 0.05}}},
}


def test_scales_choose_replicates_and_variants_their_conditions(monkeypatch):
    monkeypatch.setattr("sparsight.reproduce._study._read", lambda name: copy.deepcopy(_STUDY))
    smoke, laptop = load_study("ours", "smoke"), load_study("ours", "laptop")
    variant = load_study("ours", "laptop", "half-rate")
    assert (smoke.replicates, laptop.replicates, variant.replicates) == (2, 20, 10)
    assert laptop.condition_names() == ["imp", "random", "one_shot"]
    assert variant.condition_names() == ["imp", "random"]
    assert variant.training.learning_rate == 0.05
    assert variant.seed == 5
    wrong = _STUDY | {"every_variant": {"only": ["imp", "twin"]}}
    monkeypatch.setattr("sparsight.reproduce._study._read", lambda name: copy.deepcopy(wrong))
    with pytest.raises(InputError, match="every_variant.only of study 'ours' names 'twin'"):
        load_study("ours", "laptop", "half-rate")


def test_paper_scale_has_the_ancestors_settings():
    recipe = load_study("ring", "paper").condition("imp")
    assert recipe.data.source == "imagenet32"
    assert recipe.network.widths == (1024, 1024, 1024)
    assert (recipe.training.steps, recipe.training.batch_size, recipe.training.learning_rate) == (
        100_000,
        1000,
        0.1,
    )
    assert (recipe.pruning.rate, recipe.pruning.scope, recipe.pruning.rewind) == (0.3, "layer", "step:1000")
    assert recipe.pruning.prune_biases


def _with_every_quantity(statistic, conditions):
    """Call a statistic, giving it each quantity that it asks for, but no condition beyond these."""
    results = planted({("density", c): 1.0 for c in conditions})
    for _ in range(10):
        try:
            return statistic(results)
        except KeyError as error:
            missing = re.match("No variable named '(.+?)'", str(error.args[0]))
            if missing is None:
                raise
            name = missing[1]
            per_unit = results.density.expand_dims(unit=5, axis=-1)
            results[name] = per_unit if "_per_unit" in name else results.density
    raise AssertionError("more quantities than any statistic reads")


def test_claims_read_only_conditions_that_their_studies_have():
    for claim in select_claims().values():
        for prediction in claim.predictions:
            if prediction.study in ("one-neuron", "sample-complexity", "bandit"):
                continue  # no recipe: tests/reproduce/test_one_neuron.py and its neighbours
            conditions = load_study(prediction.study, "laptop").condition_names()
            assert _with_every_quantity(prediction.statistic, conditions).shape == (10,)
            with pytest.raises(KeyError):
                _with_every_quantity(prediction.statistic, ["another"])
            for variant in variants_of(prediction.study, "laptop") if prediction.robust else ():
                conditions = load_study(prediction.study, "laptop", variant).condition_names()
                for statistic in filter(None, (prediction.statistic, prediction.control)):
                    _with_every_quantity(statistic, conditions)


def test_accuracy_outside_the_band_is_named():
    accuracy = {"easy": 0.999, "learned": 0.9, "hard": 0.5}
    results = planted({("test_accuracy", c): a for c, a in accuracy.items()}, noise=0.0)
    assert outside_accuracy_band(results) == pytest.approx({"easy": 0.999, "hard": 0.5})


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: select_claims(["localty"]), "no claim is called 'localty'; did you mean locality"),
        (lambda: load_study("ring", "huge"), "scale is 'huge'"),
        (lambda: Studies("huge", Path("runs")), "scale is 'huge'"),
        (lambda: load_study("ring", "smoke", "half-width"), "at scale smoke"),
        (lambda: load_study("rings", "smoke"), "no study is called 'rings'"),
        (lambda: load_study("ring", "laptop", "thrice"), "no variant 'thrice'"),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(call, match):
    with pytest.raises(InputError, match=match):
        call()


def test_reproduction_shares_runs_and_writes_a_table_that_is_strict_json(tmp_path):
    asked = []
    studies = Studies("smoke", tmp_path, jobs=1, on_study=lambda name, path: asked.append(name))
    outcomes = [
        reproduce(claim, studies, robustness=False)
        for claim in select_claims(["non-gaussianity", "cavity"]).values()
    ]
    assert asked == ["ring-smoke"]
    table = json.loads(write_table(outcomes[0], tmp_path / "tables").read_text())
    assert table["verdict"] == outcomes[0].verdict
    assert [row["prediction"] for row in table["findings"]] == [p.name for p in outcomes[0].claim.predictions]
    near = table["findings"][0]
    assert near["effect"]["mean"] == pytest.approx(np.mean(near["values"]), rel=1e-5)
    assert len(table["studies"][0]["seeds"]) == 2
    assert near["data_sets"] == table["studies"][0]["data_sets"] == "fresh each replicate"
    records = [
        record
        for condition in load_study("ring", "smoke").condition_names()
        for replicate in range(2)
        for record in open_run(next(tmp_path.glob("ring-smoke-*"))).directory.records(condition, replicate)
    ]
    seconds = sum(record.train_seconds for record in records)
    assert seconds > 0
    assert table["studies"][0]["cost"]["train_seconds"] == pytest.approx(seconds, abs=0.06)
    decisive = [row for row in table["findings"] if row["decisive"]]
    assert all(row["p_adjusted"] >= row["p"] for row in decisive if row["p"] is not None)


@pytest.mark.slow
def test_every_claim_gets_a_verdict_at_scale_smoke(tmp_path):
    if not next(status.available for status in availability() if status.name == "fashion-mnist"):
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    studies = Studies("smoke", tmp_path, jobs=1)
    for claim in select_claims().values():
        outcome = reproduce(claim, studies)
        assert outcome.verdict in CLAIM_VERDICTS
        for finding in outcome.findings:
            # at scale smoke there are fewer levels, and some densities are never reached
            effect = finding.effect
            number = effect.num_replicates + effect.num_missing
            assert number == len(finding.values) >= 2, (claim.name, finding.prediction.name)
        json.loads(write_table(outcome, tmp_path / "tables").read_text())


@pytest.mark.slow
def test_network_of_the_paper_runs_under_its_settings(tmp_path):
    # its data are not here: noise of their shape, and three steps
    values = load_study("ring", "paper").resolved()
    values["data"] = {
        "source": "nlgp",
        "size": [32, 32],
        "channels": 3,
        "correlation_lengths": [1.0, 2.0],
        "num_train": 64,
        "num_test": 60,
    }
    values |= {"replicates": 1, "device": "cpu", "conditions": {"imp": {}}}
    values["measure"] = {"num_samples": 60, "instruments": ["locality"]}
    values["training"] |= {"steps": 3, "batch_size": 32, "evaluations": 1}
    values["pruning"] |= {"rewind": "step:1", "max_levels": 1}
    directory = run_recipe(Recipe.from_values(values, "test"), tmp_path / "paper", jobs=1)
    results = results_of(Run(directory))
    assert results.density.sel(condition="imp").values.ravel() == pytest.approx([1, 0.7], abs=1e-6)
    assert np.isfinite(results["locality.near"].sel(condition="imp")).all()
