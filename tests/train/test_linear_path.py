"""The line between two networks: closed forms, and BatchNorm computed again against a slow twin."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from sparsight import Geometry, Task, connect, train_masked
from sparsight.errors import InputError
from sparsight.train import TrainingSettings
from sparsight.train._evaluation import evaluate
from sparsight.train._linear_path import compute_batch_norm_again_
from tests.toy import NETWORKS, linear_task, small_network

TASK = linear_task()
TRAINING = TrainingSettings(steps=20, batch_size=32, learning_rate=0.3)


def trained(seed, **settings):
    network = small_network(TASK, 0, **settings)
    masks = {"linear_0.weight": torch.ones_like(network.linear_0.weight, dtype=torch.bool)}
    return train_masked(network, TASK, TRAINING, masks, seed=seed).network


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_copies_that_saw_the_same_batches_have_no_barrier_at_all(batch_norm):
    path = connect(trained(1, batch_norm=batch_norm), trained(1, batch_norm=batch_norm), TASK)
    assert path.loss_barrier == path.error_barrier == 0
    assert len(set(path.loss)) == 1
    assert path.batch_norm_samples == (0 if batch_norm == "none" else len(TASK.train_labels))


def test_the_squared_error_of_a_linear_network_is_a_parabola_on_the_line():
    a, b = nn.Linear(24, 2), nn.Linear(24, 2)
    path = connect(a, b, TASK, loss="mse", num_points=5)
    inputs, labels = TASK.samples("test")
    targets = np.eye(2)[labels.numpy()]
    ends = [network(inputs).detach().double().numpy() - targets for network in (a, b)]
    # ⟨((1 − α)u + αv)²⟩ with the residuals u and v of the ends
    squares = [(ends[i] * ends[j]).mean() for i, j in ((0, 0), (0, 1), (1, 1))]
    alpha = np.linspace(0, 1, 5)
    parabola = (1 - alpha) ** 2 * squares[0] + 2 * alpha * (1 - alpha) * squares[1] + alpha**2 * squares[2]
    np.testing.assert_array_equal(path.positions, alpha)
    np.testing.assert_allclose(path.loss, parabola, rtol=1e-6)
    # a convex loss is largest at an end, so that only the difference of the ends is left of the barrier
    # (each end is exact to 1e-6 of itself, and the ends may be nearly equal)
    rounding = 1e-6 * (squares[0] + squares[2])
    assert path.loss_barrier == pytest.approx(abs(squares[0] - squares[2]) / 2, abs=rounding)
    accuracies = [((1 - x) * ends[0] + x * ends[1] + targets).argmax(1) == labels.numpy() for x in alpha]
    np.testing.assert_allclose(path.accuracy, np.mean(accuracies, axis=1))


def size_network(*signs):
    """Units relu(±x), one for each sign: class 1 where their sum, |x| for two signs, is above 1."""
    network = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([signs]).T)
        network[2].weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        network[2].bias.copy_(torch.tensor([0.0, -1.0]))
    return network


def test_the_same_function_with_its_units_in_another_order_is_behind_a_barrier_of_known_height():
    x = np.linspace(-4, 4, 200, dtype=np.float32)[:, None]
    labels = (np.abs(x[:, 0]) > 1).astype(np.int64)
    task = Task.from_arrays(x, labels, x, labels, geometry=Geometry(1, (1,)), standardise="none")
    path = connect(size_network(1.0, -1.0), size_network(-1.0, 1.0), task)
    # between the two, the units are ±(1 − 2α)x: class 1 is seen where |1 − 2α|·|x| > 1, and nowhere midway
    seen = np.abs(1 - 2 * path.positions)[:, None] * np.abs(x[:, 0]) > 1
    np.testing.assert_allclose(path.accuracy, (seen == labels).mean(axis=1))
    assert path.accuracy[0] == path.accuracy[-1] == 1
    assert path.error_barrier == pytest.approx(labels.mean())
    log_odds = np.abs(1 - 2 * path.positions)[:, None] * np.abs(x[:, 0]) - 1
    losses = np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds)).mean(axis=1)
    np.testing.assert_allclose(path.loss, losses, rtol=1e-5)
    assert path.loss_barrier == pytest.approx(losses.max() - losses[0], rel=1e-4)


def test_ends_without_batch_norm_are_the_networks_themselves_and_both_stay_as_they_are():
    a, b = trained(1), trained(2)
    before = [copy.deepcopy(network.state_dict()) for network in (a, b)]
    path = connect(a, b, TASK, num_points=3)
    for network, place in ((a, 0), (b, -1)):
        assert (path.loss[place], path.accuracy[place]) == evaluate(network, TASK, "cross_entropy")
    for network, state in zip((a, b), before, strict=True):
        assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("batch_norm", ["hidden", "input"])
def test_batch_norm_is_computed_again_as_a_slow_twin_does(batch_norm):
    network = small_network(TASK, 3, batch_norm=batch_norm, widths=(12, 6)).double()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
                module.running_mean.fill_(17.0)  # what was there is forgotten
    inputs = TASK.samples("train")[0].double()
    compute_batch_norm_again_(network, inputs)
    x = inputs.numpy()
    checked = 0
    for module in network:
        if isinstance(module, nn.BatchNorm1d):
            np.testing.assert_allclose(module.running_mean.numpy(), x.mean(0), rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(module.running_var.numpy(), x.var(0, ddof=1), rtol=1e-9)
            scale, shift = module.weight.detach().numpy(), module.bias.detach().numpy()
            x = scale * (x - x.mean(0)) / np.sqrt(x.var(0) + module.eps) + shift
            checked += 1
            assert module.momentum == 0.1
        elif isinstance(module, nn.Linear):
            x = x @ module.weight.detach().numpy().T + module.bias.detach().numpy()
        else:
            x = np.maximum(x, 0)
    assert checked == (2 if batch_norm == "hidden" else 3)


def test_every_point_of_the_line_has_its_own_batch_norm():
    a, b = trained(1, batch_norm="hidden"), trained(2, batch_norm="hidden")
    path = connect(a, b, TASK, num_points=3)
    middle = copy.deepcopy(a)
    state = {
        name: (value + b.state_dict()[name]) / 2 if value.is_floating_point() else value
        for name, value in a.state_dict().items()
    }
    middle.load_state_dict(state)
    stale = evaluate(middle, TASK, "cross_entropy")
    compute_batch_norm_again_(middle, torch.from_numpy(TASK.flat(TASK.train_inputs)))
    assert path.loss[1] == pytest.approx(evaluate(middle, TASK, "cross_entropy")[0], rel=1e-5)
    assert abs(path.loss[1] - stale[0]) > 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_any_module_can_be_an_end(name):
    build, _ = NETWORKS[name]
    path = connect(build(), build(), TASK, num_points=2)
    assert all(math.isfinite(value) for value in path.loss)


def test_dropout_stays_off_while_batch_norm_is_computed_again():
    network = nn.Sequential(nn.Dropout(0.9), nn.Linear(24, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    inputs = TASK.samples("train")[0]
    compute_batch_norm_again_(network.eval(), inputs)
    expected = network[1](inputs).mean(0)
    torch.testing.assert_close(network[2].running_mean, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"b": small_network(TASK, widths=(13,))},
            r"differ in linear_0.weight \(\(12, 24\) in a, \(13, 24\)",
        ),
        ({"b": nn.Linear(24, 2)}, "differ in linear_0.weight .*missing in b"),
        ({"b": small_network(TASK, batch_norm="hidden")}, "differ in norm_0.weight .missing in a"),
        ({"b": small_network(TASK).double()}, "differ in linear_0.weight"),
        ({"task": "plane"}, "task is .*; a sparsight.Task is needed"),
        ({"num_points": 1}, "num_points is 1; at least 2"),
        ({"batch_norm_samples": 0}, "batch_norm_samples is 0; at least 2"),
    ],
)
def test_what_does_not_lie_on_a_line_is_refused_in_one_line(change, message):
    arguments = {"a": small_network(TASK), "b": small_network(TASK), "task": TASK} | change
    with pytest.raises(InputError, match=message) as raised:
        connect(arguments.pop("a"), arguments.pop("b"), arguments.pop("task"), **arguments)
    assert "\n" not in str(raised.value)
