import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.instruments import NETWORK, NetworkObservation, measure_network
from sparsight.instruments._network import MaskedNetwork
from sparsight.instruments._rearranged_networks import REARRANGEMENTS, rearranged_networks
from sparsight.measure import certified_radius, pgd_accuracy, switching_shares, verified_accuracy
from sparsight.network import chain_of
from sparsight.prune import PruningSettings, RearrangedMasks, imp
from sparsight.train import TrainingSettings
from tests.toy import NETWORKS, linear_task, small_network

TASK = linear_task()
VERIFIED = ("verified_interval", "verified_linear", "verified_crown")
BESIDE = ("proved_share", "relative_width", "looseness")


def trained(masks_rate=0.5, levels=2, **settings):
    network = small_network(TASK, **settings)
    training = TrainingSettings(steps=60, batch_size=32, learning_rate=0.1)
    *_, level = imp(network, TASK, training, PruningSettings(max_levels=levels, rate=masks_rate))
    return level


def measured(network, masks=None, **arguments):
    found = measure_network(network, TASK, masks=masks, instruments=["robustness"], **arguments)[NETWORK]
    return {name.removeprefix("robustness."): value.values for name, value in found.data_vars.items()}


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_numbers_are_those_of_the_functions_and_in_their_order(batch_norm):
    level = trained(widths=(12, 9), batch_norm=batch_norm)
    found = measured(level.network, level.masks, num_samples=60)
    chain, (inputs, labels) = chain_of(level.network), TASK.representative("test", 60, 0)
    inputs, labels = inputs.numpy(), labels.numpy()
    epsilons = found["epsilon"].tolist()
    for name, method in zip(VERIFIED, ("interval", "linear", "crown_linear"), strict=True):
        expected = verified_accuracy(chain, inputs, labels, epsilons=epsilons, method=method)
        np.testing.assert_array_equal(found[name], expected)
        assert (np.diff(found[name]) <= 0).all()
        assert (found[name] <= found["attacked"]).all()
    assert (found["verified_interval"] <= found["verified_linear"]).all()
    assert (found["verified_linear"] <= found["verified_crown"]).all()
    assert (found["attacked"] <= found["accuracy"]).all()
    assert (np.diff(found["attacked"]) <= 0).all()
    np.testing.assert_array_equal(found["attacked"], pgd_accuracy(chain, inputs, labels, epsilons=epsilons))
    assert found["accuracy"] == np.mean(chain.logits(inputs).argmax(axis=1) == labels)
    assert found["certified_radius"] == pytest.approx(certified_radius(chain, inputs, labels).mean())
    assert found["certified_radius"] <= found["certified_radius_euclidean"]
    assert found["certification_gap"] == found["attacked_accuracy"] - found["verified_accuracy"]
    assert found["verified_accuracy"] == found["verified_crown"][2]
    shares = switching_shares(chain, inputs, epsilon=0.1)
    assert (found["dead"][3], found["alive"][3]) == (shares.dead, shares.alive)
    np.testing.assert_allclose(found["dead"] + found["alive"] + found["unstable"], 1.0)
    assert found["unstable_share"] == found["unstable"][2]
    assert found["looseness"] >= 1
    # Whoever is right and proved is proved.
    assert found["verified_accuracy"] <= found["proved_share"]


