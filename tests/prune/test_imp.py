import inspect
import itertools

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sparsight.errors import InputError
from sparsight.prune import PruningSettings, check_settings, criterion, imp
from sparsight.prune.criteria._registry import CRITERIA
from sparsight.train import Trainer, TrainingSettings
from tests.pruned_counts import num_kept_by_level
from tests.toy import linear_task, small_network

TRAINING = TrainingSettings(steps=30, batch_size=32, learning_rate=0.1, momentum=0.9, weight_decay=1e-3)


def levels_of(pruning, training=TRAINING, network=None, **arguments):
    task = linear_task()
    network = network or small_network(task, batch_norm="hidden")
    return list(imp(network, task, training, PruningSettings(**pruning), **arguments))


@pytest.mark.parametrize("criterion_name", ["magnitude", "random"])
@pytest.mark.parametrize("rewind", ["init", "step:7", "lr", "none"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_counts_are_exact_masks_shrink_and_removed_weights_are_zero(criterion_name, rewind, scope):
    levels = levels_of(
        {"criterion": criterion_name, "rewind": rewind, "scope": scope, "max_levels": 4, "prune_output": True}
    )
    sizes = {"linear_0.weight": 24 * 12, "linear_1.weight": 2 * 12}
    groups = [list(sizes)] if scope == "global" else [[name] for name in sizes]
    for names in groups:
        kept = [sum(int(level.masks[name].sum()) for name in names) for level in levels]
        assert kept == num_kept_by_level(sum(sizes[name] for name in names), 0.3, 4)
    for level in levels:
        for name, mask in level.masks.items():
            assert not (level.next_masks[name] & ~mask).any()
            assert not level.final[name][~mask].any()
            assert not level.initial[name][~mask].any()
    for level, following in itertools.pairwise(levels):
        assert all(torch.equal(level.next_masks[name], following.masks[name]) for name in level.masks)


@pytest.mark.parametrize("rewind", ["init", "step:7"])
def test_surviving_weights_go_back_to_the_saved_ones_bit_for_bit(rewind):
    task = linear_task()
    network = small_network(task, batch_norm="hidden")
    step = 0 if rewind == "init" else 7
    trainer = Trainer(small_network(task, batch_norm="hidden"), task, TRAINING, {}, seed=3)
    trainer.run(step)
    saved = trainer.network.state_dict()
    for level in list(imp(network, task, TRAINING, PruningSettings(rewind=rewind, max_levels=3), seed=3))[1:]:
        for name, value in level.initial.items():
            kept = level.masks.get(name, torch.ones_like(value, dtype=torch.bool))
            assert torch.equal(value[kept], saved[name][kept]), name


@pytest.mark.parametrize("rewind", ["lr", "none"])
def test_weights_stay_where_nothing_is_rewound(rewind):
    levels = levels_of({"rewind": rewind, "max_levels": 3})
    for level, following in itertools.pairwise(levels):
        kept = following.masks["linear_0.weight"]
        assert torch.equal(following.initial["linear_0.weight"][kept], level.final["linear_0.weight"][kept])


def test_magnitude_keeps_the_largest_weights():
    for level in levels_of({"max_levels": 3}):
        size = level.final["linear_0.weight"].abs()
        kept, mask = level.next_masks["linear_0.weight"], level.masks["linear_0.weight"]
        assert size[kept].min() >= size[mask & ~kept].max()


def test_one_shot_ends_at_the_density_of_the_named_level():
    iterative = levels_of({"max_levels": 6})
    one_shot = levels_of({"max_levels": 6, "schedule": "one_shot"})
    assert [level.index for level in one_shot] == [0, 1]
    assert one_shot[1].density == iterative[6].density
    assert one_shot[1].is_last


def test_level_0_is_plain_training():
    task = linear_task()
    network = small_network(task)
    trainer = Trainer(small_network(task), task, TRAINING, {}, seed=5)
    trainer.run()
    (level,) = imp(network, task, TRAINING, PruningSettings(max_levels=0), seed=5)
    assert all(torch.equal(value, trainer.network.state_dict()[name]) for name, value in level.final.items())
    assert level.curve == trainer.curve


def test_the_given_network_is_left_unchanged():
    task = linear_task()
    network = small_network(task)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    list(imp(network, task, TRAINING, PruningSettings(max_levels=2)))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("rewind", ["init", "step:7", "lr", "none"])
def test_a_loop_resumed_after_a_level_is_one_that_never_stopped(rewind):
    pruning = {"rewind": rewind, "max_levels": 4}
    whole = levels_of(pruning)
    for stopped_after in (0, 2, 4):
        rest = levels_of(pruning, start=whole[stopped_after])
        assert [level.index for level in rest] == list(range(stopped_after + 1, 5))
        for ours, theirs in zip(rest, whole[stopped_after + 1 :], strict=True):
            assert all(torch.equal(ours.final[name], theirs.final[name]) for name in theirs.final)
            assert ours.curve == theirs.curve


def test_the_loop_stops_at_the_first_level_at_or_under_min_density():
    levels = levels_of({"min_density": 0.35, "max_levels": 20})
    assert levels[-1].density <= 0.35 < levels[-2].density
    assert [level.is_last for level in levels] == [False] * (len(levels) - 1) + [True]


def test_the_loop_stops_when_too_few_units_are_connected():
    levels = levels_of(
        {"min_connected_fraction": 0.9, "max_levels": 30, "min_density": 0.02, "prune_output": True}
    )
    assert levels[-1].density > 0.02


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_a_network_that_has_lost_every_path_trains_on_without_nan(batch_norm):
    network = small_network(linear_task(), batch_norm=batch_norm)
    levels = levels_of(
        {"criterion": "random", "rate": 0.9, "max_levels": 3, "min_density": 0.004, "prune_output": True},
        network=network,
    )
    for level in levels:
        assert all(value.isfinite().all() for value in level.final.values())


def test_biases_are_pruned_and_counted_only_if_asked():
    without = levels_of({"max_levels": 1})
    with_biases = levels_of({"max_levels": 1, "prune_biases": True})
    assert set(without[0].masks) == {"linear_0.weight"}
    assert set(with_biases[0].masks) == {"linear_0.weight", "linear_0.bias"}
    assert (
        sum(int(mask.sum()) for mask in with_biases[1].masks.values())
        == num_kept_by_level(24 * 12 + 12, 0.3, 1)[1]
    )


def test_any_module_is_pruned_in_the_layers_named():
    network = nn.Sequential(
        nn.Unflatten(1, (1, 24)), nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(44, 8), nn.ReLU()
    )
    network.append(nn.Linear(8, 2))
    levels = levels_of({"max_levels": 2}, network=network, layers=["3"])
    assert set(levels[0].masks) == {"3.weight"}
    assert int(levels[2].masks["3.weight"].sum()) == num_kept_by_level(44 * 8, 0.3, 2)[2]
    assert levels[2].final["1.weight"].all()


def test_a_criterion_of_your_own_takes_a_few_lines():
    @criterion("first of its kind")
    def largest_first(trained):
        return {name: -value.abs() for name, value in trained.parameters().items()}

    try:
        levels = levels_of({"criterion": "first of its kind", "max_levels": 1})
    finally:
        del CRITERIA["first of its kind"]
    size = levels[0].final["linear_0.weight"].abs()
    kept = levels[0].next_masks["linear_0.weight"]
    assert size[kept].max() <= size[~kept].min()


def test_a_name_is_registered_once():
    with pytest.raises(InputError, match="'magnitude' is registered already"):
        criterion("magnitude")(lambda trained: {})


@pytest.mark.parametrize(
    ("pruning", "message"),
    [
        ({"rewind": "step:30"}, "training has 30 steps; choose K below 30"),
        ({"rate": 0.01, "min_density": 0.1, "max_levels": 900}, "cannot be reached"),
    ],
)
def test_settings_that_would_fail_later_are_refused_before_the_first_step(pruning, message):
    with pytest.raises(InputError, match=message):
        levels_of(pruning)


def test_an_unknown_layer_is_refused():
    with pytest.raises(InputError, match="'linear_7' is no layer of this network; .* choose from linear_0"):
        levels_of({}, layers=["linear_7"])
    with pytest.raises(InputError, match="name at least one"):
        levels_of({}, layers=[])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"criterion": "magnitud"}, "no criterion is called 'magnitud'; did you mean magnitude\\?"),
        ({"rewind": "step:0"}, "whole number K above 0"),
        ({"rate": 0}, "greater than 0"),
        ({"rate": 1}, "less than 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PruningSettings(**settings)


def test_a_loader_in_place_of_a_task_is_refused_with_the_call_to_make():
    loader = DataLoader(TensorDataset(torch.ones(4, 3), torch.tensor([0, 1, 0, 1])))
    check = inspect.unwrap(check_settings)  # the tests' check of types would come first
    with pytest.raises(
        InputError, match=r"task is a DataLoader; .* make one with Task.from_dataset\(train, test"
    ):
        check({}, loader, TRAINING, PruningSettings())
