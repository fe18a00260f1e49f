"""Each criterion on kernels, against loops over positions and losses with one weight changed."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis
from torch import nn
from torch.func import functional_call

from sparsight.prune import PruningSettings, Trained, imp
from sparsight.prune._level import snapshot
from sparsight.prune.criteria._combinators import STRATUM
from sparsight.prune.criteria._registry import CRITERIA
from sparsight.train import TrainingSettings, batch_loss
from tests.convolutional import LAYERS, convolutional, masked, pictures

TASK = pictures()
SHIPPED = sorted(name for name in CRITERIA if CRITERIA.is_shipped(name))


def trained_level(density=0.7, seed=0):
    network = convolutional(seed).eval()
    network.register_forward_pre_hook(lambda _module, given: (given[0].reshape(-1, 2, 6, 5),))
    masks = masked(network, density)
    return Trained(
        network=network, masks=masks, task=TASK, initial=snapshot(network), loss="cross_entropy", level=0,
        seed=seed,
    )  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_every_criterion_prunes_kernels_to_the_weight(name):
    training = TrainingSettings(steps=4, batch_size=32, learning_rate=0.1)
    pruning = PruningSettings(criterion=name, rate=0.5, max_levels=2, scope="layer")
    levels = list(imp(convolutional(), TASK, training, pruning, layers=LAYERS, seed=2))
    assert [sum(int(mask.sum()) for mask in level.masks.values()) for level in levels] == [264, 132, 66]
    for before, after in itertools.pairwise(levels):
        assert all(not (after.masks[each] & ~before.masks[each]).any() for each in after.masks)


def loss_before_training(trained, state, temperature=1.0):
    """In training mode, as a level begins: BatchNorm normalises with the batch."""
    inputs, labels = trained.task.samples("train")
    network = convolutional().double().train()
    network.register_forward_pre_hook(lambda _module, given: (given[0].reshape(-1, 2, 6, 5),))
    outputs = functional_call(
        network, {name: each.clone() for name, each in state.items()}, (inputs.double(),)
    )
    return batch_loss(outputs / temperature, labels, trained.loss)


def double(state):
    return {name: each.double() if each.is_floating_point() else each for name, each in state.items()}


def slope(trained, state, name, index, temperature=1.0, step=1e-7):
    """∂ loss / ∂ weight, by moving the weight both ways."""
    losses = []
    for way in (step, -step):
        moved = {each: value.clone() for each, value in state.items()}
        moved[name][index] += way
        losses.append(loss_before_training(trained, moved, temperature))
    return float(losses[0] - losses[1]) / (2 * step)


PLACES = [("0.weight", (1, 0, 2, 1)), ("3.weight", (4, 2, 1, 0)), ("6.weight", (3, 1, 0, 1))]


@pytest.mark.parametrize(("name", "index"), PLACES)
def test_snip_is_the_weight_times_the_slope_of_the_loss(name, index):
    trained = trained_level(density=1.0)
    state = double(trained.initial)
    expected = abs(float(state[name][index]) * slope(trained, state, name, index))
    assert float(CRITERIA["snip"](trained)[name][index]) == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_grasp_is_the_weight_times_the_change_of_the_gradient_along_itself():
    trained = trained_level(density=1.0)
    state = double(trained.initial)

    def gradients(at):
        free = {name: at[name].clone().requires_grad_() for name in trained.masks}
        loss = loss_before_training(trained, at | free, temperature=200.0)
        return dict(zip(free, torch.autograd.grad(loss, list(free.values())), strict=True))

    here, step = gradients(state), 1e-2
    ahead = {way: gradients(state | {name: state[name] + way * step * each for name, each in here.items()})
             for way in (1, -1)}  # fmt: skip
    for name, found in CRITERIA["grasp"](trained).items():
        expected = state[name] * (ahead[1][name] - ahead[-1][name]) / (2 * step)
        torch.testing.assert_close(
            found.double(), expected, rtol=1e-2, atol=float(1e-3 * expected.abs().max())
        )


def test_synflow_of_a_kernel_is_what_the_outputs_of_ones_lose_without_the_weight():
    """R is linear in every |w|, so that |w| ∂R/∂|w| is R minus R without the weight."""
    trained = trained_level()
    network = convolutional().double().eval()

    def flow(state):
        network.load_state_dict({name: each.abs() for name, each in state.items()})
        network[1].running_mean.zero_()
        network[1].running_var.fill_(1)
        with torch.no_grad():
            return float(network(torch.ones(1, 2, 6, 5, dtype=torch.float64)).sum())

    state = double(trained.initial)
    scores = CRITERIA["synflow"](trained)
    for name, index in PLACES:
        without = {each: value.clone() for each, value in state.items()}
        without[name][index] = 0
        assert float(scores[name][index]) == pytest.approx(flow(state) - flow(without), rel=1e-9, abs=1e-9)
    assert min(float(score.min()) for score in scores.values()) >= 0


def preactivations_by_loops(layer, received):
    """Outputs without bias, position by position: (n · positions, units); and the patch of each unit."""
    n, _, height, width = received.shape
    (k, m), (s, t), (d, e), (p, q) = layer.kernel_size, layer.stride, layer.dilation, layer.padding
    padded = np.pad(received.double().numpy(), ((0, 0), (0, 0), (p, p), (q, q)))
    read = layer.weight.shape[1]
    rows = []
    for sample in range(n):
        for top in range(0, height + 2 * p - d * (k - 1), s):
            for left in range(0, width + 2 * q - e * (m - 1), t):
                patch = padded[sample, :, top : top + d * (k - 1) + 1 : d, left : left + e * (m - 1) + 1 : e]
                rows.append(patch)
    stacked = np.stack(rows)
    per_group = len(layer.weight) // layer.groups
    return [stacked[:, unit // per_group * read : (unit // per_group + 1) * read] for unit in
            range(len(layer.weight))]  # fmt: skip


def abs_kurtosis(samples, _labels):
    return np.abs(kurtosis(samples))


def within_classes(samples, labels):
    return np.mean([np.abs(kurtosis(samples[labels == label])) for label in range(2)])


def difference_of_variances(samples, labels):
    first, second = (samples[labels == label].var() for label in range(2))
    return ((first - second) / (first + second)) ** 2


STATISTICS = {
    "cavity": abs_kurtosis,
    "cavity-within-class": within_classes,
    "class-variance": difference_of_variances,
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", STATISTICS)
def test_a_score_is_what_removing_the_weight_does_at_all_positions(layer, name):
    trained = trained_level()
    caught = []
    module = trained.network.get_submodule(layer)
    handle = module.register_forward_hook(lambda _module, given, _outputs: caught.append(given[0]))
    inputs, labels = trained.task.samples("train")
    with torch.no_grad():
        trained.network(inputs)
    handle.remove()
    patches = preactivations_by_loops(module, caught[0])
    labels = labels.numpy().repeat(len(patches[0]) // len(labels))
    weight, mask = module.weight.detach().double().numpy(), trained.masks[f"{layer}.weight"]
    scores = CRITERIA[name](trained)[f"{layer}.weight"]
    assert scores.shape == weight.shape
    for index in map(tuple, mask.nonzero()[::3].tolist()):
        kernel = weight[index[0]].copy()
        whole = STATISTICS[name](np.tensordot(patches[index[0]], kernel, 3), labels)
        kernel[index[1:]] = 0
        rest = STATISTICS[name](np.tensordot(patches[index[0]], kernel, 3), labels)
        assert float(scores[index]) == pytest.approx(whole - rest, rel=2e-3, abs=2e-4)


def test_matched_kernels_compete_within_their_unit():
    """Every stratum of |w| of a unit has all ranks once, however large the unit's weights."""
    network = nn.Sequential(nn.Conv2d(2, 4, (4, 5)), nn.Flatten(), nn.Linear(12, 2))
    with torch.no_grad():
        network[0].weight[1].mul_(100.0)
    network.register_forward_pre_hook(lambda _module, given: (given[0].reshape(-1, 2, 6, 5),))
    masks = {"0.weight": torch.ones(4, 2, 4, 5, dtype=torch.bool)}
    trained = dataclasses.replace(
        trained_level(), network=network.eval(), masks=masks, initial=snapshot(network)
    )
    for name in ("cavity-matched", "random-matched"):
        scores = CRITERIA[name](trained)["0.weight"].flatten(1)
        size = network[0].weight.detach().abs().flatten(1)
        for unit in range(4):
            for stratum in size[unit].argsort().split(STRATUM):
                ranks = (scores[unit, stratum] * STRATUM).floor() / STRATUM
                torch.testing.assert_close(
                    ranks.sort().values, torch.arange(STRATUM, dtype=torch.float64) / STRATUM
                )
