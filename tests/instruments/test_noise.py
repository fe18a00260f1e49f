import numpy as np
import pytest
import torch

from sparsight.instruments import NETWORK, measure_network
from sparsight.network import chain_of
from tests.toy import linear_task, small_network


def _measured(network, twin=None):
    found = measure_network(network, linear_task(), instruments=["noise"], num_samples=60, twin=twin)[NETWORK]
    return {name.removeprefix("noise."): value.values for name, value in found.items()}


def test_the_ratios_are_products_of_their_parts_and_exact_in_the_first_layer():
    found = _measured(small_network(linear_task(), widths=(20, 20)))
    product = found["correlation_ratio_by_noise"] * found["gaussianity_ratio_by_noise"]
    np.testing.assert_allclose(found["variance_ratio_by_noise"], product)
    assert found["variance_ratio"] == found["variance_ratio_by_noise"][1]
    assert found["variance_ratio_by_layer"].shape == (3,)
    assert found["variance_ratio_by_layer"][-1] == found["variance_ratio"]
    assert found["variance_ratio_by_layer"][0] == pytest.approx(1, abs=0.1)


def test_correlated_units_are_found_and_told_from_units_that_are_not_gaussian():
    """Hidden units in pairs of opposite sign read the same: the noise upstream cancels in the logits."""
    network = small_network(linear_task(), widths=(20,))
    with torch.no_grad():
        network.linear_0.weight[10:] = network.linear_0.weight[:10]
        network.linear_0.bias[10:] = network.linear_0.bias[:10]
        network.linear_0.bias += 1
        network.linear_1.weight[:, 10:] = -network.linear_1.weight[:, :10]
    found = _measured(network)
    assert found["correlation_ratio"] > 1.1
    assert found["gaussianity_ratio"] == pytest.approx(1, abs=0.1)
    assert found["correlation_ratio_random_mask"] < found["correlation_ratio"]


def test_accuracy_is_that_of_the_network_and_falls_with_noise_and_the_twin_is_seen():
    task = linear_task()
    network = small_network(task)
    found = _measured(network)
    inputs, labels = (each.numpy() for each in task.representative("test", 60, 0))
    clean = (chain_of(network).logits(inputs).argmax(axis=1) == labels).mean()
    assert found["accuracy_lost"] == pytest.approx(clean - found["accuracy_by_noise"][1])
    assert np.isnan(found["variance_ratio_twin"])
    assert np.isfinite(_measured(network, twin=linear_task(seed=1))["variance_ratio_twin"])


def test_switches_are_of_sigmoid_networks():
    assert "accuracy_of_switches" not in _measured(small_network(linear_task()))
    assert _measured(small_network(linear_task(), activation="sigmoid"))["accuracy_of_switches"].shape == (3,)
