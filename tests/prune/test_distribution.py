"""Densities by layer: against the formula, a solution by bisection, and seats given one by one."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings, strategies as st

from sparsight.errors import InputError
from sparsight.prune import PruningSettings, Schedule, imp
from sparsight.prune._distribution import proportion, shared_out
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network

TASK = linear_task(num_inputs=24, num_train=40, num_test=20)
TRAINING = TrainingSettings(steps=2, batch_size=20, learning_rate=0.05, evaluations=1)
THREE = {"a.weight": (300, 784), "b.weight": (100, 300), "c.weight": (10, 100)}

layer_shapes = st.lists(
    st.lists(st.integers(1, 40), min_size=2, max_size=4).map(tuple), min_size=1, max_size=5
)


def by_hand(total, shares, caps):
    """Each of `total` to the layer with the largest share / (2k + 1) that is not full; ties to the first."""
    given_so_far = [0] * len(shares)
    for _ in range(total):
        quotients = [
            Fraction(share, 2 * number + 1) if number < cap else -1
            for share, cap, number in zip(shares, caps, given_so_far, strict=True)
        ]
        given_so_far[quotients.index(max(quotients))] += 1
    return given_so_far


def by_bisection(total, shares, caps):
    low, high = 0.0, max(cap / share for cap, share in zip(caps, shares, strict=True))
    for _ in range(200):
        middle = (low + high) / 2
        reached = sum(min(cap, middle * share) for share, cap in zip(shares, caps, strict=True))
        low, high = (middle, high) if reached < total else (low, middle)
    return high


def schedule(shapes, **pruning):
    return Schedule.of(shapes, PruningSettings(**pruning))


def counts(schedule, level):
    return list(schedule.kept_at(level).values())


@settings(max_examples=150, deadline=None)
@given(layer_shapes, st.fractions(0, 1))
def test_the_scale_of_erk_solves_its_equation(shapes, density):
    shares, caps = [sum(shape) for shape in shapes], [math.prod(shape) for shape in shapes]
    total = int(density * sum(caps))
    scale = proportion(total, shares, caps)
    assert sum(min(cap, scale * share) for share, cap in zip(shares, caps, strict=True)) == total
    if 0 < total < sum(caps):
        assert float(scale) == pytest.approx(by_bisection(total, shares, caps), rel=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=5),
    st.fractions(0, 1),
)
def test_weights_are_shared_out_as_one_by_one_by_hand(layers, part):
    shares, caps = (list(each) for each in zip(*layers, strict=True))
    shares = [share if cap else 0 for share, cap in layers]
    full = sum(cap for share, cap in zip(shares, caps, strict=True) if share)
    total = int(part * full)
    found = shared_out(total, shares, caps)
    assert found == by_hand(total, shares, caps)
    assert sum(found) == total
    if total < full:
        more = shared_out(total + 1, shares, caps)
        assert all(after >= before for before, after in zip(found, more, strict=True))


def test_what_cannot_be_shared_out_is_refused():
    for function in (proportion, shared_out):
        with pytest.raises(InputError, match=r"total is 11; 0 to 10 \(all weights\) is allowed"):
            function(11, [3, 2], [6, 4])


def test_erk_densities_of_a_network_are_those_of_the_formula():
    """784-300-100-10 at 10 %: the last layer is dense, the others share what it leaves."""
    levels = schedule(THREE, distribution="erk", schedule="one_shot", rate=0.9, max_levels=1)
    kept = counts(levels, 1)
    sides, sizes = [1084, 400, 110], [235200, 30000, 1000]
    assert sum(kept) == 26620
    scale = (26620 - 1000) / (1084 + 400)
    assert scale * 110 > 1000
    for number, side, size in zip(kept, sides, sizes, strict=True):
        assert number == pytest.approx(min(size, scale * side), abs=0.5)


def test_erk_counts_the_sides_of_kernels():
    kernels = {"a.weight": (8, 3, 5, 5), "b.weight": (16, 8, 3, 3)}
    kept = counts(schedule(kernels, distribution="erk", schedule="one_shot", rate=0.5, max_levels=1), 1)
    scale = (600 + 1152) / 2 / (21 + 30)
    assert kept == [pytest.approx(21 * scale, abs=0.5), pytest.approx(30 * scale, abs=0.5)]


@settings(max_examples=60, deadline=None)
@given(layer_shapes, st.sampled_from([0.1, 0.3, 0.7]))
def test_erk_keeps_as_many_weights_as_one_ranking_of_all_and_no_layer_gains(shapes, rate):
    named = {f"layer_{number}.weight": shape for number, shape in enumerate(shapes)}
    together, erk = (schedule(named, distribution=how, rate=rate, max_levels=12) for how in ("global", "erk"))
    assert erk.num_kept() == together.num_kept()
    for before, after in itertools.pairwise(counts(erk, level) for level in range(13)):
        assert all(a <= b for a, b in zip(after, before, strict=True))


@settings(max_examples=60, deadline=None)
@given(layer_shapes, st.data(), st.sampled_from([0.1, 0.3, 0.7]))
def test_a_table_ends_at_its_densities_and_layers_lose_equal_shares_on_the_way(shapes, data, rate):
    named = {f"layer_{number}.weight": shape for number, shape in enumerate(shapes)}
    densities = {
        name.removesuffix(".weight"): data.draw(st.sampled_from([0.01, 0.25, 0.5, 1.0])) for name in named
    }
    levels = schedule(named, distribution=densities, rate=rate, max_levels=200)
    sizes = [math.prod(shape) for shape in shapes]
    ends = [math.floor(size * density + 0.5) for size, density in zip(sizes, densities.values(), strict=True)]
    to_lose = [size - end for size, end in zip(sizes, ends, strict=True)]
    try:
        levels.check_that_it_ends()
    except InputError as error:
        assert "pruning.distribution cannot be reached" in str(error)  # noqa: PT017
        return
    num_levels = len(levels.num_kept())
    assert counts(levels, num_levels - 1) == ends
    assert counts(levels, num_levels) == ends
    for level in range(num_levels):
        lost = [size - kept for size, kept in zip(sizes, counts(levels, level), strict=True)]
        # There is one share of which every layer has lost its part, rounded to the nearest whole number.
        pairs = [pair for pair in zip(lost, to_lose, strict=True) if pair[1]]
        least = max((Fraction(2 * gone - 1, 2 * number) for gone, number in pairs), default=0)
        most = min((Fraction(2 * gone + 1, 2 * number) for gone, number in pairs), default=0)
        assert least <= most


def test_the_loop_keeps_what_the_distribution_says():
    network = small_network(TASK, widths=(12, 8))
    by_erk = PruningSettings(distribution="erk", max_levels=4, prune_output=True)
    by_table = PruningSettings(
        distribution={"linear_0": 0.1, "linear_1": 0.5, "linear_2": 1}, prune_output=True
    )
    shapes = {"linear_0.weight": (12, 24), "linear_1.weight": (8, 12), "linear_2.weight": (2, 8)}
    for pruning in (by_erk, by_table):
        levels, expected = list(imp(network, TASK, TRAINING, pruning)), Schedule.of(shapes, pruning)
        for level in levels:
            kept = [int(mask.sum()) for mask in level.masks.values()]
            assert kept == counts(expected, level.index)
        assert [level.density for level in levels] == [
            number / expected.num_weights for number in expected.num_kept()
        ]
    assert kept == [29, 48, 16]
    assert levels[-1].is_last


def test_names_of_one_distribution_are_one():
    """`scope` and `distribution` say the same where both can, and so have one hash."""
    for scope, distribution in (("global", "global"), ("layer", "uniform")):
        pairs = [
            PruningSettings(scope=scope),
            PruningSettings(distribution=distribution),
            PruningSettings(scope=scope, distribution=distribution),
        ]
        assert len({each.model_dump_json() for each in pairs}) == 1
        assert pairs[0] == pairs[1] == pairs[2]
        assert "distribution" not in pairs[0].model_dump()
    assert PruningSettings(distribution="erk").scope == "layer"
    assert "scope" not in PruningSettings(distribution="erk").model_dump()


@pytest.mark.parametrize(
    ("given_fields", "message"),
    [
        ({"distribution": "kernel"}, "choose one of global, uniform, erk, or give a table"),
        ({"distribution": 0.1}, "choose one of global, uniform, erk, or give a table"),
        ({"distribution": {}}, "give a density to every layer"),
        ({"distribution": {"a": 0}}, "the density of 'a' is 0; a number above 0, at most 1"),
        ({"distribution": {"a": True}}, "the density of 'a' is True"),
        ({"distribution": {"a": "0.1"}}, "the density of 'a' is '0.1'"),
        ({"distribution": {"a": float("nan")}}, "the density of 'a' is nan"),
        ({"distribution": "erk", "scope": "global"}, "ranks weights with scope = 'layer', but scope"),
        ({"distribution": "global", "scope": "layer"}, "ranks weights with scope = 'global', but scope"),
        ({"distribution": {"a": 0.1}, "min_density": 0.1}, "min_density has no effect beside"),
        ({"distribution": "erk", "masks_from": "imp"}, "distribution has no effect beside masks_from"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(given_fields, message):
    with pytest.raises(ValueError, match=message):
        PruningSettings(**given_fields)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"linear_0": 0.1, "linear_9": 0.1},
            "'linear_9', which is no layer that is pruned: choose from linear_0",
        ),
        ({"linear_0": 0.1}, r"lacks linear_1: give a density to every layer that is pruned \(1 keeps all"),
    ],
)
def test_a_table_of_other_layers_is_refused_before_training(table, message):
    network = small_network(TASK, widths=(12, 8))
    with pytest.raises(InputError, match=message):
        next(imp(network, TASK, TRAINING, PruningSettings(distribution=table)))


def test_a_density_that_rounds_stop_short_of_is_refused():
    with pytest.raises(
        InputError, match=r"distribution cannot be reached.*raise pruning.rate or pruning.distri"
    ):
        schedule({"a.weight": (2, 5)}, distribution={"a": 0.1}, rate=0.2).check_that_it_ends()


def test_masks_of_erk_are_part_of_those_of_the_level_before():
    levels = list(imp(small_network(TASK), TASK, TRAINING, PruningSettings(distribution="erk", max_levels=5)))
    for before, after in itertools.pairwise(level.masks for level in levels):
        assert all(not torch.any(after[name] & ~before[name]) for name in before)
