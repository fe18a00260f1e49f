import copy

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.instruments import NETWORK, NetworkObservation, measure_network
from sparsight.instruments._rearranged_networks import REARRANGEMENTS
from sparsight.instruments._tangent import measure_tangent
from sparsight.measure import centred_cosine, effective_rank, label_alignment, tangent_kernel
from sparsight.network import chain_of
from sparsight.prune import PruningSettings, imp, rearranged
from sparsight.recipe import load_recipe
from sparsight.run import measure_again, run_recipe
from sparsight.store import RunDirectory, open_run
from sparsight.train import TrainingSettings
from tests.short_runs import PLANE
from tests.toy import NETWORKS, linear_task, small_network

TASK = linear_task()
BESIDE = ("cosine_to_dense", "label_alignment", "effective_rank", "trace_over_prediction")


def levels(criterion="magnitude", seed=0, number=2, **settings):
    network = small_network(TASK, seed=seed, **settings)
    start = copy.deepcopy(network.state_dict())
    pruning = PruningSettings(max_levels=number, rate=0.5, criterion=criterion, rewind="init")
    training = TrainingSettings(steps=40, batch_size=32, learning_rate=0.1)
    for level in imp(network, TASK, training, pruning, seed=seed):
        yield NetworkObservation(
            level=level, task=TASK, num_samples=60, loss="cross_entropy", dense_initial=start
        )


def numbers(observation):
    return {name: quantity.value for name, quantity in measure_tangent(observation).items()}


def test_numbers_are_those_of_the_functions_on_the_rewound_weights():
    *_, observation = levels(widths=(12, 9))
    found, level = numbers(observation), observation.level
    inputs, labels = (each.numpy() for each in TASK.representative("train", 60, level.seed))
    masks = [
        level.masks.get(f"linear_{i}.weight", torch.ones(2, 9, dtype=torch.bool)).numpy() for i in range(3)
    ]

    def kernel(state, kept):
        network = small_network(TASK, widths=(12, 9))
        network.load_state_dict(state)
        return tangent_kernel(chain_of(network), inputs, masks=kept, biases=False)

    own, trained = kernel(level.initial, masks), kernel(level.final, masks)
    dense = kernel(observation.dense_initial, None)
    assert found["cosine_to_dense"] == pytest.approx(centred_cosine(own, dense))
    assert found["cosine_to_trained"] == pytest.approx(centred_cosine(own, trained))
    for end, each in (("", own), ("_trained", trained), ("_dense", dense)):
        assert found[f"label_alignment{end}"] == pytest.approx(label_alignment(each, labels))
        assert found[f"effective_rank{end}"] == pytest.approx(effective_rank(each))
    share = np.prod([mask.mean() for mask in masks])
    assert found["trace_over_prediction"] == pytest.approx(np.trace(own) / np.trace(dense) / share)
    moved = rearranged(level.masks, REARRANGEMENTS["same_fan_in"], level.seed)
    state = {
        name: value * moved[name] if name in moved else value
        for name, value in observation.dense_initial.items()
    }
    beside = kernel(
        state, [moved.get(f"linear_{i}.weight", torch.ones(2, 9, dtype=torch.bool)).numpy() for i in range(3)]
    )
    assert found["cosine_to_dense_same_fan_in"] == pytest.approx(centred_cosine(beside, dense))
    assert {f"{name}_{control}" for name in BESIDE for control in (*REARRANGEMENTS, "fresh")} <= set(found)


def test_without_pruning_a_level_is_the_dense_network():
    observation = next(iter(levels(batch_norm="hidden")))
    found = numbers(observation)
    for end in ("", "_same_count", "_same_fan_in", "_permuted"):
        assert found[f"cosine_to_dense{end}"] == pytest.approx(1.0)
        assert found[f"trace_over_prediction{end}"] == pytest.approx(1.0)
        assert found[f"effective_rank{end}"] == pytest.approx(found["effective_rank_dense"])
    assert found["cosine_to_dense_fresh"] < 0.999
    assert found["cosine_to_trained"] < 0.999


def test_random_pruning_equals_its_control_and_a_planted_mask_does_not():
    differences = []
    for seed in range(10):
        *_, observation = levels("random", seed, widths=(40,))
        found = numbers(observation)
        differences.append(found["cosine_to_dense"] - found["cosine_to_dense_same_count"])
    error = np.std(differences, ddof=1) / np.sqrt(len(differences))
    assert abs(np.mean(differences)) < 3.5 * error
    *_, observation = levels("random", 0, widths=(40,))
    level = observation.level
    # All weights on a quarter of the inputs: units share their inputs, which a random mask does not.
    level.masks["linear_0.weight"][:] = False
    level.masks["linear_0.weight"][:, :6] = True
    planted = level.initial | {
        "linear_0.weight": observation.dense_initial["linear_0.weight"] * level.masks["linear_0.weight"]
    }
    level.initial.update(planted)
    level.network.load_state_dict(planted)
    found = numbers(observation)
    assert found["cosine_to_dense"] < found["cosine_to_dense_same_count"] - 5 * np.std(differences)


@pytest.mark.parametrize("kind", NETWORKS)
def test_other_networks_have_none_and_a_warning_says_why(kind):
    make, layers = NETWORKS[kind]
    with pytest.warns(UserWarning, match="tangent: no kernel is computed, because"):
        assert NETWORK not in measure_network(make(), TASK, layers=layers, instruments=["tangent"])


def test_without_an_activation_between_layers_there_are_no_kept_weights():
    network = nn.Sequential(nn.Linear(24, 5), nn.Linear(5, 2))
    with pytest.warns(UserWarning, match="2 linear layers have activations between 1 only"):
        measure_network(network, TASK, instruments=["tangent"])


def test_where_nobody_knows_the_weights_before_training_there_is_the_trained_kernel_alone():
    found = measure_network(small_network(TASK), TASK, instruments=["tangent"])[NETWORK]
    assert set(found) == {"tangent.label_alignment_trained", "tangent.effective_rank_trained"}


@pytest.mark.parametrize("rewind", ["init", "step:3", "none"])
def test_stored_levels_give_what_was_measured_in_the_run(rewind, tmp_path):
    recipe = load_recipe(
        PLANE,
        [
            "replicates=1",
            "measure.instruments=['tangent']",
            "measure.num_samples=40",
            f"pruning.rewind={rewind}",
        ],
    )
    run_recipe(recipe, tmp_path / "run", jobs=1)
    before = open_run(tmp_path / "run").frame()
    measure_again(RunDirectory.open(tmp_path / "run"))
    after = open_run(tmp_path / "run").frame()
    names = before["quantity"].str.startswith("tangent.")
    assert names.sum() > 20
    np.testing.assert_allclose(after["value"], before["value"], rtol=1e-6)
    later = before[names & (before["level"] > 0)]
    assert ("tangent.cosine_to_dense" in set(later["quantity"])) == (rewind != "none")
