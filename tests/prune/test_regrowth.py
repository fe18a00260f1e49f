"""Dynamic sparse training: masks that change within a level, at equal numbers of connections."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings as examples, strategies as st
from torch.nn import functional

from sparsight.data import Task
from sparsight.errors import DivergenceError, InputError
from sparsight.geometry import Geometry
from sparsight.prune import PruningSettings, Regrowth, Replicate, imp, imp_together, regrown, trained_again
from sparsight.store import read_checkpoint, write_checkpoint
from sparsight.train import Trainer, TrainingSettings
from tests.toy import NETWORKS, in_precision, linear_task, small_network

TASK = linear_task()
OPTIMIZERS = {
    "sgd": {"momentum": 0.9, "weight_decay": 1e-3},
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
}


def training(**settings):
    chosen = {"steps": 40, "batch_size": 32, "learning_rate": 0.1, "evaluations": 2, **settings}
    return TrainingSettings(**chosen)


def pruning(regrowth="gradient", **settings):
    """Random masks at 30 % of each layer's weights after a dense level, changed at steps 5, 10, … and 25."""
    about = {} if regrowth == "none" else {"regrowth": regrowth, "update_every": 5}
    chosen = {"criterion": "random", "schedule": "one_shot", "distribution": "uniform", "min_density": 0.3}
    return PruningSettings(**{**chosen, "prune_output": True, **about, **settings})


def levels_of(regrowth="gradient", *, network=None, task=TASK, optimizer="sgd", seed=3, run=None, **about):
    network = network or small_network(task, batch_norm="hidden", widths=(12, 9))
    chosen = training(**OPTIMIZERS[optimizer], kernel=about.pop("kernel", "dense"))
    return list(imp(network, task, chosen, pruning(regrowth, **about), seed=seed, **(run or {})))


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.curve == other.curve
        for name in ("final", "masks", "next_masks", "initial_masks"):
            assert_same(getattr(mine, name) or {}, getattr(other, name) or {})


def assert_same(some, others):
    assert some.keys() == others.keys()
    for name, value in others.items():
        assert torch.equal(some[name], value), name


def differ(some, others):
    return any(not torch.equal(some[name], others[name]) for name in some)


def counts(masks):
    return {name: int(mask.sum()) for name, mask in masks.items()}


# The change of one mask


def by_sorting(weight, mask, preference, number):
    """The slow twin: lists, sorted."""
    weight = weight.detach()
    kept = sorted((abs(float(weight[i])), i) for i in range(len(mask)) if mask[i])
    stays = {i for _, i in kept[number:]}
    absent = sorted((float(preference[i]), i) for i in range(len(mask)) if i not in stays)
    return stays | {i for _, i in absent[len(absent) - number :]}


@examples(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 12), st.floats(0, 1))
def test_as_many_connections_grow_as_are_dropped_and_the_right_ones(data, size, fraction):
    few = st.lists(st.integers(-3, 3), min_size=size, max_size=size)  # with ties
    weight, preference = (torch.tensor(data.draw(few), dtype=torch.float32) for _ in range(2))
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    number = int(fraction * int(mask.sum()))
    found = regrown(weight, mask, preference, number)
    assert int(found.sum()) == int(mask.sum())
    assert set(found.nonzero().flatten().tolist()) == by_sorting(weight, mask, preference, number)


def test_updates_come_when_and_as_many_as_defined():
    trainer = Trainer(small_network(TASK), TASK, training(steps=104), {}, 0, first_step=4)

    def is_due(taken):
        trainer.step = 4 + taken
        return rule.is_due(trainer)

    rule = Regrowth(pruning=pruning(update_every=7, update_fraction=0.4, update_until=0.35), level=1, seed=0)
    assert [taken for taken in range(101) if is_due(taken)] == [7, 14, 21, 28]
    assert rule.fraction(7, 100) == pytest.approx(0.2 * (1 + math.cos(math.pi * 7 / 35)))


# A level, against a twin that knows nothing of the library's trainer


