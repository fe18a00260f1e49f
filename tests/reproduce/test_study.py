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
    load_study,
    outside_accuracy_band,
    results_of,
    study_names,
    variants_of,
)
from sparsight.run import run_recipe
from sparsight.store import Run
from tests.reproduce.planted import planted


@pytest.mark.parametrize("name", study_names())
def test_every_study_is_a_recipe_at_every_scale(name):
    hashes = {load_study(name, scale).digest() for scale in SCALES}
    assert len(hashes) == len(SCALES)
    assert load_study(name, "laptop").replicates >= 10
    for variant in variants_of(name, "laptop"):
        assert load_study(name, "laptop", variant).digest() not in hashes


def test_variants_halve_and_double_one_setting():
    base = load_study("ring", "laptop")
    wide = load_study("ring", "laptop", "double-width")
    assert [2 * w for w in base.network.widths] == list(wide.network.widths)
    assert base.training == wide.training
    assert base.pruning == wide.pruning


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
            results[name] = per_unit if name.endswith("_per_unit") else results.density
    raise AssertionError("more quantities than any statistic reads")


def test_claims_read_only_conditions_that_their_studies_have():
    for claim in select_claims().values():
        for prediction in claim.predictions:
            if prediction.study == "one-neuron":
                continue  # no recipe: tests/reproduce/test_one_neuron.py
            conditions = load_study(prediction.study, "laptop").condition_names()
            assert _with_every_quantity(prediction.statistic, conditions).shape == (10,)
            with pytest.raises(KeyError):
                _with_every_quantity(prediction.statistic, ["another"])


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
        for claim in select_claims(["locality", "cavity"]).values()
    ]
    assert asked == ["ring-smoke"]
    table = json.loads(write_table(outcomes[0], tmp_path / "tables").read_text())
    assert table["verdict"] == outcomes[0].verdict
    assert [row["prediction"] for row in table["findings"]] == [p.name for p in outcomes[0].claim.predictions]
    near = table["findings"][0]
    assert near["effect"]["mean"] == pytest.approx(np.mean(near["values"]), rel=1e-5)
    assert len(table["studies"][0]["seeds"]) == 2


@pytest.mark.slow
def test_every_claim_gets_a_verdict_at_scale_smoke(tmp_path):
    if not next(status.available for status in availability() if status.name == "fashion-mnist"):
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    studies = Studies("smoke", tmp_path, jobs=1)
    for claim in select_claims().values():
        outcome = reproduce(claim, studies)
        assert outcome.verdict in ("supported", "contradicted", "undecided")
        for finding in outcome.findings:
            assert finding.effect.num_replicates == 2, (claim.name, finding.prediction.name)
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
