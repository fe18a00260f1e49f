"""SparseLinear against a masked dense layer: products, gradients, optimizers, states, changes of mask."""

import copy
import io

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn.utils import prune

from sparsight import SparseLinear, densify, sparsify
from sparsight.errors import InputError

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
}


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def random_mask(*shape, density=0.3, seed=0):
    return torch.rand(shape, generator=stream(seed)) < density


def dense_and_sparse(mask, *, bias=True, dtype=torch.float64, seed=1):
    layer = nn.Linear(*reversed(mask.shape), bias=bias, dtype=dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream(seed), dtype=dtype))
    return layer, SparseLinear.from_dense(layer, mask)


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 300)),
    num_samples=st.integers(0, 150),
    density=st.sampled_from([0.0, 0.01, 0.2, 1.0]),
    bias=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 100),
)
@settings(max_examples=60)
def test_products_and_gradients_are_those_of_the_dense_layer(size, num_samples, density, bias, dtype, seed):
    mask = random_mask(*size, density=density, seed=seed)
    layer, sparse = dense_and_sparse(mask, bias=bias, dtype=dtype)
    inputs = torch.randn(num_samples, size[1], generator=stream(seed), dtype=dtype)
    weights = torch.randn(num_samples, size[0], generator=stream(seed + 1), dtype=dtype)
    given_to = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    expected = nn.functional.linear(given_to[0], layer.weight * mask, layer.bias)
    found = sparse(given_to[1])
    (expected.sin() * weights).sum().backward()
    (found.sin() * weights).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(found, expected, **close)
    torch.testing.assert_close(given_to[1].grad, given_to[0].grad, **close)
    torch.testing.assert_close(sparse.values.grad, layer.weight.grad[mask], **close)
    if bias:
        torch.testing.assert_close(sparse.bias.grad, layer.bias.grad, **close)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_ends_where_masked_dense_training_ends_with_a_state_of_kept_weights_only(optimizer):
    mask = random_mask(20, 30)
    layer, sparse = dense_and_sparse(mask)
    with torch.no_grad():
        layer.weight.mul_(mask)
    inputs = torch.randn(64, 30, generator=stream(), dtype=torch.float64)
    targets = torch.randn(64, 20, generator=stream(1), dtype=torch.float64)
    for network, masked in ((layer, True), (sparse, False)):
        moved = OPTIMIZERS[optimizer](network.parameters())
        for _ in range(20):
            moved.zero_grad()
            (network(inputs) - targets).square().mean().backward()
            if masked:
                network.weight.grad.mul_(mask)
            moved.step()
        if not masked:
            entries = [entry for entry in moved.state[sparse.values].values() if entry.ndim]
            assert entries
            assert all(entry.shape == (int(mask.sum()),) for entry in entries)
    torch.testing.assert_close(sparse.weight, layer.weight, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(sparse.bias, layer.bias, rtol=1e-9, atol=1e-12)


def test_numerical_gradients():
    _, sparse = dense_and_sparse(random_mask(4, 7))
    inputs = torch.randn(5, 7, generator=stream(), dtype=torch.float64, requires_grad=True)
    parameters = (sparse.values, sparse.bias)

    def outputs(inputs, *parameters):
        named = dict(zip(("values", "bias"), parameters, strict=True))
        return torch.func.functional_call(sparse, named, (inputs,))

    assert torch.autograd.gradcheck(outputs, (inputs, *parameters))


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7), (0, 7), (2, 0, 7)])
def test_inputs_of_any_number_of_dimensions_are_taken_as_torch_takes_them(shape):
    mask = random_mask(4, 7)
    layer, sparse = dense_and_sparse(mask)
    inputs = torch.randn(shape, generator=stream(), dtype=torch.float64)
    torch.testing.assert_close(sparse(inputs), nn.functional.linear(inputs, layer.weight * mask, layer.bias))


