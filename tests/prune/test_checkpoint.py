"""A run that stops between any two steps and resumes elsewhere ends bit for bit the same."""

import itertools

import pytest
import torch

from sparsight.prune import Acceleration, Checkpoint, Progress, PruningSettings, imp
from sparsight.store import CHECKPOINT, read_checkpoint, write_checkpoint
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

STEPS = 20


class PlugPulledError(Exception):
    """Somebody pulled the plug."""


def training(**settings):
    chosen = {"steps": STEPS, "batch_size": 32, "learning_rate": 0.05, "evaluations": 3, **settings}
    return TrainingSettings(**chosen)


def run_stopping_at(folder, moment, settings, pruning, plug=True):
    """Return the levels of a run that was stopped at a (level, step) and resumed from its checkpoint."""
    task = linear_task()

    def stop(progress: Progress):
        if plug and (progress.level, progress.trainer.step) == moment:
            write_checkpoint(folder, progress)
            raise PlugPulledError

    arguments = (task, settings, pruning)
    levels = []
    try:
        for level in imp(small_network(task, batch_norm="hidden"), *arguments, seed=5, on_step=stop):
            levels.append(level)
    except PlugPulledError:
        checkpoint = read_checkpoint(folder)
        assert isinstance(checkpoint, Checkpoint)
        levels += imp(
            small_network(task, batch_norm="hidden"),
            *arguments,
            seed=5,
            start=levels[-1] if levels else None,
            checkpoint=checkpoint,
        )
    return levels


@pytest.mark.parametrize("rewind", ["init", "step:7", "lr", "none"])
@pytest.mark.parametrize(
    "optimizer",
    [
        {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
        {"optimizer": "adam", "schedule": "cosine", "warmup_steps": 4},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "step", "milestones": (5, 12)},
        {"momentum": 0.9, "kernel": "csr"},
    ],
    ids=["sgd", "adam", "adamw", "sgd on kept weights"],
)
def test_a_run_stopped_between_any_two_steps_ends_bit_for_bit(tmp_path, rewind, optimizer):
    settings, pruning = training(**optimizer), PruningSettings(rewind=rewind, max_levels=2)
    expected = run_stopping_at(tmp_path, None, settings, pruning, plug=False)
    for moment in itertools.product((0, 1), (1, 6, 7, 8, 19)):
        levels = run_stopping_at(tmp_path, moment, settings, pruning)
        assert len(levels) == len(expected) == 3
        for mine, other in zip(levels, expected, strict=True):
            assert mine.curve == other.curve, moment
            for name, value in other.final.items():
                assert torch.equal(mine.final[name], value), (moment, name)
            for name, mask in other.next_masks.items():
                assert torch.equal(mine.next_masks[name], mask), (moment, name)


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_checkpoint_is_ignored(tmp_path, damage):
    """Any single flipped byte is found: the level starts again instead of resuming from nonsense."""
    run_stopping_at(tmp_path, (0, 6), training(), PruningSettings(max_levels=1))
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    assert read_checkpoint(tmp_path) is not None
    if damage is not None:
        path.write_bytes(damage)
        assert read_checkpoint(tmp_path) is None
        return
    for position in range(0, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x20]) + whole[position + 1 :])
        assert read_checkpoint(tmp_path) is None, position


def test_a_level_ends_with_the_kernel_it_began_with(tmp_path, monkeypatch):
    """Even if the measured crossovers were lost in between."""
    monkeypatch.setattr("sparsight.sparse._crossover.SMALLEST", 1)
    task = linear_task()
    arguments = (task, training(momentum=0.9), PruningSettings(max_levels=1))
    everything_sparse = Acceleration({"12x24": 1.0})

    def stop(progress: Progress):
        if (progress.level, progress.trainer.step) == (1, 7):
            write_checkpoint(tmp_path, progress)

    first, whole = imp(small_network(task), *arguments, on_step=stop, acceleration=everything_sparse)
    checkpoint = read_checkpoint(tmp_path)
    nothing_sparse = Acceleration({"12x24": 0.0})
    (rest,) = imp(
        small_network(task), *arguments, start=first, checkpoint=checkpoint, acceleration=nothing_sparse
    )
    (dense,) = imp(small_network(task), *arguments, start=first, acceleration=nothing_sparse)
    assert whole.kernels == rest.kernels == {"linear_0": "csr"}
    assert dense.kernels == {"linear_0": "dense"}
    assert whole.curve == rest.curve
    assert all(torch.equal(whole.final[name], rest.final[name]) for name in whole.final)
