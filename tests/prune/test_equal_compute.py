"""One-shot pruning that trains for as many steps as iterative pruning does."""

import itertools
from contextlib import suppress

import pytest
import torch

from sparsight.prune import PruningSettings, Replicate, imp, imp_together
from sparsight.store import CHECKPOINT, read_checkpoint, write_checkpoint
from sparsight.train import Trainer, TrainingSettings
from tests.toy import linear_task, small_network

STEPS = 20
RATES = {
    "constant": {},
    "cosine": {"schedule": "cosine", "warmup_steps": 4},
    "step": {"schedule": "step", "milestones": (9, 15)},
}


def training(**settings):
    return TrainingSettings(steps=STEPS, batch_size=32, learning_rate=0.05, momentum=0.9, **settings)


def pruning(schedule="one_shot_equal_compute", **settings):
    return PruningSettings(schedule=schedule, max_levels=4, **settings)


def traced(settings, rules):
    """Return the levels, and for each of them (step, learning rate) of every step."""
    rates = {}

    def note(progress):
        rate = progress.trainer.optimizer.param_groups[0]["lr"]
        rates.setdefault(progress.level, []).append((progress.trainer.step - 1, rate))

    task = linear_task()
    levels = list(imp(small_network(task), task, settings, rules, seed=5, on_step=note))
    return levels, rates


@pytest.mark.parametrize("rewind", ["init", "step:7", "lr", "none"])
@pytest.mark.parametrize("name", RATES)
def test_steps_and_learning_rates_are_those_of_iterative_pruning(rewind, name):
    settings = training(**RATES[name])
    once, rates = traced(settings, pruning(rewind=rewind))
    iterative, expected = traced(settings, pruning("iterative", rewind=rewind))
    assert [level.index for level in once] == [0, 1]
    assert once[-1].density == iterative[-1].density
    assert rates[0] == expected[0]
    # Every rate as often as iterative pruning used it, in the order of one level; steps one after another.
    later = [rate for level in (1, 2, 3, 4) for _, rate in expected[level]]
    assert sorted(rate for _, rate in rates[1]) == sorted(later)
    assert [rate for _, rate in rates[1]] == [rate for _, rate in expected[1] for _ in range(4)]
    start = 7 if rewind == "step:7" else 0
    assert [step for step, _ in rates[1]] == list(range(start, start + len(later)))
    assert once[1].curve.step[-1] == start + len(later)
    assert len(once[1].curve.step) == settings.evaluations


def test_after_pruning_it_is_a_longer_training_with_the_mask():
    task = linear_task()
    first, last = imp(small_network(task), task, training(), pruning(), seed=5)
    network = small_network(task)
    longer = TrainingSettings(steps=4 * STEPS, batch_size=32, learning_rate=0.05, momentum=0.9)
    trainer = Trainer(network, task, longer, first.next_masks, seed=5)
    trainer.run()
    assert trainer.curve == last.curve
    assert all(torch.equal(value, last.final[name]) for name, value in network.state_dict().items())


def test_without_a_round_of_pruning_it_is_one_level():
    task = linear_task()
    rules = PruningSettings(schedule="one_shot_equal_compute", max_levels=0)
    (level,) = imp(small_network(task), task, training(), rules)
    assert level.is_last
    assert level.curve.step[-1] == STEPS


@pytest.mark.parametrize("rewind", ["init", "step:7", "none"])
@pytest.mark.parametrize("kernel", ["dense", "csr"])
def test_it_resumes_bit_for_bit(tmp_path, rewind, kernel):
    settings, rules = training(kernel=kernel, **RATES["cosine"]), pruning(rewind=rewind)
    task = linear_task()
    expected = list(imp(small_network(task), task, settings, rules, seed=5))
    for moment in ((0, 9), (1, 10), (1, 47)):
        found = []

        def stop(progress, moment=moment):
            if (progress.level, progress.trainer.step) == moment:
                write_checkpoint(tmp_path, progress)
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            for level in imp(small_network(task), task, settings, rules, seed=5, on_step=stop):
                found.append(level)
        assert len(found) == moment[0]
        start, checkpoint = found[-1] if found else None, read_checkpoint(tmp_path)
        found += imp(small_network(task), task, settings, rules, seed=5, start=start, checkpoint=checkpoint)
        (tmp_path / CHECKPOINT).unlink()
        for mine, other in zip(found, expected, strict=True):
            assert mine.curve == other.curve, moment
            assert all(torch.equal(mine.final[name], value) for name, value in other.final.items()), moment


def test_several_networks_are_trained_as_long():
    settings, rules = training(kernel="dense"), pruning(rewind="step:7")
    tasks = [linear_task(seed=seed) for seed in range(2)]
    replicates = [
        Replicate(network=small_network(task, seed), task=task, seed=seed) for seed, task in enumerate(tasks)
    ]
    found = list(imp_together(replicates, settings, rules))
    assert [position for position, _ in found] == [0, 1, 0, 1]
    for position, task in enumerate(tasks):
        alone = list(imp(small_network(task, position), task, settings, rules, seed=position))
        ours = [level for which, level in found if which == position]
        for mine, other in zip(ours, alone, strict=True):
            assert mine.curve.step == other.curve.step
            assert mine.curve.learning_rate == other.curve.learning_rate
            torch.testing.assert_close(mine.final, other.final, rtol=1e-4, atol=1e-6)


def test_batches_are_those_of_later_steps():
    drawn = []

    class Recording(type(linear_task())):
        def batch_rows(self, seed, step, batch_size):
            drawn.append(step)
            return super().batch_rows(seed, step, batch_size)

    task = Recording(**vars(linear_task()))
    list(imp(small_network(task), task, training(kernel="dense"), pruning()))
    ups = list(itertools.groupby(drawn[-5 * STEPS :], key=lambda step: step))
    assert [step for step, _ in ups] == [*range(STEPS), *range(4 * STEPS)]