def twin_of_a_level(initial, masks, seed, *, fraction, every, end, steps):
    """RigL by hand: SGD with momentum on masked float64 weights, the mask inside the forward pass."""
    weights = {name: value.clone().requires_grad_() for name, value in initial.items()}
    masks = {name: mask.clone() for name, mask in masks.items()}
    velocity = {name: torch.zeros_like(value) for name, value in weights.items()}
    history = []

    def loss_at(step, values):
        inputs, labels = TASK.batch(seed, step, 32)
        hidden = torch.relu(functional.linear(inputs.double(), values["0.weight"], values["0.bias"]))
        return functional.cross_entropy(
            functional.linear(hidden, values["2.weight"], values["2.bias"]), labels
        )

    for step in range(steps):
        if 0 < step < end and step % every == 0:
            present = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
            found = torch.autograd.grad(loss_at(step, present), list(present.values()))
            gradients = dict(zip(present, found, strict=True))
            for name, mask in masks.items():
                number = int(fraction / 2 * (1 + math.cos(math.pi * step / end)) * int(mask.sum()))
                shape = mask.shape
                kept = by_sorting(
                    present[name].flatten(), mask.flatten(), gradients[name].abs().flatten(), number
                )
                new = torch.zeros(mask.numel(), dtype=torch.bool)
                new[sorted(kept)] = True
                masks[name] = new.view(shape)
                with torch.no_grad():
                    weights[name][~masks[name]] = 0
                    velocity[name][~masks[name]] = 0
            history.append({name: mask.clone() for name, mask in masks.items()})
        values = {n: value * masks[n] if n in masks else value for n, value in weights.items()}
        gradients = torch.autograd.grad(loss_at(step, values), list(weights.values()))
        with torch.no_grad():
            for (name, value), gradient in zip(weights.items(), gradients, strict=True):
                velocity[name].mul_(0.9).add_(gradient + 1e-3 * value)
                value.sub_(0.1 * velocity[name])
    return weights, masks, history


