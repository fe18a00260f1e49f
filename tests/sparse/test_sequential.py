"""The sparse step is the masked dense one, computed another way."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.network import FullyConnected, NetworkSettings, initialise_
from sparsight.sparse import Batch, SparseSequential, Table, _threads as threads
from sparsight.sparse._sequential import sparse_candidates


def network_and_masks(density=0.2, widths=(40, 30), num_inputs=70, **settings):
    network = FullyConnected(num_inputs, 5, NetworkSettings(widths=widths, **settings)).double()
    initialise_(network, "torch", 0)
    stream = np.random.default_rng(0)
    masks = {}
    for name in sparse_candidates(network):
        weight = network.get_parameter(f"{name}.weight")
        masks[f"{name}.weight"] = torch.from_numpy(stream.random(tuple(weight.shape)) < density)
        weight.data *= masks[f"{name}.weight"]
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.weight.data = torch.from_numpy(stream.uniform(0.5, 2, module.num_features))
            module.bias.data = torch.from_numpy(stream.normal(size=module.num_features))
    return network, masks


def batch(num_samples, num_inputs=70):
    stream = np.random.default_rng(1)
    inputs = torch.from_numpy(3 + 2 * stream.normal(size=(num_samples, num_inputs)))
    return inputs, torch.from_numpy(stream.integers(0, 5, num_samples))


def gradients(outputs, labels, parameters):
    return torch.autograd.grad(nn.functional.cross_entropy(outputs, labels), parameters, allow_unused=True)


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
@pytest.mark.parametrize(
    ("activation", "bias"),
    [("relu", True), ("relu", False), ("tanh", True), ("erf", False), ("sigmoid", True), ("linear", True)],
)
@pytest.mark.parametrize("sparse_layers", [["linear_0"], ["linear_1"], ["linear_0", "linear_1", "linear_2"]])
def test_outputs_and_gradients_are_those_of_the_network(batch_norm, activation, bias, sparse_layers):
    network, masks = network_and_masks(batch_norm=batch_norm, activation=activation, bias=bias)
    dense = copy.deepcopy(network)
    sparse = SparseSequential(network, masks, sparse_layers)
    inputs, labels = batch(37)
    outputs, expected = sparse(inputs), dense(inputs)
    torch.testing.assert_close(outputs, expected, rtol=1e-12, atol=1e-12)
    ours = gradients(outputs, labels, sparse.parameters())
    theirs = gradients(expected, labels, list(dense.parameters()))
    for (name, _), mine, whole in zip(dense.named_parameters(), ours, theirs, strict=True):
        kept = whole[masks[name]] if name in sparse.values else whole
        torch.testing.assert_close(mine, kept, rtol=1e-10, atol=1e-13, msg=name)
    for mine, other in zip(network.buffers(), dense.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def _norm(num_features):
    return nn.BatchNorm1d(num_features)


CHAINS = {
    "norm and relu before the first layer": lambda: [_norm(300), nn.ReLU(), nn.Linear(300, 40)],
    "relu before the first layer": lambda: [nn.ReLU(), nn.Linear(300, 40)],
    "elementwise before the first layer": lambda: [nn.Identity(), nn.Tanh(), nn.Linear(300, 40)],
    "flatten before the first layer": lambda: [nn.Flatten(), _norm(300), nn.Linear(300, 40)],
    "two relus": lambda: [nn.Linear(300, 40), nn.ReLU(), _norm(40), nn.ReLU(), nn.Linear(40, 35)],
    "two norms": lambda: [nn.Linear(300, 40), _norm(40), _norm(40), nn.Linear(40, 35)],
    "norm and tanh": lambda: [nn.Linear(300, 40), _norm(40), nn.Tanh(), nn.Linear(40, 35)],
    "identity between": lambda: [nn.Linear(300, 40), _norm(40), nn.Identity(), nn.ReLU(), nn.Linear(40, 3)],
    "frozen statistics": lambda: [nn.Linear(300, 40), nn.BatchNorm1d(40, affine=False), nn.Linear(40, 35)],
    "ends in activations": lambda: [nn.Linear(300, 40), _norm(40), nn.ReLU()],
    "nothing between": lambda: [nn.Linear(300, 40), nn.Linear(40, 35)],
}


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("chain", CHAINS)
def test_chains_of_any_modules(chain, is_training):
    torch.manual_seed(0)
    network = nn.Sequential(*CHAINS[chain]()).double().train(is_training)
    names = sparse_candidates(network)
    masks = {
        f"{name}.weight": torch.rand(network.get_parameter(f"{name}.weight").shape) < 0.3 for name in names
    }
    for name, mask in masks.items():
        network.get_parameter(name).data *= mask
    for module in network:
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    dense = copy.deepcopy(network)
    sparse = SparseSequential(network, masks, names)
    inputs = batch(70, 300)[0]
    outputs, expected = sparse(inputs), dense(inputs)
    torch.testing.assert_close(outputs, expected, rtol=1e-11, atol=1e-11)
    ours = torch.autograd.grad((outputs**2).sum(), sparse.parameters())
    theirs = torch.autograd.grad((expected**2).sum(), list(dense.parameters()))
    for (name, _), mine, whole in zip(dense.named_parameters(), ours, theirs, strict=True):
        kept = whole[masks[name]] if name in sparse.values else whole
        torch.testing.assert_close(mine, kept, rtol=1e-9, atol=1e-9, msg=name)
    for mine, other in zip(network.buffers(), dense.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("num_samples", [2, 16, 127, 128, 129, 260, 1000])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_any_batch_size_and_any_number_of_threads(num_samples, num_threads):
    network, masks = network_and_masks(batch_norm="hidden")
    dense = copy.deepcopy(network)
    inputs, labels = batch(num_samples)
    sparse = SparseSequential(network, masks, ["linear_0", "linear_1"])
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        ours = gradients(sparse(inputs), labels, list(sparse.values.values()))
    finally:
        torch.set_num_threads(before)
    theirs = gradients(dense(inputs), labels, [dense.linear_0.weight, dense.linear_1.weight])
    for name, mine, whole in zip(sparse.values, ours, theirs, strict=True):
        torch.testing.assert_close(mine, whole[masks[name]], rtol=1e-9, atol=1e-13)


def test_results_do_not_depend_on_the_number_of_threads():
    network, masks = network_and_masks(batch_norm="hidden")
    inputs, labels = batch(300)
    found = []
    before = torch.get_num_threads()
    for num_threads in (1, 2, 5):
        torch.set_num_threads(num_threads)
        sparse = SparseSequential(copy.deepcopy(network), masks, ["linear_0", "linear_1"])
        found.append(gradients(sparse(inputs), labels, list(sparse.values.values())))
    torch.set_num_threads(before)
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_a_layer_without_any_weight_gives_its_bias():
    network, masks = network_and_masks()
    masks["linear_0.weight"][:] = False
    sparse = SparseSequential(network, masks, ["linear_0"])
    network.linear_0.weight.data.zero_()
    inputs, _ = batch(20)
    torch.testing.assert_close(sparse(inputs), network(inputs))


def test_evaluation_uses_running_statistics():
    network, masks = network_and_masks(batch_norm="input")
    sparse = SparseSequential(network, masks, ["linear_0", "linear_1"])
    inputs, _ = batch(300)
    sparse(inputs)
    network.eval()
    torch.testing.assert_close(sparse(inputs), network(inputs), rtol=1e-12, atol=1e-12)


def test_modules_of_any_other_kind_see_samples_by_features():
    network = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 8), nn.Softmax(dim=1), nn.Linear(8, 3)).double()
    mask = torch.rand(8, 12, generator=torch.Generator().manual_seed(0)) < 0.3
    network[1].weight.data *= mask
    dense = copy.deepcopy(network)
    sparse = SparseSequential(network, {"1.weight": mask}, ["1"])
    inputs, labels = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 12))), torch.arange(20) % 3
    ours = gradients(sparse(inputs), labels, sparse.parameters())
    theirs = gradients(dense(inputs), labels, list(dense.parameters()))
    for (name, _), mine, whole in zip(dense.named_parameters(), ours, theirs, strict=True):
        torch.testing.assert_close(mine, whole[mask] if name == "1.weight" else whole, rtol=1e-10, atol=1e-13)


def test_a_loss_that_diverged_is_seen():
    network, masks = network_and_masks(batch_norm="hidden")
    sparse = SparseSequential(network, masks, ["linear_0", "linear_1"])
    sparse.values["linear_0.weight"].data[0] = float("nan")
    assert sparse(batch(20)[0]).isnan().any()


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
@pytest.mark.parametrize("sparse_layers", [["linear_0"], ["linear_1"]])
def test_bytes_are_standardised_as_they_are_read(batch_norm, sparse_layers):
    network, masks = network_and_masks(batch_norm=batch_norm)
    if sparse_layers == ["linear_0"]:
        masks["linear_0.weight"][:, 12:] = False  # few pixels are used
        network.linear_0.weight.data *= masks["linear_0.weight"]
    dense = copy.deepcopy(network)
    stream = np.random.default_rng(2)
    numbers, rows = stream.integers(0, 256, (90, 70), dtype=np.uint8), stream.permutation(90)[:37]
    mean, sd = stream.uniform(100, 150, 70), stream.uniform(30, 60, 70)
    numbers.flags.writeable = False
    sparse = SparseSequential(network, masks, sparse_layers)
    outputs = sparse.of_batch(Batch(Table(numbers, mean, sd), rows))
    expected = dense(torch.from_numpy((numbers[rows] - mean) / sd))
    labels = batch(37)[1]
    torch.testing.assert_close(outputs, expected, rtol=1e-11, atol=1e-11)
    ours = gradients(outputs, labels, sparse.parameters())
    theirs = gradients(expected, labels, list(dense.parameters()))
    for (name, _), mine, whole in zip(dense.named_parameters(), ours, theirs, strict=True):
        kept = whole[masks[name]] if name in sparse.values else whole
        torch.testing.assert_close(mine, kept, rtol=1e-9, atol=1e-12, msg=name)
    for mine, other in zip(network.buffers(), dense.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-11, atol=1e-11)


def test_values_travel_to_the_network_and_back():
    network, masks = network_and_masks()
    sparse = SparseSequential(network, masks, ["linear_0"])
    values = sparse.values["linear_0.weight"]
    values.data += 1
    sparse.write_back()
    assert torch.equal(network.linear_0.weight[masks["linear_0.weight"]], values)
    assert not network.linear_0.weight[~masks["linear_0.weight"]].any()
    network.linear_0.weight.data *= 2
    sparse.read()
    assert torch.equal(network.linear_0.weight[masks["linear_0.weight"]], values)


def test_torch_has_its_threads_again_after_the_products():
    def fails():
        with threads.threads_taken_from_torch():
            assert (torch.get_num_threads(), threads.num_threads()) == (1, 3)
            raise KeyError

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    with pytest.raises(KeyError):
        fails()
    after = torch.get_num_threads(), threads.num_threads()
    torch.set_num_threads(before)
    assert after == (3, 3)


class _Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_0 = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear_0(x) + 1


def test_networks_that_are_not_plain_chains_stay_dense():
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    watched = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    watched[0].register_forward_hook(lambda *_: None)
    assert sparse_candidates(_Other()) == sparse_candidates(tied) == sparse_candidates(watched) == []
    assert sparse_candidates(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))) == ["0", "2"]


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
def test_the_products_that_a_gpu_takes_are_the_same(batch_norm, monkeypatch):
    """torch's own sparse products on the whole batch, here on the CPU."""
    monkeypatch.setattr("sparsight.sparse._sequential.has_tiles", lambda _: False)
    network, masks = network_and_masks(batch_norm=batch_norm)
    dense = copy.deepcopy(network)
    sparse = SparseSequential(network, masks, ["linear_0", "linear_1"])
    inputs, labels = batch(64)
    ours = gradients(sparse(inputs), labels, sparse.parameters())
    theirs = gradients(dense(inputs), labels, list(dense.parameters()))
    for (name, _), mine, whole in zip(dense.named_parameters(), ours, theirs, strict=True):
        kept = whole[masks[name]] if name in sparse.values else whole
        torch.testing.assert_close(mine, kept, rtol=1e-10, atol=1e-13, msg=name)


def test_batch_norm_gives_units_without_inputs_exactly_their_shift():
    """In float32 too: else rounding would decide whether a ReLU after β = 0 passes a gradient."""
    network = nn.Sequential(nn.Linear(8, 64), nn.BatchNorm1d(64), nn.Linear(64, 2))
    sparse = SparseSequential(network, {"0.weight": torch.zeros(64, 8, dtype=torch.bool)}, ["0"])
    with torch.no_grad():
        network[0].weight.zero_()
        assert torch.equal(sparse(torch.randn(1000, 8)), network[2](torch.zeros(1000, 64)))
