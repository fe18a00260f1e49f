"""Any module whose linear layers are named is pruned; the rest passes through."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.instruments import measure_network
from sparsight.measure import cavity, gaussianity
from sparsight.network import linear_maps
from sparsight.prune import CRITERIA, PruningSettings, Trained, imp, train_masked
from sparsight.prune.criteria import _combinators
from sparsight.prune.criteria._registry import READ_LAYER_INPUTS
from sparsight.train import TrainingSettings
from tests.toy import NETWORKS, linear_task, small_network

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


class SmallAttention(nn.Module):
    """One attention over 4 tokens of 6 inputs, with what its caller names as queries, keys and values."""

    def __init__(self, *, crossed=False, batch_first=True, **sizes):
        super().__init__()
        self.crossed, self.batch_first = crossed, batch_first
        self.attention = nn.MultiheadAttention(6, 2, batch_first=batch_first, **sizes)
        self.out = nn.Linear(6, 2)

    def forward(self, inputs):
        tokens = inputs.view(-1, 4, 6)
        tokens = tokens if self.batch_first else tokens.transpose(0, 1)
        key = tokens + 1 if self.crossed else tokens
        mixed = self.attention(tokens, key, value=key, need_weights=False)[0]
        return self.out(mixed.mean(1 if self.batch_first else 0))


PROJECTIONS = ["attention.in_proj", "attention.out_proj"]


@pytest.mark.parametrize("options", [{}, {"crossed": True}, {"batch_first": False}])
def test_projections_of_attention_are_pruned_where_they_are_named(options):
    torch.manual_seed(0)
    pruning = PruningSettings(rate=0.5, max_levels=2, scope="layer", prune_biases=True)
    levels = list(imp(SmallAttention(**options), linear_task(), TRAINING, pruning, layers=PROJECTIONS))
    last = levels[-1]
    assert {name: tuple(mask.shape) for name, mask in last.masks.items()} == {
        "attention.in_proj_weight": (18, 6), "attention.in_proj_bias": (18,),
        "attention.out_proj.weight": (6, 6), "attention.out_proj.bias": (6,),
    }  # fmt: skip
    assert dict.fromkeys(PROJECTIONS, "dense") == last.kernels
    for name, mask in last.masks.items():
        assert not last.final[name][~mask].any()
    together = [levels[index].masks["attention.in_proj_weight"].sum() for index in range(3)]
    biases = [levels[index].masks["attention.in_proj_bias"].sum() for index in range(3)]
    assert [int(a + b) for a, b in zip(together, biases, strict=True)] == [126, 63, 32]
    again = train_masked(last.network, linear_task(), TRAINING, last.masks)
    assert all(torch.equal(again.masks[name], mask) for name, mask in last.masks.items())


def test_attention_itself_and_projections_of_different_sizes_are_no_layers_to_prune():
    torch.manual_seed(0)
    arguments = (linear_task(), TRAINING, PruningSettings(max_levels=1))
    with pytest.raises(
        InputError, match=r"'attention' is a MultiheadAttention; .* choose from attention.in_proj"
    ):
        next(imp(SmallAttention(), *arguments, layers=["attention"]))
    different = nn.Sequential(nn.MultiheadAttention(6, 2, kdim=5), nn.Linear(6, 2))
    assert list(linear_maps(different)) == ["0.out_proj", "1"]


@pytest.mark.parametrize("options", [{}, {"batch_first": False}])
def test_the_input_projection_is_measured_on_its_tokens(options):
    torch.manual_seed(0)
    network, task = SmallAttention(**options), linear_task()
    mask = torch.rand(18, 6) < 0.7
    found = measure_network(
        network, task, masks={"attention.in_proj_weight": mask}, instruments=["gaussianity", "cavity"]
    )["attention.in_proj"]
    tokens = task.samples("test")[0].view(-1, 6).double()
    weight = (network.attention.in_proj_weight.detach() * mask).double()
    np.testing.assert_allclose(
        found["gaussianity.excess_kurtosis_per_unit"],
        gaussianity(tokens @ weight.T).excess_kurtosis, rtol=1e-3, atol=1e-5,
    )  # fmt: skip
    effect = found["cavity.delta_kurtosis"].values
    np.testing.assert_array_equal(np.isnan(effect), ~mask.numpy())
    np.testing.assert_allclose(
        effect[mask], cavity(weight, tokens).delta_kurtosis[mask.numpy()], rtol=1e-2, atol=2e-3
    )


def test_an_attention_of_two_sequences_is_pruned_and_not_measured():
    torch.manual_seed(0)
    message = "'attention.in_proj' receives different tokens as queries, keys and values"
    with pytest.raises(InputError, match=message):
        measure_network(SmallAttention(crossed=True), linear_task(), layers=["attention.in_proj"])


@pytest.mark.parametrize("criterion", ["cavity", "correlation", "class-variance-matched"])
def test_a_criterion_that_cannot_read_what_a_layer_receives_is_refused_before_training(criterion):
    torch.manual_seed(0)
    pruning, steps = PruningSettings(rate=0.5, max_levels=1, criterion=criterion), []
    arguments = (linear_task(), TRAINING, pruning)
    message = f"criterion '{criterion}' reads what layers receive: layer 'attention.in_proj' receives diff"
    with pytest.raises(InputError, match=message):
        next(imp(SmallAttention(crossed=True), *arguments, layers=PROJECTIONS, on_step=steps.append))
    with pytest.raises(InputError, match="layer '0' received 14 rows for 7 samples"):
        next(imp(Twice(), *arguments, layers=["0"], on_step=steps.append))
    assert steps == []
    masks = [{"attention.in_proj_weight": torch.rand(18, 6) < 0.5}]  # nothing is read where masks are given
    given = imp(SmallAttention(crossed=True), *arguments, layers=PROJECTIONS[:1], masks=masks)
    assert len(list(given)) == 1


class Twice(nn.Sequential):
    """A network that calls a layer twice for each batch."""

    def __init__(self):
        super().__init__(nn.Linear(24, 24), nn.Linear(24, 2))

    def forward(self, inputs):
        return self[1](self[0](torch.relu(self[0](inputs))))


def test_the_criteria_that_read_inputs_are_those_that_ask_for_them(monkeypatch):
    task, asked = linear_task(), []
    network = small_network(task).eval()
    original = _combinators.layer_inputs

    def noted(*arguments):
        asked.append(name)
        return original(*arguments)

    monkeypatch.setattr(_combinators, "layer_inputs", noted)
    masks = {"linear_0.weight": torch.ones(12, 24, dtype=torch.bool)}
    initial = {key: value.clone() for key, value in network.state_dict().items()}
    given = {"network": network, "masks": masks, "task": task, "initial": initial, "level": 0, "seed": 0}
    shipped = [name for name in CRITERIA if CRITERIA.is_shipped(name)]
    for name in shipped:
        CRITERIA[name](Trained(**given, loss="cross_entropy"))
    assert set(asked) == READ_LAYER_INPUTS
    assert len(shipped) > len(READ_LAYER_INPUTS) > 5


def test_whole_units_that_are_classes_are_never_removed():
    task, pruning = linear_task(), PruningSettings(granularity="unit", distribution="uniform", max_levels=1)
    without = small_network(task, widths=())
    other = nn.Sequential(nn.Unflatten(1, (4, 6)), nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 2))
    transformer = NETWORKS["transformer"][0]()
    for network, layers, named in (
        (without, None, "linear_0"),
        (small_network(task), ["linear_0", "linear_1"], "linear_1"),
        (other, ["2", "4"], "4"),
        (transformer, ["block.linear1", "out"], "out"),
    ):
        with pytest.raises(InputError, match=f"layer '{named}' gives the outputs, so that classes would be"):
            next(imp(network, task, TRAINING, pruning, layers=layers))
    levels = list(imp(transformer, task, TRAINING, pruning, layers=["block.linear1"]))
    assert levels[1].density < 1


def test_in_a_transformer_both_projections_are_pruned_and_measured():
    torch.manual_seed(0)
    layers = ["block.self_attn.in_proj", "block.self_attn.out_proj"]
    pruning = PruningSettings(rate=0.5, max_levels=1, criterion="cavity")
    *_, level = imp(NETWORKS["transformer"][0](), linear_task(), TRAINING, pruning, layers=layers)
    assert level.density == 0.5
    found = measure_network(level.network, linear_task(), masks=level.masks, instruments=["gaussianity"])
    assert list(found) == layers
    assert found[layers[0]].sizes["unit"] == 24
