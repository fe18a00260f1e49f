import copy
import math

import numpy as np
import pytest
import torch

from sparsight.errors import DivergenceError, InputError
from sparsight.train import Trainer, TrainingSettings, batch_loss
from sparsight.train._evaluation import evaluate
from sparsight.train._settings import learning_rate
from tests.toy import in_precision, linear_task, small_network

OPTIMIZERS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "momentum": {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01},
    "nesterov": {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.01},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
}


def random_masks(network, density, seed=0):
    stream = np.random.default_rng(seed)
    return {
        "linear_0.weight": torch.from_numpy(stream.random(tuple(network.linear_0.weight.shape)) < density)
    }


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_removed_weights_stay_exactly_zero_under_any_optimizer(name, batch_norm):
    task = linear_task()
    network = small_network(task, batch_norm=batch_norm)
    masks = random_masks(network, 0.4)
    settings = TrainingSettings(steps=30, batch_size=32, **OPTIMIZERS[name])
    seen = []
    Trainer(network, task, settings, masks, seed=0).run(
        on_step=lambda trainer: seen.append(
            int(network.linear_0.weight[~masks["linear_0.weight"]].count_nonzero())
        )
    )
    assert seen == [0] * 30
    assert network.linear_0.weight[masks["linear_0.weight"]].count_nonzero() == masks["linear_0.weight"].sum()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_masked_training_is_training_of_the_masked_function(name):
    """The slow twin multiplies by the mask inside the forward pass, as torch.nn.utils.prune does."""
    task = linear_task()
    network = small_network(task).double()
    masks = random_masks(network, 0.5)
    mask = masks["linear_0.weight"]
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.linear_0.weight.mul_(mask)
    settings = TrainingSettings(steps=40, batch_size=32, **OPTIMIZERS[name])
    trainer = Trainer(network, in_precision(task, torch.float64), settings, masks, seed=3)
    optimizer = type(trainer.optimizer)(twin.parameters(), **_options(trainer.optimizer))
    for step in range(40):
        inputs, labels = task.batch(3, step, 32)
        hidden = torch.relu(inputs.double() @ (twin.linear_0.weight * mask).T + twin.linear_0.bias)
        loss = torch.nn.functional.cross_entropy(hidden @ twin.linear_1.weight.T + twin.linear_1.bias, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trainer.run(40)
    for mine, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


def _options(optimizer):
    names = {"SGD": ("momentum", "nesterov")}.get(type(optimizer).__name__, ())
    return {name: optimizer.defaults[name] for name in ("lr", "weight_decay", *names)}


def test_training_is_a_function_of_the_seed():
    task = linear_task()
    settings = TrainingSettings(steps=20, batch_size=32)
    ends = []
    for seed in (0, 0, 1):
        network = small_network(task)
        Trainer(network, task, settings, {}, seed).run()
        ends.append(network.linear_0.weight.detach().clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_training_in_two_parts_is_training_in_one():
    task = linear_task()
    settings = TrainingSettings(steps=20, batch_size=32, momentum=0.9)
    whole, parts = small_network(task), small_network(task)
    Trainer(whole, task, settings, {}, 0).run()
    trainer = Trainer(parts, task, settings, {}, 0)
    trainer.run(7)
    trainer.run()
    assert torch.equal(whole.linear_0.weight, parts.linear_0.weight)


def test_curve_has_the_evaluations_asked_for_and_ends_with_the_last_step():
    task = linear_task()
    network = small_network(task)
    trainer = Trainer(network, task, TrainingSettings(steps=23, batch_size=32, evaluations=4), {}, 0)
    trainer.run()
    assert trainer.curve.step[-1] == 23
    assert len(trainer.curve.step) == 4
    loss, accuracy = evaluate(network, task, trainer.settings.loss)
    assert (trainer.curve.test_loss[-1], trainer.curve.test_accuracy[-1]) == (loss, accuracy)


def test_evaluate_equals_the_definition():
    task = linear_task()
    network = small_network(task, batch_norm="hidden").eval()
    inputs, labels = task.samples("test")
    outputs = network(inputs).detach()
    loss, accuracy = evaluate(network, task, "cross_entropy")
    expected = -outputs.log_softmax(dim=1)[torch.arange(len(labels)), labels].mean()
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert accuracy == float((outputs.argmax(1) == labels).double().mean())


def test_mean_squared_error_is_against_one_hot_labels():
    outputs = torch.tensor([[1.0, 2.0, 3.0]])
    assert float(batch_loss(outputs, torch.tensor([1]), "mse")) == pytest.approx((1 + 1 + 9) / 3)


def test_learning_rate_schedules():
    constant = TrainingSettings(steps=100, learning_rate=0.4, warmup_steps=4)
    assert [learning_rate(constant, step, 100) for step in range(5)] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.4]
    )
    step = TrainingSettings(steps=100, learning_rate=1, schedule="step", milestones=(50, 75), decay=0.1)
    assert [learning_rate(step, t, 100) for t in (0, 49, 50, 74, 75)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    cosine = TrainingSettings(steps=100, learning_rate=1, schedule="cosine", warmup_steps=20)
    assert learning_rate(cosine, 60, 100) == pytest.approx(0.5)
    assert learning_rate(cosine, 99, 100) == pytest.approx(0.5 * (1 + math.cos(math.pi * 79 / 80)))


def test_epochs_are_whole_passes():
    assert TrainingSettings(epochs=3, batch_size=32).num_steps(300) == 3 * 9


def test_divergence_names_step_and_learning_rate_and_mend():
    task = linear_task()
    settings = TrainingSettings(steps=200, batch_size=32, learning_rate=1e20, loss="mse")
    with pytest.raises(DivergenceError, match=r"at step \d+ with learning rate 1e\+20: lower training"):
        Trainer(small_network(task), task, settings, {}, 0).run()


def test_divergence_by_the_last_step_is_seen_in_the_test_loss():
    task = linear_task()
    settings = TrainingSettings(steps=1, batch_size=32, learning_rate=1e30, loss="mse")
    with pytest.raises(DivergenceError, match="test loss became (inf|nan) after step 0"):
        Trainer(small_network(task), task, settings, {}, 0).run()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either steps or epochs"),
        ({"steps": 3, "epochs": 1}, "either steps or epochs"),
        ({"steps": 3, "nesterov": True}, "nesterov needs momentum"),
        ({"steps": 3, "schedule": "step"}, "milestones are needed"),
        ({"steps": 3, "milestones": (1,)}, "milestones are needed"),
        ({"steps": 3, "precision": "bf16", "kernel": "csr"}, "kernel = 'csr' is for precision"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**settings)


def test_momentum_is_for_sgd():
    task = linear_task()
    settings = TrainingSettings(steps=3, optimizer="adam", momentum=0.5)
    with pytest.raises(InputError, match="training.momentum is for optimizer = 'sgd'"):
        Trainer(small_network(task), task, settings, {}, 0)


def test_bf16_rounds_products_and_leaves_weights_in_float32():
    task = linear_task()
    ends = {}
    for precision in ("float32", "bf16"):
        network = small_network(task)
        settings = TrainingSettings(steps=60, batch_size=64, learning_rate=0.3, precision=precision)
        trainer = Trainer(network, task, settings, random_masks(network, 0.5), seed=0)
        trainer.run()
        ends[precision] = network.linear_0.weight.detach()
        assert trainer.curve.test_accuracy[-1] > 0.7
    assert ends["bf16"].dtype == torch.float32
    assert not torch.equal(ends["bf16"], ends["float32"])
    torch.testing.assert_close(ends["bf16"], ends["float32"], rtol=0.1, atol=0.05)


def test_tf32_is_for_a_gpu():
    task = linear_task()
    with pytest.raises(InputError, match="training.precision is 'tf32', which is for device = 'cuda'"):
        Trainer(small_network(task), task, TrainingSettings(steps=3, precision="tf32"), {}, 0)
