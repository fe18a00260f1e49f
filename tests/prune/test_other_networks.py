"""Any module whose linear layers are named is pruned; the rest passes through."""

import copy

import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.prune import PruningSettings, imp
from sparsight.train import TrainingSettings
from tests.toy import NETWORKS, linear_task

TRAINING = TrainingSettings(steps=12, batch_size=32, learning_rate=0.05)


@pytest.mark.filterwarnings("ignore:layer 'block.self_attn.out_proj' is pruned, but")
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("named", [True, False])
def test_named_linear_layers_are_pruned_and_the_rest_is_trained_whole(kind, named):
    make, names = NETWORKS[kind]
    torch.manual_seed(0)
    network = make()
    before = copy.deepcopy(network.state_dict())
    pruning = PruningSettings(rate=0.5, max_levels=2, min_density=0.01)
    levels = list(imp(network, linear_task(), TRAINING, pruning, layers=names if named else None, seed=1))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    pruned = {f"{name}.weight" for name in names}
    assert pruned <= set(levels[-1].masks)
    if named:
        assert set(levels[-1].masks) == pruned
    for name, value in levels[-1].final.items():
        if name in levels[-1].masks:
            assert not value[~levels[-1].masks[name]].any()
        elif value.is_floating_point() and value.numel() > 4:
            assert (value != 0).float().mean() > 0.9, name
    assert levels[-1].density == pytest.approx(0.25, abs=0.01)


def test_that_attention_is_pruned_in_part_is_said():
    torch.manual_seed(0)
    with pytest.warns(
        UserWarning, match="out_proj' is pruned, but the projections of queries, keys and values"
    ):
        level = next(
            imp(NETWORKS["transformer"][0](), linear_task(), TRAINING, PruningSettings(max_levels=1))
        )
    assert "block.self_attn.out_proj.weight" in level.masks


def test_layers_that_share_a_weight_are_refused_and_one_of_them_can_be_named():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 2))
    network[2].weight = network[0].weight
    pruning = PruningSettings(rate=0.5, max_levels=1)
    with pytest.raises(InputError, match="'0' and '2' share one weight; name one of them"):
        next(imp(network, linear_task(), TRAINING, pruning))
    *_, level = imp(network, linear_task(), TRAINING, pruning, layers=["0"])
    assert torch.equal(level.final["0.weight"], level.final["2.weight"])
    assert not level.final["2.weight"][~level.masks["0.weight"]].any()


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_pruned_module_is_as_copyable_savable_and_exportable_as_before(kind, tmp_path):
    make, names = NETWORKS[kind]
    torch.manual_seed(0)
    network = make()
    inputs = torch.randn(3, 24)
    torch.export.export(network.eval(), (inputs,))
    pruning = PruningSettings(rate=0.5, max_levels=1)
    *_, level = imp(network, linear_task(), TRAINING, pruning, layers=names, seed=1)
    trained = level.network
    expected = trained(inputs)
    assert torch.equal(copy.deepcopy(trained)(inputs), expected)
    torch.save(trained.state_dict(), tmp_path / "state.pt")
    again = make()
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(again.eval()(inputs), expected)
    exported = torch.export.export(trained, (inputs,)).module()
    torch.testing.assert_close(exported(inputs), expected)
