"""Networks that are never trained, but pruned level by level: ``training.steps = 0``."""

import itertools
from contextlib import suppress

import numpy as np
import pytest
import torch

from sparsight.errors import DivergenceError, InputError
from sparsight.prune import PruningSettings, Replicate, imp, imp_together
from sparsight.store import read_checkpoint, write_checkpoint
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

UNTRAINED = TrainingSettings(steps=0, batch_size=32)


def levels_of(training=UNTRAINED, seed=3, network=None, on_step=None, **settings):
    task = linear_task()
    rules = PruningSettings(**{"max_levels": 3, **settings})
    network = network or small_network(task, batch_norm="hidden")
    return list(imp(network, task, training, rules, seed=seed, on_step=on_step))


@pytest.mark.parametrize("rewind", ["init", "lr", "none"])
@pytest.mark.parametrize("criterion", ["magnitude", "cavity", "random", "movement"])
@pytest.mark.parametrize("kernel", ["dense", "csr"])
def test_weights_are_the_initial_ones_at_every_level(rewind, criterion, kernel):
    network = small_network(linear_task(), batch_norm="hidden")
    training = TrainingSettings(steps=0, batch_size=32, kernel=kernel, schedule="cosine", warmup_steps=3)
    levels = levels_of(training, network=network, rewind=rewind, criterion=criterion)
    assert [int(level.masks["linear_0.weight"].sum()) for level in levels] == [288, 202, 142, 100]
    for level in levels:
        for name, value in network.state_dict().items():  # running statistics of BatchNorm among them
            expected = value.masked_fill(~level.masks[name], 0) if name in level.masks else value
            assert torch.equal(level.initial[name], expected), name
            assert torch.equal(level.final[name], expected), name
    for level, following in itertools.pairwise(levels):
        assert torch.equal(level.next_masks["linear_0.weight"], following.masks["linear_0.weight"])


def test_the_curve_has_one_row_that_says_how_the_initialisation_does():
    level = levels_of()[2]
    task = linear_task()
    network = small_network(task, batch_norm="hidden").eval()
    network.load_state_dict(level.final)
    inputs, labels = task.samples("test")
    batch, batch_labels = task.batch(3, 0, 32)
    with torch.no_grad():
        outputs = network(inputs)
        loss = torch.nn.functional.cross_entropy(outputs, labels).item()
        train_loss = torch.nn.functional.cross_entropy(network(batch), batch_labels).item()
    assert level.curve.step == [0]
    assert level.curve.test_accuracy == [float((outputs.argmax(1) == labels).double().mean())]
    assert level.curve.test_loss == [pytest.approx(loss, rel=1e-5)]
    assert level.curve.train_loss == [pytest.approx(train_loss, rel=1e-5)]


def test_no_epochs_are_no_steps():
    for ours, theirs in zip(levels_of(TrainingSettings(epochs=0, batch_size=32)), levels_of(), strict=True):
        assert ours.curve == theirs.curve
        assert torch.equal(ours.next_masks["linear_0.weight"], theirs.next_masks["linear_0.weight"])


def test_rewinding_to_a_step_that_never_comes_is_refused():
    with pytest.raises(InputError, match=r"pruning.rewind is 'step:5', but training.steps .* is 0"):
        levels_of(rewind="step:5")


def test_one_shot_goes_with_it():
    for schedule in ("one_shot", "one_shot_equal_compute"):
        levels = levels_of(schedule=schedule)
        assert [level.density for level in levels] == [1.0, levels_of()[-1].density]
        assert [level.curve.step for level in levels] == [[0], [0]]


def test_every_level_is_announced_once_and_resumes_from_there(tmp_path):
    announced = []
    whole = levels_of(on_step=lambda progress: announced.append((progress.level, progress.trainer.step)))
    assert announced == [(0, 0), (1, 0), (2, 0), (3, 0)]
    task, rules = linear_task(), PruningSettings(max_levels=3)
    for stopped_in in range(4):
        found = []

        def stop(progress, stopped_in=stopped_in):
            if progress.level == stopped_in:
                write_checkpoint(tmp_path, progress)
                raise KeyboardInterrupt

        network = small_network(task, batch_norm="hidden")
        with suppress(KeyboardInterrupt):
            for level in imp(network, task, UNTRAINED, rules, seed=3, on_step=stop):
                found.append(level)
        assert len(found) == stopped_in
        start = found[-1] if found else None
        found += imp(
            network, task, UNTRAINED, rules, seed=3, start=start, checkpoint=read_checkpoint(tmp_path)
        )
        for ours, theirs in zip(found, whole, strict=True):
            assert ours.curve == theirs.curve
            assert all(torch.equal(ours.final[name], value) for name, value in theirs.final.items())
            assert torch.equal(ours.next_masks["linear_0.weight"], theirs.next_masks["linear_0.weight"])


def test_several_networks_are_what_each_is_alone():
    announced = []
    tasks = [linear_task(seed=seed) for seed in range(2)]
    networks = [small_network(task, seed, batch_norm="hidden") for seed, task in enumerate(tasks)]
    replicates = [
        Replicate(network=network, task=task, seed=seed)
        for seed, (network, task) in enumerate(zip(networks, tasks, strict=True))
    ]
    rules = PruningSettings(max_levels=2)
    found = list(
        imp_together(replicates, UNTRAINED, rules, on_step=lambda each: announced.append(list(each)))
    )
    assert announced == [[0, 1]] * 3
    for seed, (network, task) in enumerate(zip(networks, tasks, strict=True)):
        alone = list(imp(network, task, UNTRAINED, rules, seed=seed))
        ours = [level for position, level in found if position == seed]
        for mine, other in zip(ours, alone, strict=True):
            assert mine.curve == other.curve
            assert torch.equal(mine.next_masks["linear_0.weight"], other.next_masks["linear_0.weight"])


def test_an_initialisation_without_a_finite_loss_is_an_error_of_its_own():
    task = linear_task()
    networks = [small_network(task), small_network(task)]
    with torch.no_grad():
        networks[1].get_parameter("linear_0.weight").fill_(np.inf)
    with pytest.raises(DivergenceError, match="the untrained network has the loss"):
        list(imp(networks[1], task, UNTRAINED, PruningSettings(max_levels=1)))
    replicates = [Replicate(network=network, task=task, seed=0) for network in networks]
    found = list(imp_together(replicates, UNTRAINED, PruningSettings(max_levels=1)))
    assert [position for position, _ in found] == [0, 1, 0]
    assert isinstance(found[1][1], DivergenceError)
