"""White noise with labels that mean nothing: whoever tells classes of its twin apart reads sampling error."""

import numpy as np
import pytest
import torch

from sparsight.data import Task, clone_task
from sparsight.data._twin_leak import _num_right
from sparsight.geometry import Geometry


def white_task(num_inputs=256, per_class=500, num_classes=4, seed=0):
    stream = np.random.default_rng(seed)
    labels = np.tile(np.arange(num_classes), per_class)
    test_labels = np.tile(np.arange(num_classes), 100)
    return Task(
        name="white",
        geometry=Geometry(1, (num_inputs,)),
        num_classes=num_classes,
        train_inputs=stream.standard_normal((len(labels), 1, num_inputs), dtype=np.float32),
        train_labels=labels,
        test_inputs=stream.standard_normal((len(test_labels), 1, num_inputs), dtype=np.float32),
        test_labels=test_labels,
    )


def nearest_in_quadratic_features(clone):
    """Accuracy of another readout than the card's: ridge regression on all products of inputs."""
    (train, labels), (test, truth) = clone.samples("train"), clone.samples("test")
    kernel = (train @ train.T / train.shape[1]).square()
    kernel.diagonal().add_(kernel.diagonal().mean())
    targets = torch.nn.functional.one_hot(labels).float()
    weights = torch.linalg.solve(kernel, targets - targets.mean(dim=0))
    return (
        ((test @ train.T / train.shape[1]).square() @ weights).argmax(dim=1).eq(truth).float().mean().item()
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_plain_twin_of_few_samples_is_found_and_the_others_are_not(seed, caplog):
    """The planted case: 500 samples a class and 256 inputs, where a network reaches 0.67 of chance 0.25."""
    task = white_task(seed=seed)
    found = {
        kind: clone_task(task, kind, seed)
        for kind in ("gaussian", "gaussian_shrunk", "gaussian_cross_fitted", "gaussian_shared")
    }
    leak = {kind: clone.card["leak"] for kind, clone in found.items()}
    assert leak["gaussian"]["interval"][0] > 0.9
    assert any("leaks" in warning for warning in found["gaussian"].card["warnings"])
    assert "leaks" in caplog.text
    for kind in ("gaussian_shrunk", "gaussian_cross_fitted"):
        low, high = leak[kind]["interval"]
        assert low <= leak[kind]["chance"] == 0.25 <= high
        assert not any("leaks" in warning for warning in found[kind].card.get("warnings", []))
    # Not only the card's readout says so.
    assert nearest_in_quadratic_features(found["gaussian"]) > 0.6
    error = np.sqrt(0.25 * 0.75 / 400)
    for kind in ("gaussian_shrunk", "gaussian_cross_fitted"):
        assert abs(nearest_in_quadratic_features(found[kind]) - 0.25) < 4 * error


def test_enough_samples_do_not_leak_and_are_not_warned_of():
    card = clone_task(white_task(num_inputs=8, per_class=10_000, num_classes=2), "gaussian", 0).card
    assert "warnings" not in card
    low, high = card["leak"]["interval"]
    assert low < card["leak"]["chance"] == 0.5 < high


@pytest.mark.parametrize("seed", range(3))
def test_a_shrunk_twin_of_one_sample_for_each_input_does_not_leak(seed):
    """With the intensity of least squared error the accuracy was 0.57 on a ring of this size."""
    leak = clone_task(white_task(96, 100, num_classes=2, seed=seed), "gaussian_shrunk", 0).card["leak"]
    assert leak["interval"][0] < 0.5 < leak["interval"][1]


def test_few_samples_are_warned_of_where_each_class_keeps_its_covariance():
    task = white_task(num_inputs=16, per_class=150, num_classes=2)
    words = clone_task(task, "gaussian", 0).card["warnings"][0]
    assert "150 training samples for 16 inputs" in words
    assert "(160)" in words
    assert "warnings" not in clone_task(task, "gaussian_shrunk", 0).card


def test_classes_that_differ_are_read():
    """The readout sees variances: two Gaussians of 8 inputs, sd 1 and 1.5, against the best possible rule."""
    stream = torch.Generator().manual_seed(0)
    train, test = ([torch.randn(4000, 8, generator=stream) * sd for sd in (1.0, 1.5)] for _ in range(2))
    square = torch.cat(test).square().sum(dim=1)
    threshold = 16 * np.log(1.5) / (1 - 1 / 1.5**2)
    best = ((square > threshold) == (torch.arange(8000) >= 4000)).sum().item()
    assert _num_right(train, test) > best - 0.02 * 8000
    means = [samples + offset for samples, offset in zip((train[0], train[0].flip(0)), (0, 1), strict=True)]
    assert _num_right(means, [test[0], test[0] + 1]) / 8000 == pytest.approx(0.921, abs=0.015)  # Φ(√8/2)


def test_more_than_four_classes_and_many_inputs_are_looked_at_in_part():
    task = white_task(num_inputs=1100, per_class=12, num_classes=6)
    leak = clone_task(task, "gaussian", 0).card["leak"]
    assert leak["chance"] == 0.25
    assert leak["num_samples"] == 2000
    assert leak["accuracy"] > 0.9
