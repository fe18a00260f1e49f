"""Rules learned from the names that networks give to pictures."""

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import clauses_hold, example_penalty, learn_rule
from sparsight.network import FullyConnected, outputs_of
from sparsight.recipe import Recipe
from sparsight.reproduce import Studies, reproduce, select_claims
from sparsight.reproduce._claim import find, verdict_of
from sparsight.reproduce._equal_accuracy import beyond_equal_accuracy
from sparsight.reproduce._rule_examples import (
    CLAUSES,
    PLANTED,
    Naming,
    confusion_rates,
    drawn_tuples,
    error_twin,
)
from sparsight.reproduce._rules import (
    LENGTHS,
    RuleSettings,
    example_sets,
    rule_numbers,
    with_rules,
)
from sparsight.reproduce._study import results_of
from sparsight.run import run_recipe
from sparsight.store import Run
from tests.reproduce.planted import planted

NUM_PICTURES, NUM_CLASSES = 4000, 10
CLASSES = np.random.default_rng(0).integers(0, NUM_CLASSES, NUM_PICTURES)
FEW = RuleSettings(num_draws=5, num_tested=100)


def naming(error_rate, *, knows_its_errors=True, seed=0):
    """Names with errors at random, and confidences that tell them or do not."""
    stream = np.random.default_rng(seed)
    is_wrong = stream.random(NUM_PICTURES) < error_rate
    names = np.where(is_wrong, (CLASSES + stream.integers(1, 10, NUM_PICTURES)) % NUM_CLASSES, CLASSES)
    doubt = is_wrong if knows_its_errors else stream.permutation(is_wrong)
    return Naming(names=names, confidences=np.where(doubt, 0.0, 0.95))


def true_labels(rule, classes):
    """The three planted rules in plain words, tuple by tuple."""
    words = {
        "same": lambda row: row[0] == row[1],
        "order": lambda row: row[0] < row[1],
        "row": lambda row: len(set(row)) < len(row),
    }
    return [words[rule](row) for row in classes.tolist()]


@pytest.mark.parametrize("rule", PLANTED)
def test_labels_follow_from_the_classes_and_half_are_positive(rule):
    pictures, labels = drawn_tuples(PLANTED[rule], CLASSES, 60, np.random.default_rng(1))
    assert labels.tolist() == true_labels(rule, CLASSES[pictures])
    assert labels.sum() == 30
    assert not (np.sort(labels)[::-1] == labels).all()  # in no order
    assert PLANTED[rule] in CLAUSES


def test_classes_of_a_label_are_uniform():
    _, pairs = np.unique(CLASSES, return_counts=True)
    assert pairs.min() > 300
    pictures, labels = drawn_tuples(PLANTED["order"], CLASSES, 20000, np.random.default_rng(2))
    firsts, seconds = CLASSES[pictures[labels]][:, :2].T
    counts = np.zeros((10, 10))
    np.add.at(counts, (firsts, seconds), 1)
    above = counts[np.triu_indices(10, 1)]
    assert above.sum() == 10000
    expected = 10000 / 45
    assert ((above - expected) ** 2 / expected).sum() < 80  # χ² with 44 degrees of freedom: 1 in 1000


def test_too_few_classes_are_named():
    few = np.arange(30) % 3
    with pytest.raises(InputError, match=r"pictures are of 3 classes, and some xᵢ = xⱼ, i < j gives all"):
        drawn_tuples(PLANTED["row"], few, 10, np.random.default_rng(0))


@pytest.mark.parametrize("rule", PLANTED)
def test_twenty_examples_with_perfect_symbols_give_the_true_rule(rule):
    for seed in range(15):
        pictures, labels = drawn_tuples(PLANTED[rule], CLASSES, 20, np.random.default_rng(seed))
        symbols = CLASSES[pictures]
        penalties = example_penalty(np.ones(symbols.shape))
        learned = learn_rule(clauses_hold(CLAUSES, symbols), labels, LENGTHS, penalties)
        assert [CLAUSES[clause] for clause in learned.clauses] == [PLANTED[rule]], seed


