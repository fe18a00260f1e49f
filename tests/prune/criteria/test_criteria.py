"""Each criterion against a case that can be computed without it."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis, rankdata

from sparsight.network import layer_inputs, linear_layers
from sparsight.prune import PruningSettings, Trained, dense_masks, imp
from sparsight.prune._level import snapshot
from sparsight.prune.criteria._cavity import _ranks_at_equal_size
from sparsight.prune.criteria._registry import CRITERIA
from sparsight.train import Trainer, TrainingSettings
from tests.toy import linear_task, small_network

ALL = ("cavity", "cavity-matched", "cavity-reverse", "grasp", "movement", "snip", "synflow")


def trained_level(density=1.0, loss="cross_entropy", steps=20, learning_rate=0.1, seed=0, **network_settings):
    """A toy network with a random mask, trained for a few steps, as a criterion sees it."""
    task = linear_task()
    network = small_network(task, **network_settings)
    masks = dense_masks(network, PruningSettings(prune_output=True))
    stream = torch.Generator().manual_seed(seed)
    masks = {name: torch.rand(mask.shape, generator=stream) < density for name, mask in masks.items()}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in masks:
                parameter[~masks[name]] = 0
    initial = snapshot(network)
    settings = TrainingSettings(steps=steps, batch_size=32, learning_rate=learning_rate, loss=loss)
    Trainer(network, task, settings, masks, seed=seed).run()
    network.eval()
    return Trained(network=network, masks=masks, task=task, initial=initial, loss=loss, level=0, seed=seed)


@pytest.mark.parametrize("name", ALL)
def test_every_criterion_runs_in_the_loop_and_prunes_exactly(name):
    task = linear_task()
    training = TrainingSettings(steps=15, batch_size=32, learning_rate=0.1)
    pruning = PruningSettings(criterion=name, rate=0.3, max_levels=3, prune_output=True, prune_biases=True)
    networks = [small_network(task, batch_norm="hidden", activation="relu") for _ in range(2)]
    first, second = (list(imp(network, task, training, pruning, seed=4)) for network in networks)
    sizes = [sum(int(mask.sum()) for mask in level.masks.values()) for level in first]
    assert sizes == [326, 229, 161, 113]
    for level, following in itertools.pairwise(first):
        assert all(not (following.masks[each] & ~level.masks[each]).any() for each in level.masks)
    for level, again in zip(first, second, strict=True):
        assert all(torch.equal(level.next_masks[each], again.next_masks[each]) for each in level.masks)


def gradients_of(network):
    return [parameter.grad.clone() for parameter in network.parameters()]


@pytest.mark.parametrize("name", ALL)
def test_a_criterion_leaves_the_network_as_it_is(name):
    trained = trained_level(batch_norm="hidden")
    before, slopes = snapshot(trained.network), gradients_of(trained.network)
    CRITERIA[name](trained)
    assert not trained.network.training
    assert all(torch.equal(value, before[each]) for each, value in snapshot(trained.network).items())
    assert all(torch.equal(slope, slopes[each]) for each, slope in enumerate(gradients_of(trained.network)))


def linear_regression(trained):
    """Weights before training, inputs and one-hot targets of a network without hidden layer."""
    inputs, labels = trained.task.samples("train")
    weight, bias = (trained.initial[f"linear_0.{each}"].double().numpy() for each in ("weight", "bias"))
    return weight, bias, inputs.double().numpy(), np.eye(2)[labels.numpy()]


def slope_of_mean_squares(weight, bias, inputs, targets, temperature=1.0):
    """∂/∂W of the mean over samples and classes of ((W x + b)/T − y)²."""
    residual = (inputs @ weight.T + bias) / temperature - targets
    return 2 * residual.T @ inputs / (temperature * residual.size)


def test_snip_is_the_sensitivity_of_linear_regression():
    trained = trained_level(loss="mse", widths=())
    weight, bias, inputs, targets = linear_regression(trained)
    expected = np.abs(weight * slope_of_mean_squares(weight, bias, inputs, targets))
    np.testing.assert_allclose(CRITERIA["snip"](trained)["linear_0.weight"], expected, rtol=1e-4, atol=1e-9)


def test_snip_predicts_what_removing_a_weight_does_to_the_loss():
    """To first order, L − L without w = w ∂L/∂w: for tiny weights, where second order is gone."""
    trained = trained_level(widths=(6,), activation="tanh")
    initial = {name: 1e-3 * value for name, value in trained.initial.items()}
    trained = dataclasses.replace(trained, initial=initial)
    scores = CRITERIA["snip"](trained)["linear_1.weight"].double()
    network = small_network(trained.task, widths=(6,), activation="tanh").double()
    inputs, labels = trained.task.samples("train")

    def loss_without(position):
        network.load_state_dict(initial)
        with torch.no_grad():
            if position is not None:
                network.get_parameter("linear_1.weight")[position] = 0
            return torch.nn.functional.cross_entropy(network(inputs.double()), labels)

    whole = loss_without(None)
    for position in itertools.product(range(2), range(6)):
        change = float((whole - loss_without(position)).abs())
        assert change == pytest.approx(float(scores[position]), rel=1e-2, abs=1e-12)


def test_grasp_is_the_change_of_the_gradients_norm_in_linear_regression():
    """The loss is quadratic, so H w is the difference of two gradients, without any derivative of ours."""
    trained = trained_level(loss="mse", widths=())
    weight, bias, inputs, targets = linear_regression(trained)

    def slope(at):
        return slope_of_mean_squares(at, bias, inputs, targets, temperature=200)

    gradient = slope(weight)
    curvature_times_gradient = slope(weight + gradient) - gradient
    expected = weight * curvature_times_gradient
    found = CRITERIA["grasp"](trained)["linear_0.weight"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("batch_norm", ["none", "hidden"])
def test_synflow_counts_the_flow_through_every_weight(batch_norm):
    trained = trained_level(density=0.4, batch_norm=batch_norm)
    first, second = (trained.initial[f"linear_{depth}.weight"].double().abs() for depth in (0, 1))
    biases = trained.initial["linear_0.bias"].double().abs()
    scale = 1 / np.sqrt(1 + 1e-5) if batch_norm == "hidden" else 1.0
    scores = CRITERIA["synflow"](trained)
    torch.testing.assert_close(scores["linear_0.weight"], scale * first * second.sum(0)[:, None])
    arriving = scale * (first.sum(1) + biases)
    torch.testing.assert_close(scores["linear_1.weight"], second * arriving)
    assert not scores["linear_0.weight"][~trained.masks["linear_0.weight"]].any()


def test_movement_is_the_sum_over_steps_that_the_paper_takes():
    """With a small learning rate: −Σ η w ∂L/∂w, accumulated step by step."""
    task = linear_task()
    network = small_network(task)
    initial = snapshot(network)
    settings = TrainingSettings(steps=200, batch_size=32, learning_rate=1e-3)
    trainer = Trainer(network, task, settings, {}, seed=0)
    weight = network.get_parameter("linear_0.weight")
    total = torch.zeros_like(weight)
    before = weight.detach().clone()

    def accumulate(_trainer):
        nonlocal before, total
        total += before * (weight.detach() - before)  # = −η w ∂L/∂w for plain gradient descent
        before = weight.detach().clone()

    trainer.run(on_step=accumulate)
    masks = {"linear_0.weight": torch.ones_like(weight, dtype=torch.bool)}
    trained = Trained(
        network=network, masks=masks, task=task, initial=initial, loss="cross_entropy", level=0, seed=0
    )
    found = CRITERIA["movement"](trained)["linear_0.weight"]
    torch.testing.assert_close(found, total, rtol=0, atol=float(0.01 * total.abs().max()))


def kurtosis_lost(trained, name):
    """Δ|κ| of every kept weight of a layer by removing it."""
    layer = name.removesuffix(".weight")
    inputs, _ = trained.task.samples("train", 0, 2048)
    inputs = layer_inputs(trained.network, [layer], inputs)[layer].double().numpy()
    weight = linear_layers(trained.network)[layer].weight.detach().double().numpy()
    lost = np.zeros(weight.shape)
    for unit, pixel in np.argwhere(trained.masks[name].numpy()):
        without = weight[unit].copy()
        without[pixel] = 0
        whole, rest = (np.abs(kurtosis(inputs @ row)) for row in (weight[unit], without))
        lost[unit, pixel] = whole - rest
    return lost


@pytest.mark.parametrize("layer", ["linear_0.weight", "linear_1.weight"])
def test_cavity_is_what_removing_the_weight_does(layer):
    trained = trained_level(density=0.3)
    kept = trained.masks[layer].numpy()
    expected = kurtosis_lost(trained, layer)[kept]
    scores, reverse = (CRITERIA[name](trained)[layer].numpy()[kept] for name in ("cavity", "cavity-reverse"))
    defined = np.isfinite(expected) & np.isfinite(scores)
    assert defined.sum() > 0.9 * kept.sum() - 1
    np.testing.assert_allclose(scores[defined], expected[defined], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(reverse[defined], -scores[defined])


def test_a_weight_that_carries_its_unit_alone_goes_last():
    trained = trained_level()
    weight = trained.network.get_parameter("linear_0.weight")
    trained.masks["linear_0.weight"][3] = False
    trained.masks["linear_0.weight"][3, 5] = True
    with torch.no_grad():
        weight[3] *= trained.masks["linear_0.weight"][3]
    for name in ("cavity", "cavity-reverse"):
        assert CRITERIA[name](trained)["linear_0.weight"][3, 5] == torch.inf


def test_matched_ranks_compete_within_strata_of_ten_weights_of_similar_size():
    stream = np.random.default_rng(0)
    effect, size = stream.normal(size=(2, 5, 64))
    size, mask = np.abs(size), stream.random((5, 64)) < 0.6
    found = _ranks_at_equal_size(effect, size, mask)
    for unit in range(5):
        members = np.flatnonzero(mask[unit])
        in_order = members[np.argsort(size[unit, members])]
        for start in range(0, len(in_order), 10):
            stratum = in_order[start : start + 10]
            expected = (rankdata(effect[unit, stratum]) - 1) / len(stratum)
            np.testing.assert_allclose(found[unit, stratum], expected)
    assert not found[~mask].any()


def test_matched_pruning_does_not_select_by_size():
    trained = trained_level(widths=(40,), steps=60)
    name = "linear_0.weight"
    size = trained.parameters()[name].abs()
    ratios = {}
    for criterion in ("magnitude", "cavity", "cavity-matched"):
        scores = CRITERIA[criterion](trained)[name]
        kept = scores >= scores.flatten().kthvalue(int(0.5 * scores.numel())).values
        ratios[criterion] = float(size[kept].mean() / size[~kept].mean())
    assert abs(ratios["cavity-matched"] - 1) < 0.1 < abs(ratios["magnitude"] - 1)
