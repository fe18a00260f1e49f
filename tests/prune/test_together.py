"""The rounds of several networks at once: each is what `imp` makes of it alone."""

import itertools

import pytest
import torch

from sparsight.errors import DivergenceError, InputError
from sparsight.prune import Checkpoint, PruningSettings, Replicate, imp, imp_together
from sparsight.prune.criteria._registry import CRITERIA
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

NUM = 3
STEPS = 20


def training(**settings):
    chosen = {"steps": STEPS, "batch_size": 32, "learning_rate": 0.05, "evaluations": 3, "kernel": "dense"}
    return TrainingSettings(**{**chosen, **settings})


def replicates(starts=None, checkpoints=None, dtype=torch.float32):
    starts, checkpoints = starts or {}, checkpoints or {}
    return [
        Replicate(
            network=small_network(linear_task(seed=seed), seed, batch_norm="hidden").to(dtype),
            task=linear_task(seed=seed),
            seed=seed,
            start=starts.get(seed),
            checkpoint=checkpoints.get(seed),
        )
        for seed in range(NUM)
    ]


def together(settings, pruning, **options):
    """Return the levels, or what ended them, of each replicate."""
    found = {position: [] for position in range(NUM)}
    for position, level in imp_together(replicates(**options), settings, pruning):
        found[position].append(level)
    return found


