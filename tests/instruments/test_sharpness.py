import numpy as np
import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.instruments import NETWORK, measure_network, sharpness
from sparsight.instruments._kept_loss import KeptLoss
from tests.toy import NETWORKS, linear_task, small_network


def _quadratic(num_inputs=5, num_samples=40, seed=0):
    """A linear layer with the mean squared error, whose Hessian is known, and a mask of it."""
    torch.manual_seed(seed)
    network = nn.Linear(num_inputs, 3).double()
    inputs = torch.randn(num_samples, num_inputs, dtype=torch.float64)
    labels = torch.arange(num_samples) % 3
    masks = {"weight": torch.rand(3, num_inputs) < 0.6}
    with torch.no_grad():
        network.weight *= masks["weight"]
    return network, inputs, labels, masks


def _hessian(inputs, mask):
    """2 / (n C) Σ x xᵀ for each of C units, over its kept inputs and its bias."""
    extended = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)], dim=1)
    moments = (2 / (len(inputs) * len(mask)) * extended.T @ extended).numpy()
    kept = np.hstack([mask.numpy(), np.ones((len(mask), 1), bool)])
    return [moments[np.ix_(each, each)] for each in kept]


def test_of_a_quadratic_loss_it_is_that_of_the_known_hessian():
    network, inputs, labels, masks = _quadratic()
    blocks = _hessian(inputs, masks["weight"])
    found = sharpness(
        network, inputs, labels, masks, loss="mse", num_probes=2000, num_perturbations=4000, relative_norm=0.3
    )
    assert found.num_parameters == sum(map(len, blocks))
    assert found.largest_eigenvalue == pytest.approx(max(np.linalg.eigvalsh(b)[-1] for b in blocks), rel=1e-3)
    trace = sum(np.trace(block) for block in blocks)
    assert found.trace == pytest.approx(trace, abs=4 * found.trace_error)
    assert found.trace_error < 0.03 * trace
    assert found.trace_per_parameter == found.trace / found.num_parameters
    of_weights = sum(np.trace(block[:-1, :-1]) for block in blocks)
    of_biases = sum(block[-1, -1] for block in blocks)
    weight, bias = (float(each.detach().norm()) for each in (network.weight, network.bias))
    rise = 0.5 * 0.3**2 * (
        weight**2 * of_weights / int(masks["weight"].sum()) + bias**2 * of_biases / 3
    )  # fmt: skip
    assert found.loss_rise == pytest.approx(rise, abs=4 * found.loss_rise_error)
    assert found.loss_rise_error < 0.1 * rise
    outputs = network(inputs).detach()
    assert found.loss == pytest.approx(
        float(nn.functional.mse_loss(outputs, nn.functional.one_hot(labels, 3).double()))
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_hessian_products_are_those_of_the_whole_hessian_on_kept_entries(loss):
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    inputs, labels = torch.randn(20, 4, dtype=torch.float64), torch.arange(20) % 3
    masks = {"0.weight": torch.rand(5, 4) < 0.5, "2.bias": torch.tensor([True, False, True])}
    with torch.no_grad():
        for name, mask in masks.items():
            network.get_parameter(name).mul_(mask)
    names = [name for name, _ in network.named_parameters()]
    shapes = [network.get_parameter(name).shape for name in names]

    def of_vector(vector):
        pieces = vector.split([shape.numel() for shape in shapes])
        named = {n: p.view(s) for n, p, s in zip(names, pieces, shapes, strict=True)}
        outputs = torch.func.functional_call(network, named, (inputs,))
        target = nn.functional.one_hot(labels, 3).double()
        if loss == "mse":
            return nn.functional.mse_loss(outputs, target)
        return nn.functional.cross_entropy(outputs, labels)

    start = nn.utils.parameters_to_vector(network.parameters()).detach()
    whole = torch.autograd.functional.hessian(of_vector, start).numpy()
    kept = np.concatenate(
        [
            masks.get(n, torch.ones(s, dtype=torch.bool)).reshape(-1)
            for n, s in zip(names, shapes, strict=True)
        ]
    )
    expected = whole[np.ix_(kept, kept)]
    mine = KeptLoss(network, masks, inputs, labels, loss)
    found = np.stack([mine.hessian_product(row) for row in np.eye(mine.size)])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_scaling_one_layer_up_and_the_next_one_down_changes_eigenvalues_and_not_the_rise():
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(6, 8, bias=False), nn.ReLU(), nn.Linear(8, 2, bias=False)).double()
    inputs, labels = torch.randn(50, 6, dtype=torch.float64), torch.arange(50) % 2
    before = sharpness(network, inputs, labels)
    with torch.no_grad():
        network[0].weight *= 10
        network[2].weight /= 10
    after = sharpness(network, inputs, labels)
    assert after.loss == pytest.approx(before.loss)
    assert after.largest_eigenvalue > 10 * before.largest_eigenvalue
    assert after.loss_rise == pytest.approx(before.loss_rise)


