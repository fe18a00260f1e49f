"""Training alone is the truth: networks trained together end where each ends by itself."""

import dataclasses
import itertools
from typing import get_args

import numpy as np
import pytest
import torch

from sparsight.errors import DivergenceError
from sparsight.network import NetworkSettings
from sparsight.prune import PruningSettings, dense_masks
from sparsight.train import Trainer, TrainingSettings, train_together
from tests.toy import in_precision, linear_task, small_network
from tests.train.test_trainer import OPTIMIZERS

NUM_NETWORKS = 4
SCHEDULES = {
    "constant": {},
    "step": {"schedule": "step", "milestones": (40, 70), "warmup_steps": 10},
    "cosine": {"schedule": "cosine", "warmup_steps": 5},
}
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
CASES = [
    (*case, schedule, activation, prune_biases)
    for case, (schedule, activation, prune_biases) in zip(
        itertools.product(OPTIMIZERS, ["none", "hidden", "input"]),
        itertools.cycle(itertools.product(SCHEDULES, ["relu", "tanh", "erf"], [True, False])),
        strict=False,
    )
]


def masks_of(network, density, seed, prune_biases=True):
    masks = dense_masks(network, PruningSettings(prune_biases=prune_biases, prune_output=True))
    stream = torch.Generator().manual_seed(seed)
    return {name: torch.rand(mask.shape, generator=stream) < density for name, mask in masks.items()}


def trainers_of(
    settings,
    dtype=torch.float32,
    densities=(0.4, 0.7, 1.0, 0.05),
    prune_biases=True,
    cuda_graph=False,
    **network,
):
    """Networks that differ in seed, data, initial weights, masks and density."""
    trainers = []
    for seed, density in enumerate(densities):
        task = linear_task(seed=seed)
        one = small_network(task, seed, **network).to(dtype)
        masks = masks_of(one, density, seed, prune_biases)
        given = task if dtype == torch.float32 else in_precision(task, dtype)
        options = {"layers_on_kept_weights": (), "cuda_graph": cuda_graph}
        trainers.append(Trainer(one, given, settings, masks, seed, **options))
        trainers[-1].masks = masks
    return trainers


def by_slot(trainers):
    return dict(enumerate(trainers))


def settings_of(steps=100, **settings):
    return TrainingSettings(**{"steps": steps, "batch_size": 32, "evaluations": 4, **settings})


def assert_equal_states(ours, theirs):
    for name, value in theirs.state()[0].items():
        assert torch.equal(ours.state()[0][name], value), name
    assert ours.state()[1] == theirs.state()[1]


@pytest.mark.parametrize("dtype", TOLERANCES, ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("optimizer", "batch_norm", "schedule", "activation", "prune_biases"),
    CASES,
    ids=["-".join(map(str, case)) for case in CASES],
)
def test_together_ends_where_alone_ends(optimizer, batch_norm, schedule, activation, prune_biases, dtype):
    # A bias right before a BatchNorm has gradient 0 up to rounding, and Adam divides that by its own size:
    # where it drifts to is chance in the step alone too.
    network = {
        "batch_norm": batch_norm,
        "activation": activation,
        "widths": (12, 9),
        "bias": not (batch_norm == "hidden" and optimizer.startswith("adam")),
    }
    settings = settings_of(**OPTIMIZERS[optimizer], **SCHEDULES[schedule])
    alone = trainers_of(settings, dtype, prune_biases=prune_biases, **network)
    together = trainers_of(settings, dtype, prune_biases=prune_biases, **network)
    for trainer in alone:
        trainer.run()
    assert train_together(by_slot(together)) == {}
    for one, other in zip(alone, together, strict=True):
        truth = torch.nn.utils.parameters_to_vector(one.network.parameters()).double()
        ours = torch.nn.utils.parameters_to_vector(other.network.parameters()).double()
        assert (ours - truth).norm() <= TOLERANCES[dtype] * truth.norm()
        for name, value in one.network.named_buffers():
            mine = other.network.get_buffer(name)
            torch.testing.assert_close(mine, value, rtol=100 * TOLERANCES[dtype], atol=TOLERANCES[dtype])
        assert other.curve.step == one.curve.step
        assert other.curve.learning_rate == one.curve.learning_rate
        np.testing.assert_allclose(other.curve.train_loss, one.curve.train_loss, rtol=1e-4)
        np.testing.assert_allclose(other.curve.test_loss, one.curve.test_loss, rtol=1e-4)
        for name, mask in other.masks.items():
            parameter = other.network.get_parameter(name)
            assert not parameter[~mask].any()
            assert parameter[mask].all()


