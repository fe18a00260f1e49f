"""The schedule is right if the loop, which removes weights one level after another, agrees to the weight."""

import itertools
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from sparsight.errors import InputError
from sparsight.network import linear_layers
from sparsight.prune import PruningSettings, Schedule, dense_masks, imp, overridden
from sparsight.prune._masks import prune
from sparsight.prune._schedule import groups_of, num_removed
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

TASK = linear_task(num_inputs=6, num_train=40, num_test=20)
TRAINING = TrainingSettings(steps=2, batch_size=20, learning_rate=0.05, evaluations=1)


def schedule_of(network: nn.Module, pruning: PruningSettings) -> Schedule:
    return Schedule.of({name: mask.shape for name, mask in dense_masks(network, pruning).items()}, pruning)


def densities_of(schedule):
    return [kept / schedule.num_weights for kept in schedule.num_kept()]


def counts(masks, groups):
    return [sum(int(masks[name].sum()) for name in group) for group in groups]


def random_pruning(**settings):
    """Random scores tie nowhere, and any criterion removes as many."""
    return PruningSettings(criterion="random", **settings)


pruning_settings = st.builds(
    random_pruning,
    schedule=st.sampled_from(["iterative", "one_shot", "one_shot_equal_compute"]),
    rate=st.integers(5, 95).map(lambda percent: percent / 100),
    max_levels=st.integers(0, 6),
    min_density=st.sampled_from([0.02, 0.1, 0.25, 0.5, 1.0]),
    scope=st.sampled_from(["global", "layer"]),
    prune_output=st.booleans(),
    prune_biases=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(pruning_settings, st.lists(st.integers(1, 9), max_size=2).map(tuple))
def test_predicted_counts_are_those_of_the_loop(pruning, widths):
    network = small_network(TASK, widths=widths)
    schedule = schedule_of(network, pruning)
    try:
        schedule.check_that_it_ends()
    except InputError:
        with pytest.raises(InputError, match="cannot be reached"):
            next(imp(network, TASK, TRAINING, pruning))
        return
    levels = list(imp(network, TASK, TRAINING, pruning))
    realised = [sum(int(mask.sum()) for mask in level.masks.values()) for level in levels]
    assert schedule.num_kept() == realised
    assert densities_of(schedule) == [level.density for level in levels]
    assert [level.is_last for level in levels] == [False] * (len(levels) - 1) + [True]


@settings(max_examples=200, deadline=None)
@given(pruning_settings, st.lists(st.integers(1, 400), min_size=1, max_size=4))
def test_predicted_counts_are_those_of_masks_pruned_one_after_another(pruning, sizes):
    """Without training, so that many sizes can be tried: every level loses what its groups lose."""
    masks = {
        f"layer_{number}.weight": torch.ones(size, dtype=torch.bool) for number, size in enumerate(sizes)
    }
    schedule = Schedule.of({name: mask.shape for name, mask in masks.items()}, pruning)
    groups = groups_of(list(masks), pruning.scope)
    generator = torch.Generator().manual_seed(0)
    realised, level = [], 0
    while True:
        kept = counts(masks, groups)
        realised.append(sum(kept))
        if schedule.is_last(level, sum(kept)):
            break
        rounds = schedule.rounds_after(level)
        scores = {name: torch.rand(mask.shape, generator=generator) for name, mask in masks.items()}
        masks = prune(scores, masks, schedule.kept_at(level + 1))
        for _ in range(rounds):
            kept = [number - num_removed(pruning.rate, number) for number in kept]
        assert counts(masks, groups) == kept
        level += 1
    assert schedule.num_kept() == realised


def test_layers_rounded_down_one_by_one_can_need_a_level_more():
    """128-64-32, with a rate of 0.3 down to 2 %: twelve levels if ranked together, thirteen by layer."""
    shapes = {"linear_0.weight": (64, 128), "linear_1.weight": (32, 64)}
    together, by_layer = (
        Schedule.of(shapes, PruningSettings(rate=0.3, min_density=0.02, scope=scope))
        for scope in ("global", "layer")
    )
    assert (len(together.num_kept()), len(by_layer.num_kept())) == (12, 13)
    assert densities_of(by_layer)[-2] > 0.02 >= densities_of(by_layer)[-1]


def test_one_shot_ends_where_iterative_pruning_ends():
    shapes = {"linear_0.weight": (30, 40), "linear_0.bias": (30,), "linear_1.weight": (7, 30)}
    for scope in ("global", "layer"):
        iterative, one_shot = (
            Schedule.of(shapes, PruningSettings(rate=0.37, scope=scope, schedule=schedule)).num_kept()
            for schedule in ("iterative", "one_shot")
        )
        assert one_shot == [iterative[0], iterative[-1]]


def test_groups_hold_weights_and_biases_of_a_layer():
    names = [f"{layer}.{kind}" for layer in linear_layers(small_network(TASK)) for kind in ("weight", "bias")]
    assert groups_of(names, "global") == [names]
    assert groups_of(names, "layer") == [names[:2], names[2:]]


@pytest.mark.parametrize("distribution", ["global", "uniform", "erk"])
def test_the_loop_keeps_the_floor_of_inputs_and_counts_as_predicted(distribution):
    pruning = PruningSettings(
        distribution=distribution, rate=0.6, min_inputs_per_unit=2, min_density=0.35, prune_output=True
    )
    network = small_network(TASK, widths=(9, 5))
    schedule, levels = schedule_of(network, pruning), list(imp(network, TASK, TRAINING, pruning))
    assert schedule.num_kept() == [sum(int(mask.sum()) for mask in level.masks.values()) for level in levels]
    assert all(mask.sum(dim=1).min() >= 2 for level in levels for mask in level.next_masks.values())


def test_a_floor_that_keeps_more_than_the_least_density_is_refused():
    network = small_network(TASK, widths=(9, 5))
    pruning = PruningSettings(min_inputs_per_unit=2, min_density=0.1, prune_output=True)
    # 9 · 2 + 5 · 2 + 2 · 2 of 9 · 6 + 5 · 9 + 2 · 5
    with pytest.raises(InputError, match="min_inputs_per_unit 2 keeps 32 of 109 weights; change that or"):
        next(imp(network, TASK, TRAINING, pruning))
    wide = PruningSettings(min_inputs_per_unit=99, max_levels=0)
    assert schedule_of(network, wide).num_kept() == [99]  # all inputs of the two hidden layers


@pytest.mark.parametrize("prune_biases", [False, True])
@pytest.mark.parametrize("distribution", ["uniform", "erk", {"linear_0": 0.3, "linear_1": 0.5}])
def test_units_lose_all_inputs_or_none_and_counts_are_as_predicted(distribution, prune_biases):
    pruning = PruningSettings(
        distribution=distribution, granularity="unit", rate=0.4, max_levels=5, prune_biases=prune_biases
    )
    network = small_network(TASK, widths=(9, 5))
    schedule, levels = schedule_of(network, pruning), list(imp(network, TASK, TRAINING, pruning))
    assert schedule.num_kept() == [sum(int(mask.sum()) for mask in level.masks.values()) for level in levels]
    assert levels[-1].density < 0.6
    single = schedule_of(network, pruning.model_copy(update={"granularity": "weight"}))
    for level in levels:
        for layer, inputs in (("linear_0", 6), ("linear_1", 9)):
            weight, following = level.masks[f"{layer}.weight"], level.next_masks[f"{layer}.weight"]
            stays = weight.any(dim=1)
            assert torch.equal(weight, stays[:, None].expand_as(weight))
            names = tuple(name for name in level.masks if name.startswith(layer))
            of_unit = inputs + prune_biases
            assert int(stays.sum()) == max(-(-single.kept_at(level.index)[names] // of_unit), 1)
            size = level.final[f"{layer}.weight"].abs()
            if prune_biases:
                assert torch.equal(level.masks[f"{layer}.bias"], stays)
                size = torch.cat([size, level.final[f"{layer}.bias"].abs()[:, None]], dim=1)
            norms, kept = size.sum(dim=1), following.any(dim=1)
            if (stays & ~kept).any():
                assert norms[kept].min() >= norms[stays & ~kept].max()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "distribution is 'global': units of different layers.*set distribution to 'uniform'"),
        ({"distribution": "erk", "prune_output": True}, "would remove classes: set it to false"),
        ({"distribution": "erk", "min_inputs_per_unit": 2}, "is for single weights, but granularity"),
        ({"masks_from": "imp"}, "granularity has no effect beside masks_from"),
    ],
)
def test_units_that_cannot_be_removed_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        PruningSettings(granularity="unit", **fields)