def test_a_namer_without_errors_finds_every_rule_with_every_penalty():
    sets = example_sets(CLASSES, FEW, seed=3)
    perfect = naming(0.0)
    found = rule_numbers(sets, CLASSES, perfect, perfect)
    for control, ending in itertools.product(("", "_constant", "_permuted", "_twin"), ("", "_rotated")):
        assert found[f"p_true{control}{ending}"] == 1.0
        assert found[f"accuracy{control}{ending}"] == 1.0
        assert found[f"size{control}{ending}"] == pytest.approx((2 + 2 + 3) / 3)
    assert found["tuples_right"] == found["tuples_right_rotated"] == 1.0


def test_confidences_that_know_the_errors_help_and_permuted_ones_do_not():
    sets = example_sets(CLASSES, replace(FEW, num_draws=6), seed=4)
    found = rule_numbers(sets, CLASSES, naming(0.3), naming(0.3))
    assert found["p_true"] > found["p_true_permuted"] + 0.5
    assert found["p_true"] > found["p_true_constant"] + 0.5
    blind = rule_numbers(sets, CLASSES, naming(0.3, knows_its_errors=False), naming(0.3))
    assert abs(blind["p_true"] - blind["p_true_permuted"]) < 0.3
    assert found["p_true"] > blind["p_true"] + 0.5


def test_errors_that_come_together_are_more_than_their_rate():
    """The control notices the mechanism: rotated examples hold all errors, the twin spreads them."""
    sets = example_sets(CLASSES, replace(FEW, num_draws=6), seed=5)
    found = rule_numbers(sets, CLASSES, naming(0.0), naming(0.9, knows_its_errors=False))
    assert found["p_true_constant"] == found["p_true_twin"] == 1.0
    assert found["tuples_right_rotated"] == pytest.approx(0.75, abs=0.02)
    assert found["accuracy_constant_rotated"] > found["accuracy_twin_rotated"]


def test_the_twin_of_independent_errors_is_like_them():
    sets = example_sets(CLASSES, replace(FEW, num_draws=40, num_examples=20), seed=6)
    names = naming(0.15).names
    rates = confusion_rates(names, CLASSES, NUM_CLASSES)
    num_true = np.zeros(2)
    for each in sets:
        twin = error_twin(CLASSES[each.pictures], rates, np.random.default_rng(each.seed))
        for place, symbols in enumerate((names[each.pictures], twin)):
            learned = learn_rule(
                clauses_hold(CLAUSES, symbols), each.labels, LENGTHS, np.full(20, 10), seed=each.seed
            )
            num_true[place] += [CLAUSES[clause] for clause in learned.clauses] == [PLANTED[each.rule]]
    shares = num_true / len(sets)
    assert 0.2 < shares[0] < 0.9  # not saturated
    assert abs(shares[0] - shares[1]) < 4 * np.sqrt(2 * 0.25 / len(sets))