@pytest.mark.parametrize("batch_norm", ["none", "hidden"])
def test_controls_have_the_same_weights_at_the_places_of_rearranged_masks(batch_norm):
    level = trained(batch_norm=batch_norm)
    subject = MaskedNetwork(
        network=level.network, masks=level.masks, next_masks=level.next_masks, seed=level.seed
    )
    before = copy.deepcopy(level.network.state_dict())
    observation = NetworkObservation(level=subject, task=TASK, num_samples=50, loss="cross_entropy")
    weight = level.network.linear_0.weight.detach()
    for control, network in rearranged_networks(observation):
        masks = RearrangedMasks(
            source=[level.masks], how=REARRANGEMENTS[control], seed=level.seed, geometry=TASK.geometry
        ).masks(0)
        moved = network.linear_0.weight.detach()
        np.testing.assert_array_equal(moved.numpy() != 0, masks["linear_0.weight"].numpy())
        np.testing.assert_array_equal(np.sort(moved.flatten()), np.sort(weight.flatten()))
        assert not torch.equal(moved, weight)
        np.testing.assert_array_equal(network.linear_1.weight.detach(), before["linear_1.weight"])
        # A bias moves with its unit, which keeps its weights with permuted rows and columns only.
        sums = dict(zip(weight.sum(1).numpy().round(4), before["linear_0.bias"].tolist(), strict=True))
        if control == "permuted":
            assert sums == dict(
                zip(moved.sum(1).numpy().round(4), network.linear_0.bias.tolist(), strict=True)
            )
        else:
            assert torch.equal(network.linear_0.bias, before["linear_0.bias"])
        if batch_norm == "hidden":
            inputs, _ = observation.training_samples()
            mean = (inputs @ moved.T + network.linear_0.bias.detach()).mean(0)
            torch.testing.assert_close(network.norm_0.running_mean, mean)
    for name, value in level.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_random_mask_is_like_its_controls():
    differences = []
    for seed in range(8):
        network = small_network(TASK, seed=seed, widths=(24,))
        masks = {"linear_0.weight": torch.rand(24, 24, generator=torch.Generator().manual_seed(seed)) < 0.3}
        found = measured(network, masks, seed=seed, num_samples=40)
        differences.append(found["relative_width"] - found["relative_width_same_count"])
    error = np.std(differences, ddof=1) / np.sqrt(len(differences))
    assert abs(np.mean(differences)) < 3.5 * error


def test_a_mask_on_the_only_input_that_varies_is_not_like_its_controls():
    scale = np.r_[10.0, np.full(23, 0.1)].astype(np.float32)
    task = replace(TASK, train_inputs=TASK.train_inputs * scale, test_inputs=TASK.test_inputs * scale)
    masks = {"linear_0.weight": torch.zeros(12, 24, dtype=torch.bool)}
    masks["linear_0.weight"][:, 0] = True
    found = measure_network(small_network(TASK), task, masks=masks, instruments=["robustness"])[NETWORK]
    own, *controls = (
        float(found[f"robustness.relative_width{end}"])
        for end in ("", *(f"_{each}" for each in REARRANGEMENTS))
    )
    assert own < 0.5 * min(controls)


@pytest.mark.parametrize("activation", ["tanh", "erf", "sigmoid"])
def test_other_activations_have_intervals_and_no_units_that_switch(activation):
    found = measured(small_network(TASK, activation=activation))
    np.testing.assert_array_equal(found["verified_crown"], found["verified_interval"])
    assert "unstable" not in found
    assert "verified_linear" not in found


def test_a_linear_network_has_exact_bounds():
    found = measured(small_network(TASK, widths=()))
    # At a corner of the ball an attack on a linear classifier is optimal.
    np.testing.assert_array_equal(found["verified_crown"], found["attacked"])
    assert found["certification_gap"] == 0


@pytest.mark.parametrize("kind", NETWORKS)
def test_other_networks_are_attacked_only_and_a_warning_says_why(kind):
    make, layers = NETWORKS[kind]
    network = make().train()
    with pytest.warns(UserWarning, match=r"robustness: no bounds are computed, .*because .* is a "):
        found = measured(network, layers=layers)
    assert set(found) == {"epsilon", "accuracy", "attacked", "attacked_accuracy"}
    assert (found["attacked"] <= found["accuracy"]).all()
    assert network.training


def test_severed_networks_are_proved_and_have_no_ratio():
    network = small_network(TASK)
    masks = {"linear_0.weight": torch.zeros(12, 24, dtype=torch.bool)}
    found = measured(network, masks)
    assert found["proved_share"] == found["proved_share_permuted"] == 1
    assert np.isnan(found["relative_width"])
    assert np.isnan(found["looseness"])
    assert found["verified_accuracy"] == found["attacked_accuracy"] == found["accuracy"]
    assert np.isnan(found["unstable_share"])


def test_deep_wide_networks_use_ranges_of_intervals():
    network = small_network(TASK, widths=(230, 230))
    chain, (inputs, labels) = chain_of(network), TASK.representative("test", 100, 0)
    found = measured(network)
    expected = verified_accuracy(
        chain, inputs.numpy(), labels.numpy(), epsilons=found["epsilon"].tolist(), method="crown_interval"
    )
    np.testing.assert_array_equal(found["verified_crown"], expected)
    assert "verified_linear" not in found


def test_a_single_output_is_named():
    with pytest.raises(InputError, match="1 output"):
        measured(nn.Sequential(nn.Linear(24, 1)))
