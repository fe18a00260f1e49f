"""SynFlow in networks with any normalisation: the flow is that of scale and shift."""

import warnings

import pytest
import torch
from torch import nn

from sparsight.prune import PruningSettings, Trained, dense_masks
from sparsight.prune._level import snapshot
from sparsight.prune.criteria._registry import CRITERIA
from tests.toy import linear_task

TASK = linear_task()


class ScaleAndShift(nn.Module):
    """What a normalisation leaves, written out: the same parameters, and nothing of the data."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, inputs):
        return inputs * self.weight + self.bias


def chain(norm, channels):
    """Two linear layers with a normalisation between them, on `channels` channels of their own shape."""
    unflatten = nn.Unflatten(1, (channels, *SHAPES[channels]))
    return nn.Sequential(nn.Linear(24, 24), unflatten, norm, nn.ReLU(), nn.Flatten(), nn.Linear(24, 2))


SHAPES = {4: (2, 3), 6: (4,), 24: ()}

NORMALISATIONS = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(24), 24, (24,)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), 4, (4, 1, 1)),
    "BatchNorm2d of the batch": (lambda: nn.BatchNorm2d(4, track_running_stats=False), 4, (4, 1, 1)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(6, affine=True), 6, (6, 1)),
    "InstanceNorm2d with statistics": (
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        4,
        (4, 1, 1),
    ),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), 4, (4, 1, 1)),
    "LayerNorm": (lambda: nn.LayerNorm(24), 24, (24,)),
    "LayerNorm of pictures": (lambda: nn.LayerNorm([4, 2, 3]), 4, (4, 2, 3)),
    "RMSNorm": (lambda: nn.RMSNorm(4), 6, (4,)),
}


def scores_of(network):
    masks = dense_masks(network, PruningSettings(prune_output=True))
    initial = snapshot(network.eval())
    facts = {"task": TASK, "loss": "cross_entropy", "level": 0, "seed": 0}
    return CRITERIA["synflow"](Trained(network=network, masks=masks, initial=initial, **facts))


@pytest.mark.parametrize("kind", NORMALISATIONS)
def test_scores_are_those_of_scale_and_shift(kind):
    make, channels, shape = NORMALISATIONS[kind]
    torch.manual_seed(0)
    norm = make()
    with torch.no_grad():
        norm.weight.uniform_(-1, 1)
        if getattr(norm, "bias", None) is not None:
            norm.bias.uniform_(-1, 1)
        for name, buffer in norm.named_buffers():
            if name.startswith("running"):
                buffer.uniform_(1, 3)  # of some data: they must not matter
    bias = norm.bias.detach() if getattr(norm, "bias", None) is not None else torch.zeros_like(norm.weight)
    network = chain(norm, channels)
    plain = chain(ScaleAndShift(norm.weight.detach().reshape(shape), bias.reshape(shape)), channels)
    for index in (0, 5):
        plain[index].load_state_dict(network[index].state_dict())
    found, expected = scores_of(network), scores_of(plain)
    for name, values in expected.items():
        # eps divides by √(1 + 10⁻⁵) where running statistics stay in use
        torch.testing.assert_close(found[name], values, rtol=1e-5, atol=0)
        assert (found[name] >= 0).all()
    assert all(torch.equal(again, found[name]) for name, again in scores_of(network).items())


def test_negative_scores_are_said():
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match=r"synflow: \d+\.\d% of the scores of kept weights are negative"):
        scores = scores_of(nn.Sequential(nn.Linear(24, 8), nn.Softmax(1), nn.Linear(8, 2)))
    assert any((values < 0).any() for values in scores.values())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores_of(nn.Sequential(nn.Linear(24, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2)))
