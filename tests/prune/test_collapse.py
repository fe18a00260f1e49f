"""Pruning that empties a layer, or cuts the outputs off from the inputs, is said."""

import warnings

import pytest
import torch
from torch import nn

from sparsight.prune import PruningSettings, imp
from sparsight.train import TrainingSettings
from tests.toy import SmallTransformer, linear_task

TASK = linear_task()
UNTRAINED = TrainingSettings(steps=0, batch_size=32)


def scaled(network, layer, factor):
    with torch.no_grad():
        network.get_submodule(layer).weight.mul_(factor)
    return network


def plain():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 2))
    return scaled(network, "2", 1e-3)


def transformer():
    torch.manual_seed(0)
    return scaled(SmallTransformer(), "embed", 1e-3)


LAYERS = ["embed", "block.linear1", "block.linear2"]


@pytest.mark.parametrize(("make", "layers", "lost"), [(plain, None, "2"), (transformer, LAYERS, "embed")])
def test_a_layer_that_a_round_leaves_empty_is_named_once(make, layers, lost):
    pruning = PruningSettings(rate=0.5, max_levels=4, min_density=0.01)
    with pytest.warns(UserWarning, match="layer collapse") as caught:
        levels = list(imp(make(), TASK, UNTRAINED, pruning, layers=layers))
    (said,) = [str(each.message) for each in caught if repr(lost) in str(each.message)]
    first = next(level.index for level in levels if not level.next_masks[f"{lost}.weight"].any())
    assert f"pruning after level {first} leaves no weight in layer '{lost}'" in said
    assert "set pruning.scope = 'layer'" in said


@pytest.mark.parametrize(("make", "layers"), [(plain, None), (transformer, LAYERS)])
def test_pruning_every_layer_at_one_rate_empties_none_and_says_nothing(make, layers):
    pruning = PruningSettings(rate=0.5, max_levels=2, scope="layer")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(imp(make(), TASK, UNTRAINED, pruning, layers=layers))


class Halves(nn.Module):
    """Two layers of one block each: with other halves kept, no way is left though both have weights."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(24, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, inputs):
        return self.head(self.second(self.first(inputs))).softmax(1)


@pytest.mark.parametrize("severed", [True, False])
def test_outputs_that_no_longer_depend_on_the_inputs_are_said(severed):
    torch.manual_seed(0)
    first, second = torch.zeros(8, 24, dtype=torch.bool), torch.zeros(8, 8, dtype=torch.bool)
    first[:4] = True
    second[:, 4:] = severed
    second[:, :4] = not severed
    dense = {"first.weight": torch.ones_like(first), "second.weight": torch.ones_like(second)}
    masks = [dense, {"first.weight": first, "second.weight": second}]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(imp(Halves(), TASK, UNTRAINED, PruningSettings(), layers=["first", "second"], masks=masks))
    said = [str(each.message) for each in caught]
    assert any("outputs that no longer depend on the inputs" in each for each in said) == severed
