import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from sparsight.geometry import Geometry
from sparsight.instruments import NETWORK, NetworkObservation, measure_network
from sparsight.instruments._ood import measure_ood
from sparsight.measure import auroc, combined_score, energy_score, neural_activation_prior
from sparsight.network import layer_inputs, outputs_of
from sparsight.prune import PruningSettings, imp
from sparsight.train import TrainingSettings
from tests.toy import SmallTransformer, linear_task, small_convolution, small_network


def _measured(network, task=None, **options):
    found = measure_network(network, task or linear_task(), instruments=["ood"], num_samples=100, **options)
    return {name.removeprefix("ood."): value.values for name, value in found[NETWORK].items()}


def test_scores_against_the_twin_are_those_of_the_plain_functions():
    task, twin = linear_task(), linear_task(seed=1)
    network = small_network(task, widths=(12, 8))
    found = _measured(network, twin=twin)
    inside, outside = (each.representative("test", 100, 0)[0] for each in (task, twin))
    energies = [energy_score(outputs_of(network, each)) for each in (inside, outside)]
    assert found["auroc_energy_twin"] == pytest.approx(auroc(*energies))
    hidden = [layer_inputs(network, ["linear_2"], each)["linear_2"].numpy() for each in (inside, outside)]
    priors = [neural_activation_prior(each[:, None]) for each in hidden]
    assert found["auroc_nap_twin"] == pytest.approx(auroc(*priors), abs=2e-4)
    assert found["auroc_nap_twin_per_layer"].shape == (2,)
    assert found["nap_beyond_max_twin"] == pytest.approx(found["auroc_nap_twin"] - found["auroc_max_twin"])
    assert found["num_undefined"] == (energies[0] <= 0).sum()
    assert "auroc_energy_twin" not in _measured(network)


def test_inputs_that_are_far_larger_are_found_and_two_halves_are_alike():
    network = small_network(linear_task())
    halves, far = [], []
    for seed in range(20):
        task, loud = linear_task(seed=seed), linear_task(seed=seed + 100)
        loud.test_inputs[...] *= 20
        found = _measured(network, task, twin=loud)
        halves.append(found["auroc_energy_halves"])
        far.append(found["auroc_max_twin"])
    low, high = stats.t.interval(0.95, 19, np.mean(halves), stats.sem(halves))
    assert low < 0.5 < high
    assert high - low < 0.1
    assert np.mean(far) < 0.05


def test_samples_without_positive_energy_are_counted_and_left_out():
    network = small_network(linear_task())
    with torch.no_grad():
        network.linear_1.bias -= 100
    found = _measured(network)
    assert found["num_undefined"] == 100
    assert np.isnan(found["auroc_energy_nap_noise"])
    assert np.isfinite(found["auroc_energy_noise"])


def test_phases_leave_white_noise_as_it_is_and_scatter_what_is_at_one_place():
    """White Gaussian inputs have random phases already: nothing may tell them from their clone."""
    network = small_network(linear_task())
    white = [_measured(network, linear_task(seed=seed))["auroc_energy_phase"] for seed in range(20)]
    low, high = stats.t.interval(0.95, 19, np.mean(white), stats.sem(white))
    assert low < 0.5 < high
    assert high - low < 0.05
    with torch.no_grad():  # every unit reads the place of the pulse
        network.linear_0.weight[:, 3] = 1
        network.linear_1.weight[0] = 1
    task = linear_task()
    task.test_inputs[...] *= 0.1
    task.test_inputs[:, 0, 3] += 5
    assert _measured(network, task)["auroc_energy_phase"] > 0.95


def test_the_exact_score_is_of_layers_with_channels_and_positions():
    torch.manual_seed(0)
    network, task = small_convolution(), linear_task()
    network[4] = nn.Linear(72, 10)
    with pytest.warns(UserWarning, match="chain of linear layers"):
        found = _measured(network, task, layers=["4"], geometries={"4": Geometry(3, (24,))})
    inputs = task.representative("test", 100, 0)[0]
    maps = layer_inputs(network, ["4"], inputs)["4"].numpy().reshape(100, 3, 24)
    prior = neural_activation_prior(maps)
    assert found["auroc_nap_halves_of_channels"] == pytest.approx(auroc(prior[0::2], prior[1::2]), abs=1e-3)
    both = [maps[rows].reshape(50, 1, 72) for rows in (slice(0, None, 2), slice(1, None, 2))]
    expected = auroc(*(neural_activation_prior(each) for each in both))
    assert found["auroc_nap_halves_per_layer"][0] == pytest.approx(expected, abs=1e-3)
    assert found["auroc_nap_halves_per_layer"].shape == (2,)  # the inputs of the layers 4 and 6
    assert "auroc_nap_halves_initial" not in found
    assert np.isfinite(found["auroc_energy_noise"])


def test_the_weight_of_nap_is_fitted_to_training_samples_and_to_no_set_that_is_shown():
    task, twin = linear_task(), linear_task(seed=1)
    network = small_network(task, widths=(12, 8))
    found = _measured(network, task, twin=twin)
    other = _measured(network, task, twin=linear_task(seed=2))
    assert found["nap_weight"] == other["nap_weight"]
    assert 0 < found["nap_weight"] < 1
    inputs = [each.representative("test", 100, 0)[0] for each in (task, twin)]
    energies = [energy_score(outputs_of(network, each)) for each in inputs]
    hidden = [layer_inputs(network, ["linear_2"], each)["linear_2"].numpy() for each in inputs]
    scores = [
        combined_score(energy, neural_activation_prior(each[:, None]), weight=float(found["nap_weight"]))
        for energy, each in zip(energies, hidden, strict=True)
    ]
    assert found["auroc_energy_nap_fitted_twin"] == pytest.approx(auroc(*scores), abs=2e-4)


def test_the_hidden_layers_of_a_transformer_have_scores_of_all_tokens():
    torch.manual_seed(0)
    network, task = SmallTransformer(), linear_task()
    with pytest.warns(UserWarning, match="chain of linear layers"):
        found = _measured(network, task, layers=["block.linear1"])
    # Attention in and out, both layers of the block, the output; not the embedding, which reads the inputs.
    assert found["auroc_max_noise_per_layer"].shape == (5,)
    assert np.isfinite(found["auroc_max_noise_per_layer"]).all()
    # behind the ReLU of the block alone are activations never negative
    assert np.isfinite(found["auroc_nap_noise_per_layer"]).tolist() == [False, False, False, True, False]
    inputs = task.representative("test", 100, 0)[0]
    mean = layer_inputs(network, ["block.linear2"], inputs)["block.linear2"].numpy().mean(axis=(1, 2))
    expected = auroc(mean[0::2], mean[1::2])
    assert found["auroc_mean_halves_per_layer"][3] == pytest.approx(expected, abs=1e-3)


def test_the_weights_of_the_beginning_are_a_control_in_a_run():
    task = linear_task()
    training = TrainingSettings(steps=20, batch_size=50, learning_rate=0.1)
    level = next(imp(small_network(task), task, training, PruningSettings(max_levels=1), seed=1))
    found = measure_ood(NetworkObservation(level=level, task=task, num_samples=100, loss="cross_entropy"))
    assert np.isfinite(found["auroc_nap_noise_initial"].value)
    assert found["auroc_nap_noise_initial"].value != found["auroc_nap_noise"].value