def test_writing_into_the_inputs_before_the_backward_pass_changes_no_gradient():
    _, sparse = dense_and_sparse(random_mask(4, 7))
    inputs = torch.randn(5, 7, generator=stream(), dtype=torch.float64)
    sparse(inputs.clone()).sum().backward()
    expected, sparse.values.grad = sparse.values.grad, None
    outputs = sparse(inputs)
    inputs.zero_()
    outputs.sum().backward()
    torch.testing.assert_close(sparse.values.grad, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_dtypes_and_autocast_compute_the_same_function(dtype):
    mask = random_mask(4, 7)
    _, sparse = dense_and_sparse(mask, dtype=torch.float32)
    inputs = torch.randn(5, 7, generator=stream())
    expected = sparse(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(sparse(inputs), expected)
    low = copy.deepcopy(sparse).to(dtype)
    torch.testing.assert_close(low(inputs.to(dtype)).float(), expected, rtol=0.05, atol=0.1)


def test_compiling_leaves_the_layer_as_it_is():
    _, sparse = dense_and_sparse(random_mask(4, 7), dtype=torch.float32)
    network = nn.Sequential(sparse, nn.ReLU())
    inputs = torch.randn(5, 7, generator=stream())
    compiled = torch.compile(network, backend="eager")
    assert torch.equal(compiled(inputs), network(inputs))
    compiled(inputs).sum().backward()
    assert sparse.values.grad is not None


def test_copies_and_saved_modules_are_whole_and_small():
    mask = random_mask(200, 300, density=0.01)
    _, sparse = dense_and_sparse(mask, dtype=torch.float32)
    inputs = torch.randn(5, 300, generator=stream())
    expected = sparse(inputs)  # also builds what the products need, which is not saved
    file = io.BytesIO()
    torch.save(sparse, file)
    assert file.tell() < 40 * int(mask.sum())
    file.seek(0)
    again = torch.load(file, weights_only=False)
    copied = copy.deepcopy(sparse)
    for each in (again, copied):
        assert torch.equal(each(inputs), expected)
        each.values.data.zero_()
    assert torch.equal(sparse(inputs), expected)


def test_a_state_dict_describes_another_mask_and_loads_into_a_layer_in_training():
    _, first = dense_and_sparse(random_mask(4, 7, seed=1))
    _, second = dense_and_sparse(random_mask(4, 7, seed=2), seed=5)
    values = second.values
    second.load_state_dict(first.state_dict())
    assert second.values is values
    assert torch.equal(second.weight, first.weight)
    assert torch.equal(second.mask, first.mask)
    parts = (each.detach().numpy() for each in (first.values, first.col_indices, first.crow_indices))
    theirs = scipy.sparse.csr_matrix(tuple(parts), shape=tuple(first.shape.tolist()))
    np.testing.assert_array_equal(theirs.toarray(), first.weight.detach().numpy())


def test_states_of_torch_prune_are_loaded_with_their_masks():
    mask = random_mask(4, 7, seed=1)
    layer, _ = dense_and_sparse(mask)
    network = nn.Sequential(nn.Identity(), layer)
    prune.custom_from_mask(layer, "weight", mask)
    network = nn.Sequential(nn.Identity(), layer)
    inputs = torch.randn(5, 7, generator=stream(), dtype=torch.float64)
    other = nn.Sequential(nn.Identity(), SparseLinear(random_mask(4, 7, seed=2), dtype=torch.float64))
    state = network.state_dict()
    other.load_state_dict(state)
    torch.testing.assert_close(other(inputs), network(inputs))
    assert torch.equal(other[1].mask, mask)
    assert "1.weight_orig" in state


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", torch.tensor([7, 4])),
        ("crow_indices", torch.tensor([0, 3, 2, 4, 5], dtype=torch.int32)),
        ("col_indices", torch.tensor([0, 1, 2, 3, 7], dtype=torch.int32)),
        ("col_indices", torch.tensor([0, 0, 2, 3, 4], dtype=torch.int32)),
        ("col_indices", torch.tensor([0, 1, 2, 3, -1], dtype=torch.int32)),
        ("values", torch.zeros(6)),
    ],
)
def test_indices_that_describe_no_matrix_are_refused(key, value):
    mask = torch.zeros(4, 7, dtype=torch.bool)
    mask[0, [0, 1]] = mask[1, 2] = mask[2, 3] = mask[3, 4] = True
    layer = SparseLinear(mask)
    with pytest.raises(InputError, match=rf"{key}|{'indices'}"):
        layer.load_state_dict(layer.state_dict() | {key: value})
    assert layer.num_kept == 5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_pruning_and_growing_in_place_keeps_the_state_of_what_stays(optimizer):
    before, after = random_mask(6, 9, seed=1), random_mask(6, 9, seed=2)
    layer, sparse = dense_and_sparse(before)
    inputs = torch.randn(20, 9, generator=stream(), dtype=torch.float64)
    grown = torch.randn(6, 9, generator=stream(8), dtype=torch.float64)
    with torch.no_grad():
        layer.weight.mul_(before)
    pairs = [(network, OPTIMIZERS[optimizer](network.parameters())) for network in (layer, sparse)]

    def step(network, moved, mask):
        moved.zero_grad()
        network(inputs).square().mean().backward()
        if network is layer:
            network.weight.grad.mul_(mask)
        moved.step()

    for network, moved in pairs:
        for _ in range(3):
            step(network, moved, before)
    sparse.change_mask_(after, grown=grown, optimizer=pairs[1][1])
    with torch.no_grad():
        is_new = after & ~before
        layer.weight[is_new] = grown[is_new]
        layer.weight.mul_(after)
        for entry in pairs[0][1].state[layer.weight].values():
            if entry.shape == layer.weight.shape:
                entry.mul_(after & before)
    torch.testing.assert_close(sparse.weight, layer.weight)
    for network, moved in pairs:
        for _ in range(3):
            step(network, moved, after)
    torch.testing.assert_close(sparse.weight, layer.weight, rtol=1e-9, atol=1e-12)
    assert torch.equal(sparse.mask, after)