def test_units_that_cannot_become_as_few_as_wanted_are_refused():
    pruning = PruningSettings(granularity="unit", scope="layer", min_density=0.1)
    with pytest.raises(InputError, match="'unit' keeps one unit a layer, which has 15 of 99 weights"):
        schedule_of(small_network(TASK, widths=(9, 5)), pruning).check_that_it_ends()


def test_a_cubic_schedule_has_the_closed_form():
    """1000 weights to 10 % in four rounds: 100 + 900 · (1, 27/64, 8/64, 1/64, 0), rounded down."""
    cubic = Schedule.of(
        {"a.weight": (10, 100)}, PruningSettings(schedule="cubic", max_levels=4, min_density=0.1)
    )
    assert cubic.num_kept() == [1000, 479, 212, 114, 100]
    assert cubic.kept_at(5) == {("a.weight",): 100}
    assert [cubic.stretch(2), cubic.rounds_after(0)] == [1, 1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=4),
    st.integers(0, 9),
    st.sampled_from([0.02, 0.25, 1.0]),
    st.sampled_from(["global", "uniform", "erk"]),
)
def test_a_cubic_schedule_rounds_the_closed_form_down(sizes, num_rounds, least, distribution):
    pruning = PruningSettings(
        schedule="cubic", max_levels=num_rounds, min_density=least, distribution=distribution
    )
    cubic = Schedule.of({f"layer_{n}.weight": (1, size) for n, size in enumerate(sizes)}, pruning)
    cubic.check_that_it_ends()
    groups = sizes if distribution == "uniform" else [sum(sizes)]
    ends = [max(int(Fraction(str(least)) * size), 1) for size in groups]
    expected = [
        sum(
            end + (size - end) * (num_rounds - level) ** 3 // max(num_rounds, 1) ** 3
            for size, end in zip(groups, ends, strict=True)
        )
        for level in range(num_rounds + 1)
    ]
    found = cubic.num_kept()
    if num_rounds:
        assert found == expected[: len(found)]
        assert len(found) == num_rounds + 1 or found[-1] <= least * sum(sizes)


