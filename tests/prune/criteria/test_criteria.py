"""Each criterion against a case that can be computed without it."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis, rankdata

from sparsight.errors import InputError
from sparsight.network import layer_inputs, linear_layers
from sparsight.prune import PruningSettings, Trained, dense_masks, imp
from sparsight.prune._level import snapshot
from sparsight.prune.criteria._combinators import ranks_at_equal_size
from sparsight.prune.criteria._registry import CRITERIA
from sparsight.train import Trainer, TrainingSettings
from tests.toy import linear_task, small_network

REVERSED = {
    f"{name}-reverse": name
    for name in (
        "cavity",
        "cavity-matched",
        "cavity-within-class",
        "cavity-within-class-matched",
        "magnitude",
    )
}
MATCHED = {
    f"{name}-matched": name for name in ("cavity", "cavity-within-class", "class-variance", "random")
} | {f"{name}-matched-reverse": f"{name}-reverse" for name in ("cavity", "cavity-within-class")}
ALL = (
    "class-variance",
    "correlation",
    "grasp",
    "movement",
    "snip",
    "synflow",
    *REVERSED,
    *REVERSED.values(),
    *MATCHED,
)


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


def abs_kurtosis(samples, _labels):
    return np.abs(kurtosis(samples))


def abs_kurtosis_within_classes(samples, labels):
    return np.mean([np.abs(kurtosis(samples[labels == label])) for label in range(2)])


def difference_of_variances(samples, labels):
    first, second = (samples[labels == label].var() for label in range(2))
    return ((first - second) / (first + second)) ** 2


def lost(trained, name, statistic):
    """What a statistic of its unit loses with every kept weight of a layer."""
    layer = name.removesuffix(".weight")
    inputs, labels = trained.task.samples("train", 0, 2048)
    inputs = layer_inputs(trained.network, [layer], inputs)[layer].double().numpy()
    weight = linear_layers(trained.network)[layer].weight.detach().double().numpy()
    losses = np.zeros(weight.shape)
    for unit, pixel in np.argwhere(trained.masks[name].numpy()):
        without = weight[unit].copy()
        without[pixel] = 0
        whole, rest = (statistic(inputs @ row, labels.numpy()) for row in (weight[unit], without))
        losses[unit, pixel] = whole - rest
    return losses


STATISTICS = {
    "cavity": abs_kurtosis,
    "cavity-within-class": abs_kurtosis_within_classes,
    "class-variance": difference_of_variances,
}


@pytest.mark.parametrize("layer", ["linear_0.weight", "linear_1.weight"])
@pytest.mark.parametrize("name", STATISTICS)
def test_a_score_is_what_removing_the_weight_does(layer, name):
    trained = trained_level(density=0.3)
    kept = trained.masks[layer].numpy()
    expected = lost(trained, layer, STATISTICS[name])[kept]
    scores = CRITERIA[name](trained)[layer].numpy()[kept]
    defined = np.isfinite(expected) & np.isfinite(scores)
    assert defined.sum() > 0.9 * kept.sum() - 1
    np.testing.assert_allclose(scores[defined], expected[defined], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layer", ["linear_0.weight", "linear_1.weight"])
def test_correlation_is_that_of_an_input_with_the_labels(layer):
    trained = trained_level(density=0.5)
    inputs, labels = trained.task.representative("train", 2048, trained.seed)
    inputs = layer_inputs(trained.network, ["linear_0", "linear_1"], inputs)[layer.removesuffix(".weight")]
    scores = CRITERIA["correlation"](trained)[layer].numpy()
    assert (scores == scores[0]).all()
    for pixel, score in enumerate(scores[0]):
        if inputs[:, pixel].std() == 0:
            assert score == 0
        elif trained.task.num_classes == 2:
            expected = np.corrcoef(inputs[:, pixel].numpy(), labels.numpy())[0, 1]
            assert score == pytest.approx(abs(expected), rel=1e-5)
        else:  # the share of variance explained by a regression on the classes
            members = np.eye(trained.task.num_classes)[labels.numpy()]
            values = inputs[:, pixel].double().numpy()
            rest = values - members @ np.linalg.lstsq(members, values, rcond=None)[0]
            assert score**2 == pytest.approx(1 - rest.var() / values.var(), rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("name", ["cavity-reverse", "cavity-within-class-reverse", "magnitude-reverse"])
def test_the_reverse_is_the_negative_except_for_what_is_undefined(name):
    trained = trained_level(density=0.3)
    for layer, mask in trained.masks.items():
        plain, reverse = (CRITERIA[each](trained)[layer][mask] for each in (REVERSED[name], name))
        defined = plain.isfinite()
        assert defined.any()
        assert torch.equal(reverse[defined], -plain[defined])
        assert bool((reverse[~defined] == torch.inf).all())


@pytest.mark.parametrize("name", MATCHED)
def test_a_matched_criterion_ranks_in_every_stratum_as_the_criterion_does(name):
    trained = trained_level(density=0.8, widths=(6,))
    layer = "linear_0.weight"
    mask, size = trained.masks[layer].numpy(), trained.parameters()[layer].abs().numpy()
    found = CRITERIA[name](trained)[layer].numpy()
    plain = CRITERIA[MATCHED[name]](trained)[layer].numpy()
    for unit in range(6):
        members = np.flatnonzero(mask[unit])
        in_order = members[np.argsort(size[unit, members])]
        for start in range(0, len(in_order), 10):
            stratum = in_order[start : start + 10]
            ranks = rankdata(plain[unit, stratum]) - 1
            noise = found[unit, stratum] - ranks / len(stratum)  # breaks ties between strata, never within
            assert ((noise >= 0) & (noise < 0.1)).all()


def test_a_weight_that_carries_its_unit_alone_goes_last():
    trained = trained_level()
    weight = trained.network.get_parameter("linear_0.weight")
    trained.masks["linear_0.weight"][3] = False
    trained.masks["linear_0.weight"][3, 5] = True
    with torch.no_grad():
        weight[3] *= trained.masks["linear_0.weight"][3]
    for name in ("cavity", "cavity-within-class", "class-variance"):
        assert CRITERIA[name](trained)["linear_0.weight"][3, 5] == torch.inf
    for name in ("cavity-reverse", "cavity-within-class-reverse"):
        assert CRITERIA[name](trained)["linear_0.weight"][3, 5] == torch.inf


def test_matched_ranks_compete_within_strata_of_ten_weights_of_similar_size():
    stream = np.random.default_rng(0)
    effect, size = stream.normal(size=(2, 5, 64))
    size, mask = np.abs(size), stream.random((5, 64)) < 0.6
    found = ranks_at_equal_size(effect, size, mask)
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
    for criterion in ("magnitude", "magnitude-reverse", *MATCHED):
        scores = CRITERIA[criterion](trained)[name]
        kept = scores >= scores.flatten().kthvalue(int(0.5 * scores.numel())).values
        ratios[criterion] = float(size[kept].mean() / size[~kept].mean())
    assert all(abs(ratios[criterion] - 1) < 0.1 for criterion in MATCHED), ratios
    assert ratios["magnitude"] > 1.1
    assert ratios["magnitude-reverse"] < 1 / 1.1


def gaussian_classes(num_separating=6):
    """Two Gaussian classes that differ only in the variance of the first inputs, as a criterion sees them."""
    stream = np.random.default_rng(3)
    task = linear_task(num_train=4000)
    task.train_labels[:] = np.arange(4000) % 2
    task.train_inputs[:, 0, :num_separating] *= np.where(task.train_labels == 0, 0.3, 3.0)[:, None]
    network = small_network(task, widths=(40,))
    weight = network.get_parameter("linear_0.weight")
    # (Almost) equal sizes: nothing to select but the effect, and strata that are random.
    sizes = stream.choice([-1, 1], size=weight.shape) * stream.uniform(1, 1.001, size=weight.shape)
    with torch.no_grad():
        weight.copy_(torch.from_numpy(sizes))
    return Trained(
        network=network.eval(),
        masks=dense_masks(network, PruningSettings()),
        task=task,
        initial=snapshot(network),
        loss="cross_entropy",
        level=0,
        seed=0,
    )


def share_on_the_separating(trained, name, num_separating=6):
    """Share of the weights kept by a criterion, a quarter of all, that lie on the first quarter of inputs."""
    scores = CRITERIA[name](trained)["linear_0.weight"]
    order = scores.flatten().argsort(stable=True)[-scores.numel() // 4 :]
    return float((order % scores.shape[1] < num_separating).double().mean())


def test_only_scores_free_of_the_mixture_are_blind_to_gaussian_classes_of_different_variance():
    """The planted case: every class is Gaussian, and κ of both together is class separation alone."""
    trained = gaussian_classes()
    shares = {
        name: share_on_the_separating(trained, name)
        for name in ("cavity", "cavity-matched", "class-variance", "class-variance-matched",
                     "cavity-within-class", "cavity-within-class-matched", "random-matched")
    }  # fmt: skip
    for name in ("cavity", "cavity-matched", "class-variance", "class-variance-matched"):
        assert shares[name] > 0.7, shares
    for name in ("cavity-within-class", "cavity-within-class-matched", "random-matched"):
        assert shares[name] < 0.4, shares
    assert share_on_the_separating(trained, "cavity-reverse") < 0.05


def test_kurtosis_within_classes_needs_a_class_of_some_samples():
    task = linear_task(num_train=30)
    pruning = PruningSettings(criterion="cavity-within-class", max_levels=1)
    with pytest.raises(InputError, match="the largest class has 1[0-9] samples"):
        list(imp(small_network(task), task, TrainingSettings(steps=1, batch_size=8), pruning))