def test_a_network_of_any_architecture_is_made_sparse_and_dense_again():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = nn.Sequential(nn.Linear(12, 8), nn.Tanh())
            self.head = nn.Linear(8, 3, bias=False)

        def forward(self, inputs):
            return self.head(self.encode(inputs).flip(1))

    network = Two().eval()
    mask = random_mask(8, 12)
    sparse = sparsify(network, {"encode.0.weight": mask})
    inputs = torch.randn(5, 12, generator=stream())
    dense = densify(sparse)
    assert type(sparse.encode[0]) is SparseLinear
    assert not sparse.encode[0].training
    assert type(network.encode[0]) is type(dense.encode[0]) is nn.Linear
    torch.testing.assert_close(sparse(inputs), dense(inputs))
    assert torch.equal(dense.encode[0].weight, network.encode[0].weight * mask)
    alone = sparsify(nn.Linear(12, 8), {"weight": mask})
    assert type(alone) is SparseLinear
    assert type(densify(alone)) is nn.Linear


def shared():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    return network


@pytest.mark.parametrize(
    ("network", "name", "mask", "words"),
    [
        (
            nn.Sequential(nn.Linear(4, 3)),
            "1.weight",
            random_mask(3, 4),
            "weights of the network are 0.weight",
        ),
        (nn.Sequential(nn.Linear(4, 3)), "0.bias", torch.ones(3, dtype=torch.bool), "0.bias"),
        (nn.Sequential(nn.Linear(4, 3)), "0.weight", random_mask(4, 3), r"the weight is \(3, 4\)"),
        (nn.Sequential(nn.Linear(4, 3)), "0.weight", torch.ones(3, 4), "a matrix of bools is needed"),
        (nn.Sequential(nn.Conv1d(4, 3, 1)), "0.weight", random_mask(3, 4), "Conv1d"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), "weight", random_mask(3, 4), "weight"),
        (shared(), "0.weight", random_mask(4, 4), r"shared with 1\.weight"),
    ],
)
def test_what_cannot_be_sparse_is_refused_by_name(network, name, mask, words):
    with pytest.raises(InputError, match=words):
        sparsify(network, {name: mask})


def test_inputs_that_do_not_fit_are_refused():
    layer = SparseLinear(random_mask(3, 4))
    with pytest.raises(InputError, match=r"\(\.\.\., 4\) is needed"):
        layer(torch.zeros(2, 5))
    with pytest.raises(InputError, match="torch.float64"):
        layer(torch.zeros(2, 4, dtype=torch.float64))
    with pytest.raises(InputError, match="grown is"):
        layer.change_mask_(random_mask(3, 4), grown=torch.zeros(4, 3))