def assert_equal(ours, theirs):
    assert [level.index for level in ours] == [level.index for level in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.curve == other.curve
        assert mine.is_last == other.is_last
        for name, value in other.final.items():
            assert torch.equal(mine.final[name], value), (mine.index, name)
        for name, mask in other.next_masks.items():
            assert torch.equal(mine.next_masks[name], mask), (mine.index, name)


@pytest.mark.parametrize("rewind", ["init", "step:7", "lr", "none"])
@pytest.mark.parametrize("schedule", ["iterative", "one_shot", "one_shot_equal_compute"])
def test_every_replicate_is_what_imp_makes_of_it_alone(rewind, schedule):
    settings = training(momentum=0.9)
    pruning = PruningSettings(rewind=rewind, schedule=schedule, max_levels=3, prune_biases=True)
    found = together(settings, pruning)
    for one in replicates():
        alone = list(imp(one.network, one.task, settings, pruning, seed=one.seed))
        for ours, theirs in zip(found[one.seed], alone, strict=True):
            assert (ours.index, ours.is_last, ours.seed) == (theirs.index, theirs.is_last, theirs.seed)
            assert ours.kernels == theirs.kernels
            assert ours.density == theirs.density
            assert (ours.rewind is None) == (theirs.rewind is None)
            for name, mask in ours.masks.items():
                assert torch.equal(mask, theirs.masks[name])
                assert not ours.final[name][~mask].any()
                assert not ours.initial[name][~mask].any()
            torch.testing.assert_close(ours.final, theirs.final, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(ours.initial, theirs.initial, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("criterion", ["random", "snip", "grasp", "synflow", "movement", "cavity"])
def test_criteria_see_a_level_as_they_see_it_alone(criterion):
    assert criterion in CRITERIA
    pruning = PruningSettings(criterion=criterion, max_levels=1)
    found = together(training(), pruning)
    for one in replicates():
        alone = list(imp(one.network, one.task, training(), pruning, seed=one.seed))
        for ours, theirs in zip(found[one.seed], alone, strict=True):
            assert all(torch.equal(mask, theirs.masks[name]) for name, mask in ours.masks.items())


def test_the_networks_given_are_left_as_they_were():
    given = replicates()
    before = [{name: value.clone() for name, value in each.network.state_dict().items()} for each in given]
    list(imp_together(given, training(), PruningSettings(max_levels=1)))
    for each, state in zip(given, before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in each.network.state_dict().items())


@pytest.mark.parametrize("rewind", ["init", "step:7", "lr", "none"])
@pytest.mark.parametrize("optimizer", [{"momentum": 0.9, "nesterov": True}, {"optimizer": "adam"}])
def test_replicates_at_different_places_go_on_as_if_they_had_never_stopped(rewind, optimizer):
    """One from a level, one from the middle of another, one from the beginning."""
    settings, pruning = training(**optimizer), PruningSettings(rewind=rewind, max_levels=3)
    checkpoints = {}

    def save(progress):
        for position, each in progress.items():
            tensors, facts = each.trainer.state()
            checkpoints[position, each.level, each.trainer.step] = Checkpoint(
                each.level, tensors, facts, each.rewind
            )

    expected = {position: [] for position in range(NUM)}
    for position, level in imp_together(replicates(), settings, pruning, on_step=save):
        expected[position].append(level)
    for middle, step in itertools.product((0, 1), (6, 7, 8, 15)):
        if (1, middle, step) not in checkpoints:  # a level that is rewound begins at step 7
            continue
        starts = {0: expected[0][1]} | ({1: expected[1][middle - 1]} if middle else {})
        found = together(settings, pruning, starts=starts, checkpoints={1: checkpoints[1, middle, step]})
        assert_equal(found[0], expected[0][2:])
        assert_equal(found[1], expected[1][middle:])
        assert_equal(found[2], expected[2])


def test_one_that_diverges_ends_alone():
    settings, pruning = training(loss="mse"), PruningSettings(max_levels=2)
    expected = together(settings, pruning)
    given = replicates()
    with torch.no_grad():
        given[1].network.linear_1.weight.mul_(1e30)
    found = {position: [] for position in range(NUM)}
    for position, level in imp_together(given, settings, pruning):
        found[position].append(level)
    (error,) = found[1]
    assert isinstance(error, DivergenceError)
    with pytest.raises(DivergenceError, match="lower training.learning_rate") as alone:
        list(imp(given[1].network, given[1].task, settings, pruning, seed=1))
    assert str(error).partition(" at ")[2] == str(alone.value).partition(" at ")[2]
    for position in (0, 2):
        assert_equal(found[position], expected[position])


def test_replicates_may_end_at_different_levels():
    pruning = PruningSettings(
        criterion="random",
        rate=0.3,
        min_connected_fraction=0.8,
        max_levels=12,
        prune_output=True,
        min_density=0.03,
    )
    found = together(training(), pruning)
    ends = {position: levels[-1].index for position, levels in found.items()}
    assert all(levels[-1].is_last for levels in found.values())
    assert len(set(ends.values())) > 1
    for one in replicates():
        *_, last = imp(one.network, one.task, training(), pruning, seed=one.seed)
        assert last.index == ends[one.seed]


def test_networks_of_different_architectures_are_refused():
    given = replicates()
    wider = small_network(linear_task(), widths=(13,), batch_norm="hidden")
    odd = Replicate(network=wider, task=linear_task(), seed=7)
    with pytest.raises(InputError, match="network 3 differs from network 0 in the shape.* of linear_0.bias"):
        next(imp_together([*given, odd], training(), PruningSettings()))
    with pytest.raises(InputError, match="give at least one"):
        next(imp_together([], training(), PruningSettings()))


def test_the_sparse_step_is_refused():
    with pytest.raises(InputError, match="training.kernel is 'csr'.*choose 'auto' or 'dense'"):
        next(imp_together(replicates(), training(kernel="csr"), PruningSettings()))


def test_a_checkpoint_on_kept_weights_is_begun_again():
    settings = training(kernel="csr")
    kept = {}

    def save(progress):
        tensors, facts = progress.trainer.state()
        kept[progress.level, progress.trainer.step] = Checkpoint(
            progress.level, tensors, facts, progress.rewind
        )

    one = replicates()[0]
    first, *_ = imp(one.network, one.task, settings, PruningSettings(max_levels=1), seed=0, on_step=save)
    assert kept[1, 5].facts["layers_on_kept_weights"]
    options = {"starts": {0: first}, "checkpoints": {0: kept[1, 5]}}
    found = together(training(), PruningSettings(max_levels=1), **options)
    without = together(training(), PruningSettings(max_levels=1), starts={0: first})
    assert_equal(found[0], without[0])
