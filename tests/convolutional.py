"""A small convolutional network and a task of small pictures, for every test that needs them."""

import numpy as np
import torch
from torch import nn

from sparsight.data import Task
from sparsight.geometry import Geometry
from sparsight.network import initialise_

LAYERS = ["0", "3", "6"]
"""The convolutions of `convolutional`; the last one has groups."""


def pictures(num_train=200, num_test=60, seed=0):
    """Two classes of pictures, (2, 6, 5), by which half is brighter."""
    stream = np.random.default_rng(seed)
    inputs = stream.normal(size=(num_train + num_test, 2, 6, 5)).astype(np.float32)
    labels = (inputs[:, 0, :3].sum((1, 2)) > inputs[:, 0, 3:].sum((1, 2))).astype(np.int64)
    return Task(
        name="pictures",
        geometry=Geometry(2, (6, 5)),
        num_classes=2,
        train_inputs=inputs[:num_train],
        train_labels=labels[:num_train],
        test_inputs=inputs[num_train:],
        test_labels=labels[num_train:],
    )


def convolutional(seed=0):
    """Three convolutions (strided, with BatchNorm; dilated, without bias; in groups) and a linear layer."""
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, stride=(2, 1)), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 6, (2, 3), padding=(0, 2), dilation=(1, 2), bias=False), nn.ReLU(), nn.Identity(),
        nn.Conv2d(6, 4, 2, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip
    return initialise_(network, "torch", seed)


def masked(network, density, layers=LAYERS, seed=0):
    """Return random masks of the weights of layers, having set the other weights to 0."""
    stream = torch.Generator().manual_seed(seed)
    masks = {}
    with torch.no_grad():
        for name in layers:
            weight = network.get_parameter(f"{name}.weight")
            masks[f"{name}.weight"] = torch.rand(weight.shape, generator=stream) < density
            weight.mul_(masks[f"{name}.weight"])
    return masks
