"""A network as a chain gives the network's logits, wherever its BatchNorm is."""

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.measure import certified_bounds
from sparsight.network import chain_of
from sparsight.prune import PruningSettings, imp
from sparsight.train import TrainingSettings
from tests.measure.random_chains import METHODS
from tests.toy import linear_task, small_network


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "erf", "sigmoid", "linear"])
def test_logits_of_trained_networks_are_the_same(batch_norm, activation):
    task = linear_task()
    network = small_network(task, widths=(12, 9), batch_norm=batch_norm, activation=activation)
    training = TrainingSettings(steps=20, batch_size=32, learning_rate=0.1)
    *_, level = imp(network, task, training, PruningSettings(max_levels=1))
    inputs, _ = task.samples("test")
    with torch.no_grad():
        expected = level.network(inputs).numpy()
    chain = chain_of(level.network)
    np.testing.assert_allclose(chain.logits(inputs.numpy()), expected, atol=1e-5)
    hidden = 1 if activation == "linear" else 3
    assert len(chain.weights) == hidden


def test_theorem_2_holds_for_a_trained_and_pruned_network():
    task = linear_task()
    network = small_network(task, widths=(12, 9), batch_norm="hidden")
    training = TrainingSettings(steps=60, batch_size=32, learning_rate=0.1)
    for level in imp(network, task, training, PruningSettings(max_levels=2, rate=0.5)):
        chain, inputs = chain_of(level.network), task.samples("test")[0].numpy()[:20]
        found = [certified_bounds(chain, inputs, epsilon=0.1, method=method) for method in METHODS]
        interval, linear, crown_interval, crown_linear, crown = (each.lower for each in found)
        for loose, tight in (
            (interval, linear), (interval, crown_interval), (linear, crown_linear),
            (crown_interval, crown_linear), (crown_linear, crown),
        ):  # fmt: skip
            assert (loose <= tight + 1e-9).all()


def test_linear_layers_in_a_row_and_nested_modules_become_one_layer():
    network = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(4, affine=False), nn.Linear(4, 5, bias=False), nn.Dropout(0.5),
        nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.ReLU()), nn.Linear(3, 2),
    ).eval()  # fmt: skip
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    inputs = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    chain = chain_of(network)
    assert [weight.shape for weight in chain.weights] == [(3, 4), (2, 3)]
    with torch.no_grad():
        np.testing.assert_allclose(chain.logits(inputs.numpy()), network(inputs).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.Sequential(nn.Conv1d(1, 2, 3)), "0 is a Conv1d"),
        (nn.Sequential(nn.Linear(4, 2), nn.GELU(), nn.Linear(2, 2)), "1 is a GELU"),
        (nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2, track_running_stats=False)), "running statistics"),
        (nn.Sequential(nn.Linear(4, 2), nn.ReLU()), "no linear layer is between the output"),
        (nn.Sequential(nn.ReLU(), nn.Linear(4, 2)), "no linear layer is between 0"),
        (nn.LayerNorm(4), "the network is a LayerNorm"),
        (None, "torch.nn.Module is needed"),
    ],
)
def test_what_is_no_chain_is_named(network, words):
    with pytest.raises(InputError, match=words):
        chain_of(network)