def test_gradual_pruning_trains_on_between_rounds_and_reaches_its_density():
    pruning = PruningSettings(
        schedule="cubic", max_levels=4, min_density=0.1, distribution="erk", rewind="none"
    )
    network = small_network(TASK, widths=(9, 5))
    schedule, levels = schedule_of(network, pruning), list(imp(network, TASK, TRAINING, pruning))
    assert schedule.num_kept() == [sum(int(mask.sum()) for mask in level.masks.values()) for level in levels]
    assert schedule.num_kept()[-1] == 9  # ⌊0.1 · 99⌋
    for before, after in itertools.pairwise(levels):
        for name, mask in after.masks.items():
            assert torch.equal(after.initial[name], before.final[name] * mask)


def test_a_table_is_reached_by_a_cubic_schedule():
    table = PruningSettings(schedule="cubic", max_levels=3, distribution={"a": 0.2, "b": 0.5})
    cubic = Schedule.of({"a.weight": (10, 10), "b.weight": (4, 5)}, table)
    assert cubic.num_kept() == [120, 30 + 90 * 8 // 27, 30 + 90 // 27, 30]
    assert list(cubic.kept_at(3).values()) == [20, 10]


def test_a_rate_beside_a_cubic_schedule_is_refused_and_not_written():
    with pytest.raises(ValueError, match="rate has no effect with schedule = 'cubic'.*leave one of the two"):
        PruningSettings(schedule="cubic", rate=0.2)
    assert "rate" not in PruningSettings(schedule="cubic").model_dump()
    assert overridden({"rate": 0.2, "scope": "global"}, {"schedule": "cubic"}) == {"scope": "global"}
