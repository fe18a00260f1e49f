"""Masks that are given level by level, instead of being found."""

import dataclasses
import itertools

import pytest
import torch

from sparsight import train_masked
from sparsight.errors import InputError
from sparsight.prune import PruningSettings, Replicate, imp, imp_together, starting_state
from sparsight.store import read_checkpoint, write_checkpoint
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

TRAINING = TrainingSettings(steps=20, batch_size=32, learning_rate=0.1, momentum=0.9, weight_decay=1e-3)
TASK = linear_task()


def network(seed=0):
    return small_network(TASK, seed, batch_norm="hidden")


def levels_of(rewind="init", **arguments):
    pruning = PruningSettings(rewind=rewind, max_levels=3, prune_output=True)
    return list(imp(network(), TASK, TRAINING, pruning, seed=4, **arguments))


@pytest.fixture(scope="module")
def found():
    return levels_of()


def masks_of(levels):
    return [level.masks for level in levels]


def assert_equal(ours, theirs, *, next_masks=True):
    assert [level.index for level in ours] == [level.index for level in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.curve == other.curve
        assert mine.is_last == other.is_last
        for state in ("initial", "final"):
            for name, value in getattr(other, state).items():
                assert torch.equal(getattr(mine, state)[name], value), (mine.index, state, name)
        for name, mask in other.masks.items():
            assert torch.equal(mine.masks[name], mask)
            assert not next_masks or torch.equal(mine.next_masks[name], other.next_masks[name])


class Found:
    """The masks of levels as a source, with what is left after the last one."""

    def __init__(self, levels):
        self._levels = levels
        self.num_levels = len(levels)

    def masks(self, level):
        return self._levels[level].masks if level < self.num_levels else self._levels[-1].next_masks


@pytest.mark.parametrize("rewind", ["init", "step:7", "lr", "none"])
def test_the_masks_of_a_run_repeat_it_bit_for_bit(rewind):
    found = levels_of(rewind)
    assert len({int(level.masks["linear_0.weight"].sum()) for level in found}) == 4
    assert_equal(levels_of(rewind, masks=Found(found)), found)
    listed = levels_of(rewind, masks=masks_of(found))
    assert_equal(listed, found, next_masks=False)
    for name, mask in listed[-1].masks.items():  # nothing is pruned after the last level of a list
        assert torch.equal(listed[-1].next_masks[name], mask)


def test_the_criterion_is_not_asked(found):
    pruning = PruningSettings(criterion="random", rate=0.9, max_levels=1, prune_output=True)
    again = list(imp(network(), TASK, TRAINING, pruning, seed=4, masks=Found(found)))
    assert_equal(again, found)


def test_a_level_that_is_stopped_part_way_is_resumed_bit_for_bit(found, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(progress):
        if (progress.level, progress.trainer.step) == (2, 11):
            write_checkpoint(tmp_path, progress)
            raise StoppedError

    fresh = starting_state(network(), network(9), "signs")
    whole = levels_of(masks=Found(found), starting_state=fresh)
    levels = []
    pruning = PruningSettings(rewind="init", max_levels=3, prune_output=True)
    given = {"seed": 4, "masks": Found(found), "starting_state": fresh}
    with pytest.raises(StoppedError):
        levels.extend(imp(network(), TASK, TRAINING, pruning, on_step=stop, **given))
    assert len(levels) == 2
    levels += imp(
        network(),
        TASK,
        TRAINING,
        pruning,
        start=levels[-1],
        checkpoint=read_checkpoint(tmp_path),
        **given,
    )
    assert_equal(levels, whole)


def test_levels_after_the_first_start_from_the_starting_state(found):
    fresh = starting_state(network(), network(9), "fresh")
    levels = levels_of(masks=masks_of(found), starting_state=fresh)
    for name, value in levels[0].initial.items():
        assert torch.equal(value, network().state_dict()[name])
    for level in levels[1:]:
        for name, value in level.initial.items():
            kept = level.masks.get(name, torch.ones_like(value, dtype=torch.bool))
            assert torch.equal(value[kept], network(9).state_dict()[name][kept])
            assert not value[~kept].any()


def test_networks_trained_together_each_have_their_own_masks(found):
    random = levels_of()[:3]
    sources = [Found(found), Found(random)]
    pruning = PruningSettings(rewind="init", prune_output=True)
    replicates = [Replicate(network=network(), task=TASK, seed=4, masks=each) for each in sources]
    together = {0: [], 1: []}
    for position, level in imp_together(replicates, TRAINING, pruning):
        together[position].append(level)
    assert [len(levels) for levels in together.values()] == [4, 3]
    for mine, other in zip(together[0], found, strict=True):
        torch.testing.assert_close(mine.final, other.final, rtol=1e-4, atol=1e-5)
        assert torch.equal(mine.next_masks["linear_0.weight"], other.next_masks["linear_0.weight"])


def test_a_network_is_trained_once_with_given_masks(found):
    level = train_masked(network(), TASK, TRAINING, found[2].masks, seed=4)
    for name, value in found[
        2
    ].final.items():  # rewound to the initialisation, which is what this begins with
        assert torch.equal(level.final[name], value)
    assert level.is_last
    only = {"linear_1.weight": found[2].masks["linear_1.weight"]}
    assert list(train_masked(network(), TASK, TRAINING, only).masks) == ["linear_1.weight"]


def changed(masks, level, name, mask):
    return [each | {name: mask} if index == level else each for index, each in enumerate(masks)]


def test_masks_that_cannot_be_trained_are_refused_before_the_first_step(found):
    masks, name = masks_of(found), "linear_0.weight"
    steps = []
    for wrong, message in (
        ([], "masks are empty"),
        (changed(masks, 2, name, masks[0][name]), r"masks\[2\] keep [0-9]+ entries of linear_0.weight that"),
        (changed(masks, 1, name, masks[1][name].float()), r"masks\[1\]: masks of linear_0.weight are"),
        (changed(masks, 1, name, masks[1][name][:5]), r"masks of linear_0.weight have shape \(5, 24\)"),
        ([{name: each[name]} for each in masks], "but this network prunes linear_0.weight, linear_1.weight"),
        ([each | {"linear_7.weight": each[name]} for each in masks], "masks of level 0 are for .*linear_7"),
        ([{key: mask.T for key, mask in each.items()} for each in masks], r"level 0: .* shape \(24, 12\)"),
    ):
        with pytest.raises(InputError, match=message):
            levels_of(masks=wrong, on_step=steps.append)
    assert steps == []


def test_settings_and_arguments_that_contradict_each_other_are_refused(found):
    state, masks = starting_state(network(), network(9), "fresh"), masks_of(found)

    def train(**arguments):
        settings = {"prune_output": True} | arguments.pop("settings", {})
        next(imp(network(), TASK, TRAINING, PruningSettings(**settings), **arguments))

    with pytest.raises(InputError, match="masks_from is 'imp', but no masks are given"):
        train(settings={"masks_from": "imp"})
    with pytest.raises(InputError, match="starting_state is for given masks"):
        train(starting_state=state)
    with pytest.raises(InputError, match="pruning.rewind is 'lr'; only 'init'"):
        train(masks=masks, starting_state=state, settings={"rewind": "lr"})
    with pytest.raises(InputError, match="weights is 'signs', but no starting_state"):
        train(masks=masks, settings={"masks_from": "imp", "weights": "signs"})


def test_a_replicate_is_not_resumed_with_other_masks(found):
    other = [level.masks for level in found]
    removed = other[2]["linear_0.weight"].clone()
    removed[removed.nonzero()[0].tolist()[0]] = False
    for index in (2, 3):
        other[index] = other[index] | {"linear_0.weight": other[index]["linear_0.weight"] & removed}
    with pytest.raises(InputError, match="level 1 was stored with other masks"):
        levels_of(masks=other, start=found[1])
    last = dataclasses.replace(found[3], is_last=True)
    assert levels_of(masks=other, start=last) == []


def test_masks_of_every_level_are_part_of_those_before_and_weights_stay_zero_outside(found):
    constant = starting_state(network(), network(1), "constant")
    levels = levels_of(masks=masks_of(found), starting_state=constant)
    for before, after in itertools.pairwise(levels):
        for name, mask in after.masks.items():
            assert not (mask & ~before.masks[name]).any()
            assert not after.final[name][~mask].any()
