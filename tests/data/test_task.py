import dataclasses

import numpy as np
import pytest
import torch

from sparsight.data import Task
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from tests.toy import linear_task


def test_an_epoch_sees_every_sample_once():
    task = linear_task(num_train=300)
    rows = np.concatenate([task.batch_rows(5, step, 50) for step in range(6)])
    assert sorted(rows) == list(range(300))


def test_batches_are_a_function_of_seed_and_step():
    task = linear_task()
    later = task.batch(1, 40, 32)
    for step in range(10):
        task.batch(1, step, 32)
    again = task.batch(1, 40, 32)
    assert torch.equal(later[0], again[0])
    assert torch.equal(later[1], again[1])
    assert not torch.equal(later[0], task.batch(2, 40, 32)[0])
    assert not torch.equal(later[0], task.batch(1, 41, 32)[0])


def test_epochs_are_shuffled_differently():
    task = linear_task(num_train=64)
    assert not np.array_equal(task.batch_rows(0, 0, 64), task.batch_rows(0, 1, 64))


def test_labels_go_with_their_inputs():
    task = linear_task()
    inputs, labels = task.batch(0, 3, 16)
    for x, y in zip(inputs.numpy(), labels.numpy(), strict=True):
        (row,) = np.flatnonzero((task.train_inputs[:, 0] == x).all(axis=1))
        assert task.train_labels[row] == y


def test_uint8_inputs_are_standardised_by_channel():
    raw = np.random.default_rng(0).integers(0, 256, (500, 2, 3, 3), dtype=np.uint8)
    mean = raw.mean(axis=(0, 2, 3)).astype(np.float32)
    sd = raw.std(axis=(0, 2, 3)).astype(np.float32)
    labels = np.arange(500) % 2
    task = Task(
        name="bytes",
        geometry=Geometry(2, (3, 3)),
        num_classes=2,
        train_inputs=raw,
        train_labels=labels,
        test_inputs=raw,
        test_labels=labels,
        channel_mean=mean,
        channel_sd=sd,
    )
    inputs = task.samples("train")[0].numpy().reshape(500, 2, 9)
    np.testing.assert_allclose(inputs.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(inputs.std(axis=(0, 2)), 1, atol=1e-5)
    assert inputs.dtype == np.float32


def test_drawn_batches_replace_the_training_set():
    def draw(seed, step, size):
        return np.full((size, 1, 24), 10 * seed + step, np.float32), np.zeros(size, np.int64)

    task = dataclasses.replace(linear_task(), draw=draw)
    assert (task.batch(2, 3, 4)[0] == 23).all()


def test_batch_larger_than_the_training_set_is_refused():
    with pytest.raises(InputError, match=r"training.batch_size is 301.*300 training samples"):
        linear_task(num_train=300).batch(0, 0, 301)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 1}, "at least 2"),
        ({"train_labels": np.zeros(300, np.int64)}, "only one class"),
        ({"train_labels": np.full(300, 2)}, "0 to 1 is allowed"),
        ({"test_labels": np.zeros(99, np.int64)}, "one for each of the 100"),
        ({"train_inputs": np.zeros((300, 1, 23), np.float32)}, "the geometry requires"),
        ({"train_inputs": np.zeros((300, 1, 24))}, "float32 or uint8"),
        ({"train_inputs": np.zeros((300, 1, 24), np.uint8)}, "channel_mean and channel_sd"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(linear_task(), **changes)


def test_nan_pixels_are_refused_and_the_sample_named():
    inputs = linear_task().train_inputs.copy()
    inputs[17, 0, 3] = np.nan
    with pytest.raises(InputError, match="first in sample 17"):
        dataclasses.replace(linear_task(), train_inputs=inputs)