@pytest.mark.parametrize("kernel", ["dense", "csr"])
def test_a_level_is_that_of_the_algorithm_written_out(kernel):
    task = in_precision(TASK, torch.float64)
    network = torch.nn.Sequential(torch.nn.Linear(24, 12), torch.nn.ReLU(), torch.nn.Linear(12, 2)).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    dense, level = levels_of(network=network, task=task, kernel=kernel, update_fraction=0.5)
    assert level.kernels == {"0": kernel, "2": kernel}
    assert dense.initial_masks is None  # nothing can grow there
    weights, masks, history = twin_of_a_level(
        level.initial, level.initial_masks, 3, fraction=0.5, every=5, end=30, steps=40
    )
    assert len(history) == 5
    assert differ(level.initial_masks, level.masks)
    assert_same(level.masks, masks)
    for name, value in weights.items():
        torch.testing.assert_close(level.final[name], value.detach(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("regrowth", ["random", "gradient"])
def test_layers_on_kept_weights_have_the_masks_of_dense_ones(regrowth, optimizer):
    task = in_precision(TASK, torch.float64)
    ends = {}
    for kernel in ("dense", "csr"):
        network = small_network(TASK, widths=(12, 9)).double()  # BatchNorm would amplify rounding
        ends[kernel] = levels_of(regrowth, network=network, task=task, optimizer=optimizer, kernel=kernel)[1]
    assert set(ends["csr"].kernels.values()) == {"csr"}
    assert differ(ends["csr"].initial_masks, ends["csr"].masks)
    assert_same(ends["csr"].masks, ends["dense"].masks)
    torch.testing.assert_close(ends["csr"].final, ends["dense"].final, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kernel", ["dense", "csr"])
@pytest.mark.parametrize("regrowth", ["random", "gradient"])
def test_every_layer_keeps_its_number_of_connections_and_zeros_outside_them(regrowth, kernel):
    seen = []

    def look(progress):
        if progress.level == 1:
            masks = progress.trainer.masks
            seen.append((progress.trainer.num_taken, masks, counts(masks)))
            network = progress.trainer.network
            for name, mask in masks.items():
                assert not network.get_parameter(name)[~mask].any()

    level = levels_of(regrowth, kernel=kernel, run={"on_step": look})[1]
    assert [each for _, _, each in seen] == [counts(level.initial_masks)] * 40
    changed = [taken for (taken, new, _), (_, old, _) in zip(seen[1:], seen, strict=False) if new is not old]
    assert changed == [6, 11, 16, 21, 26]  # the masks of step 6 are those chosen after 5 steps
    assert_same(level.masks, seen[-1][1])
    for name, mask in level.masks.items():
        assert (level.next_masks[name] <= mask).all()
        assert not level.final[name][~mask].any()
        assert not level.initial[name][~level.initial_masks[name]].any()


# Controls


@pytest.mark.parametrize("kernel", ["dense", "csr"])
@pytest.mark.parametrize("regrowth", ["random", "gradient"])
def test_a_fraction_of_0_is_static_training_bit_for_bit(regrowth, kernel):
    assert_equal(levels_of(regrowth, kernel=kernel, update_fraction=0.0), levels_of("none", kernel=kernel))


def test_looking_at_dense_gradients_leaves_no_trace():
    """Neither running statistics of BatchNorm nor dropout nor the optimizer notice that anybody looked."""
    ends = []
    for looks in (False, True):
        network = torch.nn.Sequential(
            torch.nn.Linear(24, 12), torch.nn.BatchNorm1d(12), torch.nn.Dropout(0.5), torch.nn.Linear(12, 2)
        )
        for index, parameter in enumerate(network.parameters()):
            parameter.data = torch.sin(torch.arange(parameter.numel()) + index).view(parameter.shape)
        trainer = Trainer(network, TASK, training(momentum=0.9), {}, 0)
        trainer.run(on_step=(lambda each: each.dense_gradients(["0.weight"])) if looks else None)
        ends.append(network.state_dict())
    assert_same(ends[0], ends[1])


def test_static_and_dynamic_conditions_begin_with_the_same_masks_and_batches():
    static, rigl, random = (levels_of(regrowth)[1] for regrowth in ("none", "gradient", "random"))
    assert static.initial_masks is None
    assert_same(rigl.initial_masks, static.masks)
    assert_same(random.initial_masks, static.masks)
    assert_same(rigl.initial, static.initial)


@pytest.mark.parametrize("regrowth", ["random", "gradient"])
def test_a_run_is_a_function_of_its_seed(regrowth):
    one, again, other = (levels_of(regrowth, seed=seed) for seed in (3, 3, 4))
    assert_equal(one, again)
    assert differ(one[1].masks, other[1].masks)


def test_levels_and_steps_draw_differently():
    """Two changes with one stream would grow the same places again."""
    trainer = Trainer(small_network(TASK), TASK, training(), {"linear_0.weight": torch.eye(12, 24).bool()}, 0)
    drawn = []
    for level, steps in ((1, 5), (1, 10), (2, 10)):
        trainer.run(steps)
        rule = Regrowth(pruning=pruning("random"), level=level, seed=0)
        drawn.append(rule._preferences(trainer, ["linear_0.weight"])["linear_0.weight"])
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])


def planted_task(seed, num_inputs=60, num_read=4):
    stream = np.random.default_rng(seed)
    inputs = stream.normal(size=(1200, 1, num_inputs)).astype(np.float32)
    read = stream.choice(num_inputs, num_read, replace=False)
    labels = (inputs[:, 0, read].sum(axis=1) > 0).astype(np.int64)
    return read, Task(
        name="planted",
        geometry=Geometry(1, (num_inputs,)),
        num_classes=2,
        train_inputs=inputs[:1000],
        train_labels=labels[:1000],
        test_inputs=inputs[1000:],
        test_labels=labels[1000:],
    )


def test_gradients_find_planted_inputs_beyond_chance_and_beyond_random_growth():
    chosen, found = training(steps=300, momentum=0.9, learning_rate=0.05), {}
    for seed in range(3):
        read, task = planted_task(seed)
        for regrowth in ("none", "random", "gradient"):
            about = {} if regrowth == "none" else {"update_every": 10}
            settings = pruning(regrowth, min_density=0.05, prune_output=False, **about)
            level = list(imp(small_network(task, seed, widths=(16,)), task, chosen, settings, seed=seed))[1]
            mask = level.masks["linear_0.weight"]
            found.setdefault(regrowth, []).append(
                (float(mask[:, read].sum() / mask.sum()), level.curve.test_accuracy[-1])
            )
    static, at_random, by_gradient = (np.array(values) for values in found.values())
    assert static[:, 0].mean() == pytest.approx(4 / 60, abs=0.05)
    assert (by_gradient[:, 0] > 3 * 4 / 60).all()
    assert (by_gradient > at_random).all()  # in the share of planted inputs, and in accuracy
    assert (by_gradient > static).all()


# Resuming


class PlugPulledError(Exception):
    """Somebody pulled the plug."""


@pytest.mark.parametrize("kernel", ["dense", "csr"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("regrowth", ["random", "gradient"])
def test_a_run_stopped_between_any_two_steps_ends_bit_for_bit(tmp_path, regrowth, optimizer, kernel):
    about = {"kernel": kernel, "optimizer": optimizer, "schedule": "iterative", "max_levels": 2, "rate": 0.4}
    whole = levels_of(regrowth, **about)
    assert all(differ(level.initial_masks, level.masks) for level in whole[1:])
    for moment in ((1, 3), (1, 5), (1, 6), (2, 10), (2, 38)):

        def stop(progress, moment=moment):
            if (progress.level, progress.trainer.step) == moment:
                write_checkpoint(tmp_path, progress)
                raise PlugPulledError

        levels = []
        chosen = training(**OPTIMIZERS[optimizer], kernel=kernel)
        settings = pruning(regrowth, **{key: about[key] for key in ("schedule", "max_levels", "rate")})
        network = small_network(TASK, batch_norm="hidden", widths=(12, 9))
        source = imp(network, TASK, chosen, settings, seed=3, on_step=stop)
        with pytest.raises(PlugPulledError):
            levels.extend(level for level in source)
        resumed = {"start": levels[-1], "checkpoint": read_checkpoint(tmp_path)}
        levels += levels_of(regrowth, run=resumed, **about)
        assert_equal(levels, whole)


def test_a_copy_of_a_level_regrows_and_with_the_seed_of_the_level_repeats_it():
    level = copy.copy(levels_of("gradient")[1])
    chosen = training(**OPTIMIZERS["sgd"], kernel="dense")
    again = trained_again(level, TASK, chosen, pruning(), seed=3)
    assert_same(again.state_dict(), level.final)
    other = trained_again(level, TASK, chosen, pruning(), seed=4)
    masks = {name: other.get_parameter(name) != 0 for name in level.masks}
    assert counts(masks) == counts(level.masks)
    assert differ(masks, level.masks)


# Other networks


@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks_regrow_and_keep_counts(name):
    make, layers = NETWORKS[name]
    torch.manual_seed(0)
    layers = ["1", "4"] if name == "convolution" else ["block.self_attn.in_proj", *layers]
    chosen = pruning(prune_output=False)
    level = list(imp(make(), TASK, training(steps=20), chosen, layers=layers))[1]
    assert counts(level.masks) == counts(level.initial_masks)
    for key, mask in level.masks.items():
        assert not torch.equal(mask, level.initial_masks[key]), key


def test_frozen_weights_and_biases_keep_their_masks():
    network = small_network(TASK, widths=(12, 9))
    network.linear_0.weight.requires_grad_(False)
    level = levels_of(network=network, prune_biases=True)[1]
    same = {name: torch.equal(mask, level.initial_masks[name]) for name, mask in level.masks.items()}
    assert same == {
        "linear_0.weight": True,
        "linear_0.bias": True,
        "linear_1.weight": False,
        "linear_1.bias": True,
        "linear_2.weight": False,
        "linear_2.bias": True,
    }


# What cannot be done


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"regrowth": "none", "update_every": 5}, "update_every has no effect without regrowth"),
        ({"regrowth": "gradient", "min_inputs_per_unit": 2}, "min_inputs_per_unit is 2, but regrowth"),
        (
            {"regrowth": "gradient", "granularity": "unit", "distribution": "erk"},
            "granularity is 'unit', but",
        ),
        ({"regrowth": "random", "max_levels": 0}, "max_levels is 0: the dense level has no connection"),
        ({"regrowth": "random", "masks_from": "imp"}, "regrowth has no effect beside masks_from = 'imp'"),
        ({"regrowth": "random", "update_fraction": 1.1}, "less than or equal to 1"),
        ({"regrowth": "random", "update_until": 0}, "greater than 0"),
        ({"regrowth": "rigl"}, "'none', 'random' or 'gradient'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PruningSettings(**settings)


def test_what_cannot_regrow_is_refused_before_the_first_step():
    steps = []
    arguments = (small_network(TASK), TASK)
    for chosen, settings, more, message in (
        (training(steps=6), pruning(), {}, "update_every is 5, but masks stay from step 4 of a level on"),
        (training(steps=0), pruning(), {}, "masks stay from step 0"),
        (training(), pruning(rewind="step:34"), {}, "of its 6 steps"),
        (training(), pruning(), {"at_steps": (0, 3)}, r"measure.at_steps is \[0, 3\], but pruning.regrowth"),
        (training(), pruning(), {"masks": [{}]}, "given masks are trained as they are"),
    ):
        with pytest.raises(InputError, match=message):
            next(imp(*arguments, chosen, settings, on_step=steps.append, **more))
    replicates = [Replicate(network=arguments[0], task=TASK, seed=seed) for seed in range(2)]
    with pytest.raises(InputError, match="networks trained together keep their masks within a level"):
        next(imp_together(replicates, training(), pruning(), on_step=steps.append))
    assert steps == []


def test_equal_compute_counts_updates_in_its_own_steps():
    about = {"schedule": "one_shot_equal_compute", "rate": 0.5}
    level = levels_of(**about)[1]
    assert level.curve.step[-1] == 80
    changed = []
    levels_of(**about, run={"on_step": lambda each: changed.append((each.level, each.trainer.masks))})
    masks = [each for index, each in changed if index == 1]
    assert sum(new is not old for new, old in zip(masks[1:], masks, strict=False)) == 11  # 5, …, 55


def test_a_gradient_that_is_not_finite_is_a_divergence():
    network = small_network(TASK)
    trainer = Trainer(network, TASK, training(), {}, 0)
    with torch.no_grad():
        network.linear_1.weight[:] = 1e38
    with pytest.raises(DivergenceError, match="a gradient became NaN or infinite at step 0"):
        trainer.dense_gradients(["linear_0.weight"])
