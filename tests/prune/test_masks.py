from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.prune._masks import density, prune, remove_lowest
from sparsight.prune._schedule import groups_of, num_removed
from tests.pruned_counts import num_kept_by_level

rates = st.integers(1, 99).map(lambda percent: percent / 100)


def kept_after(masks, rate, scope="global", rounds=1):
    """What rounds of one rate leave of each group."""
    return {
        tuple(names): num_kept_by_level(sum(int(masks[name].sum()) for name in names), rate, rounds)[-1]
        for names in groups_of(list(masks), scope)
    }


@given(rates, st.integers(0, 10**9))
def test_num_removed_is_the_floor_in_decimal(rate, kept):
    assert num_removed(rate, kept) == Fraction(str(rate)) * kept // 1


def test_num_removed_is_not_the_floor_in_floating_point():
    assert num_removed(0.29, 100) == 29
    assert int(0.29 * 100) == 28


def test_num_kept_by_level_of_a_hand_computed_case():
    assert num_kept_by_level(10, 0.3, 4) == [10, 7, 5, 4, 3]


@st.composite
def scored_masks(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    stream = np.random.default_rng(seed)
    masks, scores = {}, {}
    for layer in range(draw(st.integers(1, 3))):
        shape = tuple(stream.integers(1, 9, 2))
        masks[f"layer_{layer}.weight"] = torch.from_numpy(
            stream.random(shape) < draw(st.sampled_from([0, 0.4, 1]))
        )
        values = stream.integers(0, 4, shape) if draw(st.booleans()) else stream.normal(size=shape)
        scores[f"layer_{layer}.weight"] = torch.from_numpy(np.asarray(values, dtype=np.float32))
    return scores, masks


@given(scored_masks(), rates, st.sampled_from(["global", "layer"]), st.integers(1, 4))
def test_prune_removes_exactly_the_count_and_nothing_comes_back(case, rate, scope, rounds):
    scores, masks = case
    new = prune(scores, masks, kept_after(masks, rate, scope, rounds))
    groups = [list(masks)] if scope == "global" else [[name] for name in masks]
    for names in groups:
        before = sum(int(masks[name].sum()) for name in names)
        after = sum(int(new[name].sum()) for name in names)
        assert after == num_kept_by_level(before, rate, rounds)[-1]
    for name in masks:
        assert not (new[name] & ~masks[name]).any()
        assert new[name].shape == masks[name].shape


@given(scored_masks(), rates)
def test_prune_removes_the_lowest_first_and_ties_by_index(case, rate):
    scores, masks = case
    new = prune(scores, masks, kept_after(masks, rate))
    entries = [
        (float(scores[name].reshape(-1)[index]), layer, index)
        for layer, name in enumerate(masks)
        for index in masks[name].reshape(-1).nonzero().squeeze(1).tolist()
    ]
    removed = sorted(entries)[: num_removed(rate, len(entries))]
    names = list(masks)
    expected = {name: mask.clone() for name, mask in masks.items()}
    for _, layer, index in removed:
        expected[names[layer]].view(-1)[index] = False
    assert all(torch.equal(expected[name], new[name]) for name in names)


@given(scored_masks(), st.floats(0.1, 100))
def test_masks_do_not_depend_on_the_scale_of_scores(case, scale):
    scores, masks = case
    exact = {name: score.double().round(decimals=2) for name, score in scores.items()}
    scaled = {name: score * 2.0 ** round(scale) for name, score in exact.items()}
    first, second = (prune(s, masks, kept_after(masks, 0.3)) for s in (exact, scaled))
    assert all(torch.equal(first[name], second[name]) for name in masks)


def test_what_is_removed_already_does_not_matter_even_if_nan():
    scores = {"a.weight": torch.tensor([[1.0, torch.nan, 3.0, 2.0]])}
    masks = {"a.weight": torch.tensor([[True, False, True, True]])}
    assert remove_lowest(scores, masks, 2)["a.weight"].tolist() == [[False, False, True, False]]
    assert masks["a.weight"].sum() == 3


def test_density_counts_every_prunable_entry():
    masks = {"a.weight": torch.tensor([[True, False]]), "b.weight": torch.ones(3, 2, dtype=torch.bool)}
    assert density(masks) == 7 / 8


@pytest.mark.parametrize(
    ("scores", "number", "message"),
    [
        ({"b.weight": torch.ones(1, 2)}, 1, "give one of each"),
        ({"a.weight": torch.ones(2, 1)}, 1, "have shape"),
        ({"a.weight": torch.tensor([[torch.nan, 1]])}, 1, "must rank every kept weight"),
        ({"a.weight": torch.ones(1, 2)}, 3, "num_to_remove is 3; 0 to 2"),
    ],
)
def test_remove_lowest_refuses_scores_that_do_not_fit(scores, number, message):
    with pytest.raises(InputError, match=message):
        remove_lowest(scores, {"a.weight": torch.ones(1, 2, dtype=torch.bool)}, number)


@given(scored_masks(), st.integers(0, 6), st.data())
def test_a_floor_of_inputs_holds_the_highest_of_each_unit(case, floor, data):
    """Beside brute force: weights go one by one, the lowest first, unless their unit is down to the floor."""
    scores, masks = case
    left = {name: mask.clone() for name, mask in masks.items()}
    entries = sorted(
        (float(scores[name][unit, column]), layer, unit, column)
        for layer, name in enumerate(masks)
        for unit, column in masks[name].nonzero().tolist()
    )
    names = list(masks)
    removable = sum(max(int(row.sum()) - floor, 0) for mask in masks.values() for row in mask)
    number = data.draw(st.integers(0, removable))
    to_go = number
    for _, layer, unit, column in entries:
        row = left[names[layer]][unit]
        if to_go and row.sum() > floor:
            row[column] = False
            to_go -= 1
    new = remove_lowest(scores, masks, number, min_inputs_per_unit=floor)
    assert all(torch.equal(new[name], left[name]) for name in masks)
    with pytest.raises(InputError, match=f"num_to_remove is {removable + 1}; 0 to {removable}"):
        remove_lowest(scores, masks, removable + 1, min_inputs_per_unit=floor)


def test_biases_have_no_floor():
    scores = {"a.weight": torch.ones(2, 2), "a.bias": torch.zeros(2)}
    masks = {name: torch.ones_like(value, dtype=torch.bool) for name, value in scores.items()}
    new = remove_lowest(scores, masks, 4, min_inputs_per_unit=1)
    assert new["a.weight"].sum(1).tolist() == [1, 1]
    assert not new["a.bias"].any()
