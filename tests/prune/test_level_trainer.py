"""Levels trained again, and networks trained once from a given state: repetitions are bit for bit."""

import pytest
import torch

from sparsight import train_masked
from sparsight.errors import InputError
from sparsight.prune import PruningSettings, imp, trained_again
from sparsight.train import TrainingSettings
from tests.toy import NETWORKS, linear_task, small_network

TASK = linear_task()
TRAINING = TrainingSettings(
    steps=20, batch_size=32, learning_rate=0.1, momentum=0.9, schedule="cosine", evaluations=4
)


def levels_of(network=None, layers=None, **pruning):
    settings = PruningSettings(max_levels=2, **pruning)
    network = network or small_network(TASK, batch_norm="hidden")
    for level in imp(network, TASK, TRAINING, settings, seed=4, layers=layers):
        yield level, settings


def assert_equal(state, other):
    for name, value in other.items():
        assert torch.equal(state[name], value), name


@pytest.mark.parametrize(
    "pruning",
    [
        {"rewind": "init"},
        {"rewind": "step:5"},
        {"rewind": "lr"},
        {"rewind": "none"},
        {"schedule": "one_shot_equal_compute"},
    ],
    ids=str,
)
def test_a_copy_with_the_batches_of_the_level_is_the_level(pruning):
    for level, settings in levels_of(**pruning):
        again = trained_again(level, TASK, TRAINING, settings, seed=4)
        other = trained_again(level, TASK, TRAINING, settings, seed=5)
        # the dense copy starts at step K, without the momentum that the level had there
        if level.index > 0 or settings.rewind_step in (0, None):
            assert_equal(again.state_dict(), level.final)
        differing = [
            name
            for name, value in other.state_dict().items()
            if not torch.equal(value, again.state_dict()[name])
        ]
        assert "linear_0.weight" in differing
        for name, mask in level.masks.items():
            assert not other.get_parameter(name)[~mask].count_nonzero()
        assert not again.training


def test_dense_copies_start_at_the_state_to_which_later_levels_rewind():
    level, settings = next(levels_of(rewind="step:5"))
    again = trained_again(level, TASK, TRAINING, settings, seed=4)
    masks = level.masks
    network = small_network(TASK, batch_norm="hidden")
    by_hand = train_masked(network, TASK, TRAINING, masks, state=level.rewind, seed=4, first_step=5)
    assert_equal(again.state_dict(), by_hand.final)


@pytest.mark.parametrize("name", NETWORKS)
def test_any_module_that_can_be_pruned_can_be_trained_again(name):
    build, layers = NETWORKS[name]
    torch.manual_seed(0)
    for level, settings in levels_of(build(), layers):
        assert_equal(trained_again(level, TASK, TRAINING, settings, seed=4).state_dict(), level.final)


def test_a_level_of_pruning_is_repeated_from_its_masks_its_rewound_state_and_its_step():
    for level, _ in levels_of(rewind="step:5"):
        if level.index == 0:
            continue
        other = small_network(TASK, 9, batch_norm="hidden")  # its own weights do not matter
        once = train_masked(other, TASK, TRAINING, level.masks, state=level.rewind, seed=4, first_step=5)
        assert_equal(once.final, level.final)
        assert_equal(once.initial, level.initial)
        assert once.curve == level.curve


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first_step": 20}, "first_step is 20, but training has 20 steps; choose one from 0 to 19"),
        ({"first_step": -1}, "first_step is -1"),
        (
            {"state": small_network(TASK, widths=(13,)).state_dict()},
            r"linear_0.weight is \(13, 24\) in state",
        ),
        ({"state": {}}, "linear_0.weight is missing in state"),
        (
            {"state": small_network(TASK, batch_norm="hidden").state_dict()},
            "norm_0.weight is .* in state, missing in network",
        ),
    ],
)
def test_a_state_or_a_step_that_does_not_fit_is_refused_in_one_line(arguments, message):
    network = small_network(TASK)
    masks = {"linear_0.weight": torch.ones(12, 24, dtype=torch.bool)}
    with pytest.raises(InputError, match=message) as raised:
        train_masked(network, TASK, TRAINING, masks, **arguments)
    assert "\n" not in str(raised.value)