def test_every_activation_and_the_squared_loss():
    for activation in get_args(NetworkSettings.model_fields["activation"].annotation):
        settings = settings_of(loss="mse", learning_rate=0.1)
        alone = trainers_of(settings, torch.float64, activation=activation)
        together = trainers_of(settings, torch.float64, activation=activation)
        train_together(by_slot(together))
        for one, other in zip(alone, together, strict=True):
            one.run()
            for mine, theirs in zip(other.network.parameters(), one.network.parameters(), strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_removed_weights_are_zero_after_every_step(name):
    trainers = trainers_of(settings_of(30, **OPTIMIZERS[name]), batch_norm="hidden")

    def look(positions):
        assert positions == [0, 1, 2, 3]
        for trainer in trainers:
            for parameter, mask in trainer.masks.items():
                assert not trainer.network.get_parameter(parameter)[~mask].any()

    train_together(by_slot(trainers), on_step=look)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stopping_anywhere_and_going_on_from_states_is_never_having_stopped(name):
    settings = settings_of(24, **OPTIMIZERS[name])
    whole = trainers_of(settings, batch_norm="hidden")
    train_together(by_slot(whole))
    for moment in (1, 5, 6, 23):
        stopped = trainers_of(settings, batch_norm="hidden")
        saved = []

        def save(positions, stopped=stopped, saved=saved, moment=moment):
            if stopped[0].step == moment:
                saved.extend(trainer.state() for trainer in stopped)

        train_together(by_slot(stopped), on_step=save)
        resumed = trainers_of(settings, batch_norm="hidden")
        for trainer, state in zip(resumed, saved, strict=True):
            trainer.restore(*state)
        train_together(by_slot(resumed))
        for ours, theirs in zip(resumed, whole, strict=True):
            assert_equal_states(ours, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_those_behind_are_brought_up_and_end_as_if_they_never_were(name):
    settings = settings_of(20, **OPTIMIZERS[name])
    whole = trainers_of(settings, batch_norm="input")
    states = {}

    def save(positions):
        for position in positions:
            states[position, whole[position].step] = whole[position].state()

    train_together(by_slot(whole), on_step=save)
    behind = trainers_of(settings, batch_norm="input")
    for position, step in ((0, 7), (2, 7), (3, 12)):  # and position 1 from the beginning
        behind[position].restore(*states[position, step])
    seen = []
    train_together(by_slot(behind), on_step=seen.append, num_slots=4)
    assert seen == [[1]] * 7 + [[0, 1, 2]] * 5 + [[0, 1, 2, 3]] * 8
    for ours, theirs in zip(behind, whole, strict=True):
        assert_equal_states(ours, theirs)


def test_one_that_diverges_fails_alone():
    settings = settings_of(30, learning_rate=0.05, loss="mse", momentum=0.9)
    undisturbed, disturbed = trainers_of(settings), trainers_of(settings)
    alone = trainers_of(settings)[2]
    for trainer in (disturbed[2], alone):
        with torch.no_grad():
            trainer.network.linear_0.weight.mul_(1e8)
    with pytest.raises(DivergenceError) as expected:
        alone.run()
    train_together(by_slot(undisturbed))
    seen = []
    failed = train_together(by_slot(disturbed), on_step=lambda positions: seen.append(list(positions)))
    assert {position: str(error) for position, error in failed.items()} == {2: str(expected.value)}
    assert seen[0] == [0, 1, 2, 3]
    assert seen[-1] == [0, 1, 3]
    assert len(seen) == 30
    for position in (0, 1, 3):
        assert_equal_states(disturbed[position], undisturbed[position])


def test_divergence_by_the_last_step_is_seen_in_the_test_loss():
    settings = settings_of(1, learning_rate=1e30, loss="mse")
    failed = train_together(by_slot(trainers_of(settings)))
    expected = {}
    for position, trainer in enumerate(
        trainers_of(settings)
    ):  # the sparsest has no path left, and stays finite
        try:
            trainer.run()
        except DivergenceError as error:
            expected[position] = str(error)
    assert {position: str(error) for position, error in failed.items()} == expected
    assert sorted(failed) == [0, 1, 2]
    assert "after step 0" in str(failed[0])


def test_a_trainer_trains_on_alone_after_training_together():
    settings = settings_of(20, **OPTIMIZERS["adam"])
    trainers, alone = trainers_of(settings), trainers_of(settings)
    train_together(by_slot(trainers), until=8)
    assert [trainer.step for trainer in trainers] == [8] * 4
    for ours, theirs in zip(trainers, alone, strict=True):
        ours.run()
        theirs.run()
        assert ours.network.linear_0.weight.untyped_storage().nbytes() == 4 * 12 * 24
        torch.testing.assert_close(
            ours.network.state_dict(), theirs.network.state_dict(), rtol=1e-4, atol=1e-5
        )


def test_fresh_samples_for_every_step():
    def draw(seed, step, batch_size):
        stream = np.random.default_rng((seed, step))
        inputs = stream.normal(size=(batch_size, 1, 24)).astype(np.float32)
        return inputs, (inputs[:, 0, 0] > 0).astype(np.int64)

    trainers, alone = trainers_of(settings_of(20)), trainers_of(settings_of(20))
    for trainer in (*trainers, *alone):
        trainer.task = dataclasses.replace(trainer.task, draw=draw)
    train_together(by_slot(trainers))
    for ours, theirs in zip(trainers, alone, strict=True):
        theirs.run()
        torch.testing.assert_close(
            ours.network.state_dict(), theirs.network.state_dict(), rtol=1e-4, atol=1e-5
        )


def test_bf16_rounds_products_and_leaves_weights_in_float32():
    settings = settings_of(60, precision="bf16", learning_rate=0.3)
    trainers, alone = trainers_of(settings), trainers_of(settings)
    train_together(by_slot(trainers))
    for ours, theirs in zip(trainers, alone, strict=True):
        theirs.run()
        assert ours.network.linear_0.weight.dtype == torch.float32
        torch.testing.assert_close(
            ours.network.state_dict(), theirs.network.state_dict(), rtol=0.1, atol=0.05
        )
