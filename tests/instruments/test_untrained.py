"""Networks that no one has trained, measured by the public path: the null of selection by size."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import sparsight
from sparsight.geometry import Geometry

SIZES = (5, 12)


def sign_task(num_inputs):
    """All patterns of independent ±1 inputs, each with both labels."""
    patterns = np.array(list(itertools.product([-1.0, 1.0], repeat=num_inputs)), dtype=np.float32)
    inputs = np.repeat(patterns, 2, axis=0)[:, None, :]
    labels = np.arange(len(inputs), dtype=np.int64) % 2
    return sparsight.Task(
        name="signs",
        geometry=Geometry(1, (num_inputs,)),
        num_classes=2,
        train_inputs=inputs,
        train_labels=labels,
        test_inputs=inputs,
        test_labels=labels,
    )


def untrained(num_inputs):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(num_inputs, 300), nn.ReLU(), nn.Linear(300, 2))


def kept_by_size(network, share_pruned):
    size = network[0].weight.detach().abs()
    return {"0.weight": size > size.quantile(share_pruned)}


@pytest.mark.parametrize("num_inputs", SIZES)
def test_size_alone_contrasts_an_untrained_network_and_the_shuffle_reproduces_it(num_inputs):
    network, task = untrained(num_inputs), sign_task(num_inputs)
    found = sparsight.measure_network(
        network,
        task,
        layers=["0"],
        next_masks=kept_by_size(network, 0.2),
        instruments=["cavity", "cavity_within_class", "gaussianity"],
        num_samples=len(task.test_labels),
    )["0"]
    for name in ("cavity", "cavity_within_class"):
        s = f"{name}.delta_abs_kurtosis_difference"
        own = float(found[s])
        assert own < {5: -0.05, 12: -0.01}[num_inputs]  # no effect of anything but size
        assert float(found[f"{s}_size_shuffled"]) == pytest.approx(own, rel=0.02)
        assert float(found[f"{s}_beyond_size_shuffled"]) == pytest.approx(0, abs=0.02 * abs(own))
    # independent inputs: κ is that of the weights' ipr, and nothing is beyond it
    assert float(found["gaussianity.excess_kurtosis_within_class"]) < -0.1
    assert float(found["gaussianity.excess_kurtosis_beyond_ipr_within_class"]) == pytest.approx(0, abs=1e-3)
