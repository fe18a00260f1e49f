"""Own criteria cannot change what the run stores, and shipped ones do not."""

import numpy as np
import pytest
import torch

from sparsight.data import task_digests
from sparsight.errors import InputError
from sparsight.prune import CRITERIA, PruningSettings, Trained, criterion, imp
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

TRAINING = TrainingSettings(steps=8, batch_size=20, learning_rate=0.1)


def abs_in_place(trained):
    return {name: parameter.abs_() for name, parameter in trained.parameters().items()}


def network_in_place(trained):
    for parameter in trained.network.parameters():
        parameter.data.zero_()
    return magnitude_of(trained)


def masks_in_place(trained):
    scores = magnitude_of(trained)
    for mask in trained.masks.values():
        mask.fill_(False)
    return scores


def initial_in_place(trained):
    scores = magnitude_of(trained)
    for value in trained.initial.values():
        value.zero_()
    return scores


def samples_in_place(trained):
    for split in ("train", "test"):
        inputs, labels = trained.task.samples(split)
        inputs.zero_()
        labels.zero_()
    return magnitude_of(trained)


def magnitude_of(trained):
    return {name: parameter.abs().clone() for name, parameter in trained.parameters().items()}


def inputs_in_place(trained):
    trained.task.train_inputs[:] = 0
    return magnitude_of(trained)


def labels_in_place(trained):
    trained.task.test_labels.sort()
    return magnitude_of(trained)


def behind_numpy(trained):
    torch.from_numpy(trained.task.test_inputs).zero_()
    return magnitude_of(trained)


@pytest.fixture
def registered():
    names = []

    def register(function):
        criterion(function.__name__)(function)
        names.append(function.__name__)
        return function.__name__

    yield register
    for name in names:
        del CRITERIA[name]


def levels(name, task):
    pruning = PruningSettings(criterion=name, max_levels=2)
    return list(imp(small_network(task), task, TRAINING, pruning, seed=1))


@pytest.mark.parametrize(
    "slip", [abs_in_place, network_in_place, masks_in_place, initial_in_place, samples_in_place]
)
def test_a_criterion_that_changes_its_copies_changes_nothing_that_is_stored(registered, slip):
    task = linear_task()
    before = task_digests(task)
    for found, expected in zip(levels(registered(slip), task), levels("magnitude", task), strict=True):
        # network_in_place scores zeros and so keeps other weights; what it was given is the same.
        if slip is not network_in_place or expected.index == 0:
            for state in ("initial", "final", "masks"):
                ours, theirs = getattr(found, state), getattr(expected, state)
                assert all(torch.equal(ours[name], theirs[name]) for name in theirs), state
    assert task_digests(task) == before


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize(
    ("slip", "what"),
    [(inputs_in_place, "read-only"), (labels_in_place, "read-only"), (behind_numpy, "test_inputs")],
)
def test_a_criterion_that_writes_to_the_data_is_named(registered, slip, what):
    name = registered(slip)
    with pytest.raises(
        InputError, match=f"criterion '{name}' changes the data of the task in place .*{what}"
    ):
        levels(name, linear_task())


@pytest.mark.parametrize("name", sorted(name for name in CRITERIA if CRITERIA.is_shipped(name)))
def test_shipped_criteria_change_nothing(name):
    task = linear_task()
    network = small_network(task)
    masks = {"linear_0.weight": torch.ones_like(network.linear_0.weight, dtype=torch.bool)}
    state = {key: value.clone() for key, value in network.state_dict().items()}
    trained = Trained(
        network=network.eval(), masks=masks, task=task, initial=state, loss="cross_entropy", level=0, seed=0
    )
    before = [{key: value.clone() for key, value in each.items()} for each in (network.state_dict(), state)]
    digests = task_digests(task)
    CRITERIA[name](trained)
    for each, now in zip(before, (network.state_dict(), state), strict=True):
        assert all(torch.equal(each[key], now[key]) for key in each)
    assert masks["linear_0.weight"].all()
    assert task_digests(task) == digests
    assert np.isfinite(task.train_inputs).all()