def test_the_network_is_unchanged_and_pruned_weights_are_not_counted():
    task = linear_task()
    network = small_network(task)
    network.train()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    mask = torch.rand(network.linear_0.weight.shape) < 0.3
    inputs, labels = task.samples("train", 0, 50)
    found = sharpness(network, inputs, labels, {"linear_0.weight": mask}, num_probes=2, num_perturbations=2)
    assert network.training
    assert found.num_parameters == sum(p.numel() for p in network.parameters()) - int((~mask).sum())
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name])
    again = sharpness(network, inputs, labels, {"linear_0.weight": mask}, num_probes=2, num_perturbations=2)
    assert found == again


@pytest.mark.parametrize("name", NETWORKS)
def test_works_on_other_modules(name):
    make, layers = NETWORKS[name]
    torch.manual_seed(0)
    found = measure_network(make(), linear_task(), layers=layers, instruments=["sharpness"], num_samples=40)[
        NETWORK
    ]
    assert found["sharpness.trace"].ndim == 0
    assert np.isfinite(float(found["sharpness.largest_eigenvalue"]))
    assert float(found["sharpness.num_parameters"]) > 0


def test_a_network_whose_paths_are_severed_has_the_curvature_of_its_last_bias():
    task = linear_task()
    network = small_network(task)
    masks = {name: torch.zeros_like(network.get_parameter(name), dtype=torch.bool) for name in
             ("linear_0.weight", "linear_1.weight", "linear_0.bias")}  # fmt: skip
    inputs, labels = task.samples("train", 0, 50)
    found = sharpness(network, inputs, labels, masks)
    p = torch.softmax(network.linear_1.bias.detach(), 0).numpy()
    assert found.num_parameters == 2
    assert found.largest_eigenvalue == pytest.approx(
        np.linalg.eigvalsh(np.diag(p) - np.outer(p, p))[-1], rel=1e-5
    )


def test_wrong_input_is_named():
    task = linear_task()
    network = small_network(task)
    inputs, labels = task.samples("train", 0, 10)
    with pytest.raises(InputError, match="labels 9 samples"):
        sharpness(network, inputs, labels[:9])
    with pytest.raises(InputError, match="labels 0 samples"):
        sharpness(network, inputs[:0], labels[:0])
    with pytest.raises(InputError, match="'linear_9.weight' is no parameter"):
        sharpness(network, inputs, labels, {"linear_9.weight": torch.ones(1, dtype=torch.bool)})
    with pytest.raises(InputError, match="linear_0.weight"):
        sharpness(network, inputs, labels, {"linear_0.weight": torch.ones(1, dtype=torch.bool)})
    with pytest.raises(InputError, match="relative_norm is -1"):
        sharpness(network, inputs, labels, relative_norm=-1)
    with pytest.raises(InputError, match="num_perturbations is 0"):
        sharpness(network, inputs, labels, num_perturbations=0)
    with pytest.raises(InputError, match="num_probes is 0"):
        sharpness(network, inputs, labels, num_probes=0)
    nothing = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in network.named_parameters()}
    with pytest.raises(InputError, match="no parameter"):
        sharpness(network, inputs, labels, nothing)