def test_confusion_rates_are_counted_and_the_twin_has_them():
    names, classes = np.array([0, 1, 1, 2]), np.array([0, 0, 1, 2])
    rates = confusion_rates(names, classes, 4)
    assert rates.tolist() == [[0.5, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    drawn = error_twin(np.zeros((5000, 4), int), np.array([[0.7, 0.0, 0.3]]), np.random.default_rng(0))
    assert set(np.unique(drawn)) == {0, 2}
    assert (drawn == 2).mean() == pytest.approx(0.3, abs=4.5 * np.sqrt(0.21 / 20000))
    both = (drawn[:, 0] == 2) & (drawn[:, 1] == 2)
    assert both.mean() == pytest.approx(0.09, abs=4.5 * np.sqrt(0.09 / 5000))  # independent


def test_examples_and_tests_share_no_picture_and_draws_are_reproducible():
    sets = example_sets(CLASSES, FEW, seed=7)
    assert len(sets) == 15
    for each in sets:
        assert each.pictures.max() < NUM_PICTURES // 2 <= each.tested.min()
        assert each.tested_labels.tolist() == true_labels(each.rule, CLASSES[each.tested])
        assert each.is_rotated.sum() == 10
    again = example_sets(CLASSES, FEW, seed=7)
    assert all((a.pictures == b.pictures).all() for a, b in zip(sets, again, strict=True))
    other = example_sets(CLASSES, FEW, seed=8)
    assert not any((a.pictures == b.pictures).all() for a, b in zip(sets, other, strict=True))


def test_the_naming_is_the_softmax():
    found = Naming.of_logits(np.log(np.array([[0.2, 0.8], [0.9, 0.1]])))
    assert found.names.tolist() == [1, 0]
    assert found.confidences == pytest.approx([0.8, 0.9])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two levels of a run on small square pictures of six classes."""
    path = tmp_path_factory.mktemp("rules")
    stream = np.random.default_rng(0)
    labels = np.arange(240) % 6
    pictures = stream.normal(size=(240, 6, 6)) + 3 * np.eye(36)[labels * 5].reshape(240, 6, 6)
    np.savez(path / "pictures.npz", train_inputs=pictures[:120, None].astype(np.float32),
             train_labels=labels[:120], test_inputs=pictures[120:, None].astype(np.float32),
             test_labels=labels[120:])  # fmt: skip
    values = {
        "name": "six",
        "replicates": 1,
        "data": {"source": "npz", "path": str(path / "pictures.npz")},
        "network": {"widths": [12]},
        "training": {"steps": 60, "batch_size": 40, "learning_rate": 0.1},
        "pruning": {"rate": 0.5, "max_levels": 1},
        "measure": {"instruments": ["locality"], "num_samples": 60},
        "conditions": {"imp": {}, "random": {"pruning": {"criterion": "random"}}},
    }
    return Run(run_recipe(Recipe.from_values(values, "test"), path / "run", jobs=1))


TINY = RuleSettings(num_draws=1, num_examples=12, num_tested=20)


def test_what_is_learned_is_that_of_the_stored_networks(run):
    found = with_rules(results_of(run), run, TINY)
    task = run.task("random", 0)
    sets = example_sets(task.test_labels, TINY, run.recipe.replicate_seed(0))
    network = FullyConnected(36, 6, run.recipe.network)
    network.load_state_dict(run.level("random", 0, 1).final)
    upright, rotated = (
        Naming.of_logits(outputs_of(network, torch.from_numpy(task.flat(pictures))))
        for pictures in (
            task.test_inputs,
            np.stack([[np.rot90(picture[0])] for picture in task.test_inputs]),
        )
    )
    assert (rotated.names != upright.names).any()
    wanted = rule_numbers(sets, task.test_labels, upright, rotated)
    here = found.sel(condition="random", replicate=0, level=1)
    assert {name: float(here[f"rules.{name}"]) for name in wanted} == wanted
    read = {str(name) for name in found if str(name).startswith("rules.")}
    assert read == {f"rules.{name}" for name in wanted}


def test_what_was_learned_is_kept_and_learned_again_if_the_file_is_damaged(run, monkeypatch):
    found = with_rules(results_of(run), run, TINY)
    monkeypatch.setattr("sparsight.reproduce._rules.rule_numbers", lambda *_: {"p_true": 0.5})
    again = with_rules(results_of(run), run, TINY)
    assert again.equals(found)
    files = list(run.path.parent.glob("rules-six-*.json"))
    assert len(files) == 1
    files[0].write_text(files[0].read_text().replace("1.0", "0.9"))
    assert set(np.unique(with_rules(results_of(run), run, TINY)["rules.p_true"])) == {0.5}
    other = with_rules(results_of(run), run, replace(TINY, num_tested=21))
    assert len(list(run.path.parent.glob("rules-six-*.json"))) == 2
    assert set(np.unique(other["rules.p_true"])) == {0.5}


def test_a_replicate_without_levels_has_no_numbers(run, monkeypatch):
    results = results_of(run)
    monkeypatch.setattr(run.directory, "num_levels", lambda condition, replicate: 0)
    found = with_rules(results, run, replace(TINY, num_tested=22))
    assert not any(str(name).startswith("rules.") for name in found)


def test_lines_cannot_be_rotated(run, monkeypatch):
    task = replace(
        run.task("imp", 0),
        geometry=Geometry(1, (36,)),
        train_inputs=np.zeros((120, 1, 36), np.float32),
        test_inputs=np.zeros((120, 1, 36), np.float32),
    )
    monkeypatch.setattr(run, "task", lambda condition, replicate: task)
    with pytest.raises(InputError, match=r"inputs of size \(36,\); square pictures are needed"):
        with_rules(results_of(run), run, replace(TINY, num_tested=23))


def test_without_clingo_the_study_names_the_extra_before_it_trains(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "clingo", None)
    begun = []
    studies = Studies("smoke", tmp_path, on_study=lambda name, path: begun.append(name))
    with pytest.raises(InputError, match=r'pip install "sparsight\[rules\]"'):
        reproduce(select_claims(["rules"])["rules"], studies)
    assert begun == []


# The claim.

DENSITY = 0.4 ** np.arange(8)
HELP = 0.1  # what confidences add


def claim_results(*, imp=0.5, random=0.2, permuted=0.4, dense=0.5, at_equal=None, noise=0.01):
    """Results at the study's densities; random pruning as accurate as the ticket is as good, or not."""
    accuracy = {"imp": np.full(8, 0.8), "random": np.linspace(0.84, 0.5, 8)}
    kept = np.r_[dense, np.full(7, imp)]
    other = np.interp(
        accuracy["random"], [0.5, 0.8, 0.84], [random, imp if at_equal is None else at_equal, dense]
    )
    truths = {}
    for ending in ("", "_rotated"):
        for condition, values in (("imp", kept), ("random", other)):
            truths |= {
                (f"rules.p_true{ending}", condition): values,
                (f"rules.p_true_permuted{ending}", condition): values - (imp - permuted),
                (f"rules.p_true_constant{ending}", condition): values,
                (f"rules.p_true_twin{ending}", condition): values,
            }
    for condition in ("imp", "random"):
        truths |= {("rules.accuracy", condition): 0.8, ("rules.size", condition): 3.0}
        truths["test_accuracy", condition] = accuracy[condition]
    results = planted(truths, noise=noise, num_levels=8)
    return results.assign(density=(results.density.dims, np.broadcast_to(DENSITY, results.density.shape)))


@pytest.mark.parametrize(
    ("truths", "verdict"),
    [
        ({}, "supported"),
        ({"imp": 0.2, "permuted": 0.1, "random": 0.0}, "mixed"),  # worse than dense
        ({"random": 0.5}, "mixed"),  # random pruning keeps as much
        ({"permuted": 0.5}, "mixed"),  # confidences do nothing
        ({"at_equal": 0.3}, "mixed"),  # more than its accuracy says
        ({"imp": 0.1, "dense": 0.6, "random": 0.3, "permuted": 0.2, "at_equal": 0.3}, "contradicted"),
        ({"noise": 0.4}, "undecided"),
    ],
)
def test_verdicts_on_planted_results(truths, verdict):
    results = claim_results(**truths)
    findings = [find(prediction, results) for prediction in select_claims(["rules"])["rules"].predictions]
    assert verdict_of(findings) == verdict, [(f.prediction.name, f.effect.mean, f.verdict) for f in findings]


def test_a_gap_at_equal_accuracy_is_that_beyond_the_curve_of_the_reference():
    accuracy = {"imp": np.linspace(0.9, 0.7, 8), "random": np.linspace(0.95, 0.3, 8)}
    truths = {("test_accuracy", name): values for name, values in accuracy.items()}
    truths |= {("gap", "imp"): 2 * accuracy["imp"] + 0.25, ("gap", "random"): 2 * accuracy["random"]}
    results = planted(truths, noise=0.0, num_levels=8)
    found = beyond_equal_accuracy("gap", "imp", "random", 0.6**5)(results)
    assert found == pytest.approx(np.full(10, 0.25))
    backwards = beyond_equal_accuracy("gap", "random", "imp", 0.6**5)(results)
    assert np.isnan(backwards).all()  # no ticket is as bad
    assert np.isnan(beyond_equal_accuracy("gap", "imp", "random", 0.001)(results)).all()  # no such level
    results["test_accuracy"][0, 3, 5] = np.nan
    without = beyond_equal_accuracy("gap", "imp", "random", 0.6**5)(results)
    assert np.isnan(without[3])
    assert np.delete(without, 3) == pytest.approx(np.full(9, 0.25))
