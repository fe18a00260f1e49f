"""Batches on a device are those of the task, bit for bit; the CPU stands in for the GPU."""

import gc
import weakref

import numpy as np
import pytest
import torch

from sparsight.data import Task
from sparsight.errors import DivergenceError, InputError
from sparsight.geometry import Geometry
from sparsight.train import Trainer, TrainingSettings, train_together
from sparsight.train._device_batches import DeviceTask
from tests.toy import linear_task, small_network

CPU = torch.device("cpu")
PLENTY, NOTHING = 2**30, 0


def pictures(**changes):
    """Make a task of bytes with two channels, standardised batch by batch."""
    stream = np.random.default_rng(1)
    values = {
        "name": "pictures",
        "geometry": Geometry(2, (3, 4)),
        "num_classes": 3,
        "train_inputs": stream.integers(0, 256, (50, 2, 3, 4), dtype=np.uint8),
        "train_labels": stream.permutation(np.arange(50) % 3),
        "test_inputs": stream.integers(0, 256, (9, 2, 3, 4), dtype=np.uint8),
        "test_labels": np.arange(9) % 3,
        "channel_mean": np.array([120.3, 7.1], np.float32),
        "channel_sd": np.array([61.7, 0.3], np.float32),
    }
    return Task(**{**values, **changes})


def drawn():
    """Make a task of fresh samples at every step."""

    def draw(seed, step, batch_size):
        stream = np.random.default_rng([seed, step])
        return stream.normal(size=(batch_size, 1, 24)).astype(np.float32), np.arange(batch_size) % 2

    plane = linear_task()
    values = {name: getattr(plane, name) for name in plane.__dataclass_fields__}
    return Task(**{**values, "draw": draw})


@pytest.mark.parametrize("make", [pictures, linear_task, drawn])
@pytest.mark.parametrize("num_free_bytes", [PLENTY, NOTHING])
def test_batches_and_samples_are_those_of_the_task(make, num_free_bytes):
    task = make()
    on_device = DeviceTask(task, CPU, num_free_bytes)
    expected = set() if not num_free_bytes else {"test"} | ({"train"} if task.draw is None else set())
    assert on_device.resident == expected
    # By turns, over epochs, back and again: 50 samples are seven batches of 7.
    for seed, step in [(0, 0), (3, 0), (0, 1), (0, 6), (0, 7), (3, 40), (0, 20), (0, 2), (0, 2)]:
        for ours, theirs in zip(on_device.batch(seed, step, 7), task.batch(seed, step, 7), strict=True):
            assert ours.dtype == theirs.dtype
            assert torch.equal(ours, theirs)
    for split in ("train", "test"):
        for ours, theirs in zip(on_device.samples(split, 3, 8), task.samples(split, 3, 8), strict=True):
            assert torch.equal(ours, theirs)


def test_what_fits_is_half_of_what_is_free():
    task = pictures()
    train, test = task.train_inputs.nbytes, task.test_inputs.nbytes
    assert DeviceTask(task, CPU, 2 * test).resident == {"test"}
    assert DeviceTask(task, CPU, 2 * train + test).resident == {"test", "train"}
    assert DeviceTask(task, CPU, 2 * train + test - 1).resident == {"test"}


def test_changing_a_batch_leaves_the_copy_on_the_device_alone():
    task = linear_task()
    on_device = DeviceTask(task, CPU, PLENTY)
    before = on_device.samples("test", 0, 4)[0].clone()
    on_device.samples("test", 0, 4)[0].zero_()
    on_device.batch(0, 0, 7)[0].zero_()
    assert torch.equal(on_device.samples("test", 0, 4)[0], before)


def test_a_batch_that_is_too_large_is_refused_as_on_the_cpu():
    task = pictures()
    for num_free_bytes in (PLENTY, NOTHING):
        with pytest.raises(InputError, match="training.batch_size is 51, but task 'pictures' has 50"):
            DeviceTask(task, CPU, num_free_bytes).batch(0, 0, 51)


def test_the_copy_does_not_keep_its_task_alive():
    task = drawn()
    on_device = DeviceTask(task, CPU, NOTHING)
    on_device.batch(0, 0, 7)
    seen = weakref.ref(task)
    del task
    gc.collect()
    assert seen() is None


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Trainers that take batches from a copy of the task, and look at their losses now and then only."""
    from sparsight.train import _device_batches, _evaluation, _steps, _together, _trainer

    copies = {}

    def copy_of(task):
        return copies.setdefault(id(task), DeviceTask(task, CPU, PLENTY))

    def batch_on(device, task, *arguments):
        return copy_of(task).batch(*arguments)

    def samples_on(device, task, *arguments):
        return copy_of(task).samples(*arguments)

    for module in (_device_batches, _steps, _together):
        monkeypatch.setattr(module, "batch_on", batch_on)
    monkeypatch.setattr(_evaluation, "samples_on", samples_on)
    monkeypatch.setattr(_trainer, "sees_losses_at_once", lambda device: False)


def trained(**changes):
    task = linear_task()
    settings = TrainingSettings(**{"steps": 150, "batch_size": 32, "evaluations": 2, **changes})
    trainer = Trainer(small_network(task), task, settings, {}, 0)
    trainer.run()
    return trainer


def test_training_from_the_copy_is_the_training_on_the_cpu(request):
    alone = trained()
    request.getfixturevalue("as_on_a_gpu")
    on_gpu = trained()
    assert on_gpu.curve == alone.curve
    for name, value in alone.state()[0].items():
        assert torch.equal(value, on_gpu.state()[0][name])


def test_divergence_is_told_of_the_step_in_which_it_happened(request):
    growing = {"learning_rate": 30.0, "loss": "mse", "momentum": 0.9}
    with pytest.raises(DivergenceError) as at_once:
        trained(**growing)
    request.getfixturevalue("as_on_a_gpu")
    with pytest.raises(DivergenceError) as later:
        trained(**growing)
    assert str(later.value).partition(" at step")[2] == str(at_once.value).partition(" at step")[2]


def test_networks_trained_together_go_on_when_one_diverges(as_on_a_gpu):
    task = linear_task()
    settings = TrainingSettings(steps=150, batch_size=32, evaluations=2)
    trainers = {slot: Trainer(small_network(task, slot), task, settings, {}, slot) for slot in range(3)}
    trainers[1].network.get_parameter("linear_0.weight").data.fill_(float("nan"))
    failed = train_together(trainers)
    assert list(failed) == [1]
    assert "at step 0 " in str(failed[1])
    alone = Trainer(small_network(task, 2), task, settings, {}, 2)
    alone.run()
    for name, value in alone.network.state_dict().items():
        torch.testing.assert_close(trainers[2].network.state_dict()[name], value, rtol=1e-4, atol=1e-5)
