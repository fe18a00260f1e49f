import copy

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.network import FullyConnected, NetworkSettings, initialise_, linear_layers

NORMS = {
    "none": lambda: [nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)],
    "hidden": lambda: [
        nn.Linear(9, 7),
        nn.BatchNorm1d(7),
        nn.ReLU(),
        nn.Linear(7, 5),
        nn.BatchNorm1d(5),
        nn.ReLU(),
        nn.Linear(5, 3),
    ],
    "input": lambda: [
        nn.BatchNorm1d(9),
        nn.Linear(9, 7),
        nn.ReLU(),
        nn.BatchNorm1d(7),
        nn.Linear(7, 5),
        nn.ReLU(),
        nn.BatchNorm1d(5),
        nn.Linear(5, 3),
    ],
}


@pytest.mark.parametrize("batch_norm", NORMS)
def test_forward_and_gradient_equal_a_plain_sequential(batch_norm):
    ours = FullyConnected(9, 3, NetworkSettings(widths=(7, 5), batch_norm=batch_norm))
    plain = nn.Sequential(*NORMS[batch_norm]())
    initialise_(ours, "torch", 0)
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        theirs.data.copy_(mine.data)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 9)).astype(np.float32))
    assert torch.equal(ours(x), plain(x))
    ours(x).square().sum().backward()
    plain(x).square().sum().backward()
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)
    assert torch.equal(ours.eval()(x), plain.eval()(x))


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", lambda x: x.clamp(min=0)),
        ("tanh", torch.tanh),
        ("erf", torch.erf),
        ("sigmoid", torch.sigmoid),
        ("linear", lambda x: x),
    ],
)
def test_activations(activation, function):
    network = FullyConnected(4, 2, NetworkSettings(widths=(3,), activation=activation))
    x = torch.linspace(-2, 2, 20).reshape(5, 4)
    first, last = network.linear_0, network.linear_1
    hidden = function(x @ first.weight.T + first.bias)
    torch.testing.assert_close(network(x), hidden @ last.weight.T + last.bias)


def test_no_hidden_layer_is_one_linear_layer():
    assert list(linear_layers(FullyConnected(4, 2, NetworkSettings(widths=())))) == ["linear_0"]


def test_bias_can_be_left_out():
    network = FullyConnected(4, 2, NetworkSettings(bias=False))
    assert all(layer.bias is None for layer in linear_layers(network).values())


@pytest.mark.parametrize(
    ("init", "std", "expected"),
    [
        ("torch", None, 1 / np.sqrt(3 * 400)),
        ("xavier", None, np.sqrt(2 / 700)),
        ("he", None, np.sqrt(2 / 400)),
        ("normal", 0.01, 0.01),
    ],
)
def test_initialisation_has_the_stated_spread(init, std, expected):
    network = FullyConnected(400, 10, NetworkSettings(widths=(300,)))
    initialise_(network, init, 0, std)
    weight = network.linear_0.weight.detach().numpy()
    assert weight.std() == pytest.approx(expected, rel=0.02)  # 120 000 draws: 4 sd are 0.008
    assert abs(weight.mean()) < 4 * expected / np.sqrt(weight.size)
    if init == "torch":
        assert np.abs(weight).max() <= 1 / 20
    else:
        assert not network.linear_0.bias.any()


def test_orthogonal_weights_are_orthogonal_and_low_rank_ones_have_half_the_rank():
    settings = NetworkSettings(widths=(30, 20))
    network = initialise_(FullyConnected(24, 3, settings), "orthogonal", 1)
    for layer in linear_layers(network).values():
        weight = layer.weight.detach().double().numpy()
        fan_out, fan_in = weight.shape
        gram = weight.T @ weight / (2 * fan_out / fan_in) if fan_out >= fan_in else weight @ weight.T / 2
        np.testing.assert_allclose(gram, np.eye(min(fan_out, fan_in)), atol=1e-6)
        assert not layer.bias.any()
    network = initialise_(FullyConnected(24, 3, settings), "low_rank", 1)
    he = initialise_(FullyConnected(24, 3, settings), "he", 1)
    assert torch.equal(network.linear_0.weight, he.linear_0.weight)
    ranks = [
        np.linalg.matrix_rank(each.weight.detach().numpy(), tol=1e-5)
        for each in linear_layers(network).values()
    ]
    assert ranks == [24, 10, 2]


@pytest.mark.parametrize("init", ["orthogonal", "low_rank"])
def test_structured_weights_have_the_variance_of_he_and_no_correlation(init):
    drawn = np.stack(
        [
            initialise_(
                FullyConnected(6, 4, NetworkSettings(widths=(8,))), init, seed
            ).linear_1.weight.detach()
            for seed in range(1500)
        ]
    )
    assert (drawn**2).mean() == pytest.approx(2 / 8, rel=0.02)
    flat = drawn.reshape(len(drawn), -1)
    correlations = np.corrcoef(flat.T)[~np.eye(flat.shape[1], dtype=bool)]
    assert np.abs(correlations).max() < 5.5 / np.sqrt(len(flat))
    assert np.abs(flat.mean(axis=0)).max() < 5 * 0.5 / np.sqrt(len(flat))


def test_initialisation_is_a_function_of_the_seed_and_not_of_other_layers():
    shallow = initialise_(FullyConnected(9, 3, NetworkSettings(widths=(7,))), "he", 4)
    deep = initialise_(FullyConnected(9, 3, NetworkSettings(widths=(7, 7))), "he", 4)
    other = initialise_(FullyConnected(9, 3, NetworkSettings(widths=(7,))), "he", 5)
    assert torch.equal(shallow.linear_0.weight, deep.linear_0.weight)
    assert not torch.equal(shallow.linear_0.weight, other.linear_0.weight)


def test_network_can_be_copied_and_saved(tmp_path):
    network = initialise_(FullyConnected(9, 3, NetworkSettings(widths=(7,), batch_norm="input")), "he", 4)
    torch.save(network.state_dict(), tmp_path / "state.pt")
    twin = copy.deepcopy(network)
    twin.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    x = torch.ones(2, 9)
    assert torch.equal(network.eval()(x), twin.eval()(x))


def test_a_network_beyond_memory_is_refused_before_it_is_made():
    with pytest.raises(InputError, match=r"network.widths \[10000000\].*make the network narrower"):
        FullyConnected(1_000_000, 10, NetworkSettings(widths=(10_000_000,)))


@pytest.mark.parametrize("settings", [{"init": "normal"}, {"init": "he", "init_std": 0.1}])
def test_init_std_goes_with_normal(settings):
    with pytest.raises(ValueError, match="init_std is needed with init = 'normal'"):
        NetworkSettings(**settings)
