"""Rearranged masks: what each permutation keeps, and what it destroys."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import locality
from sparsight.prune import CompactWindows, PruningSettings, RearrangedMasks

GEOMETRY = Geometry(2, (5, 6))
SHAPES = {"linear_0.weight": (9, 60), "linear_0.bias": (9,), "linear_1.weight": (4, 9)}
HOWS = ["layer", "unit", "rows_columns", "pixels"]


def nested_masks(seed):
    """Three levels of masks whose units and inputs have very different numbers of weights."""
    stream = np.random.default_rng(seed)
    ranks = {name: stream.random(shape) ** np.linspace(0.2, 3, shape[-1]) for name, shape in SHAPES.items()}
    return [
        {name: torch.from_numpy(rank <= quantile) for name, rank in ranks.items()}
        for quantile in (1.0, 0.6, 0.2)
    ]


def rearranged(masks, how, seed=3, geometry=GEOMETRY):
    source = RearrangedMasks(source=masks, how=how, seed=seed, geometry=geometry)
    return [source.masks(level) for level in range(source.num_levels)]


@given(seed=st.integers(0, 1000), how=st.sampled_from(HOWS))
@settings(max_examples=40, deadline=None)
def test_levels_stay_nested_counts_stay_and_dense_stays_dense(seed, how):
    masks = nested_masks(seed)
    changed = rearranged(masks, how, seed)
    assert all(mask.all() for mask in changed[0].values())
    for before, after in itertools.pairwise(changed):
        for name, mask in after.items():
            assert not (mask & ~before[name]).any()
    for old, new in zip(masks, changed, strict=True):
        for name, mask in old.items():
            assert new[name].dtype == torch.bool
            assert new[name].shape == mask.shape
            assert new[name].sum() == mask.sum()
    assert not torch.equal(changed[1]["linear_0.weight"], masks[1]["linear_0.weight"])


def sums(mask, axis):
    return mask.sum(axis).tolist()


def overlaps(mask):
    return (mask.double() @ mask.double().T).flatten().sort().values


def test_each_permutation_keeps_what_it_says_and_nothing_more():
    masks = nested_masks(0)[1]
    mask = masks["linear_0.weight"]
    new = {how: rearranged([masks], how)[0] for how in HOWS}
    first = {how: each["linear_0.weight"] for how, each in new.items()}
    assert sums(first["unit"], 1) == sums(mask, 1)
    assert sums(first["unit"], 0) != sums(mask, 0)
    assert sums(first["layer"], 1) != sums(mask, 1)
    for axis in (0, 1):
        assert sums(first["rows_columns"], axis) != sums(mask, axis)
        assert sorted(sums(first["rows_columns"], axis)) == sorted(sums(mask, axis))
    assert torch.equal(overlaps(first["rows_columns"]), overlaps(mask))
    assert not torch.equal(overlaps(first["unit"]), overlaps(mask))
    # a bias goes with its unit
    with_bias = [
        sorted(zip(sums(each["linear_0.weight"], 1), each["linear_0.bias"].tolist(), strict=True))
        for each in (masks, new["rows_columns"])
    ]
    assert with_bias[0] == with_bias[1]
    # pixels: every pair of units still shares the same number of inputs, and of every pixel the same channels
    assert torch.equal((first["pixels"].int() @ first["pixels"].int().T), mask.int() @ mask.int().T)
    by_pixel = [each.view(9, 2, 30).permute(2, 0, 1).flatten(1) for each in (mask, first["pixels"])]
    assert sorted(map(tuple, by_pixel[0].tolist())) == sorted(map(tuple, by_pixel[1].tolist()))
    assert torch.equal(new["pixels"]["linear_1.weight"], masks["linear_1.weight"])


def test_pixels_destroy_the_locality_of_windows_that_overlaps_of_units_do_not_see():
    geometry = Geometry(1, (96,), wraps=True)
    pruning = PruningSettings(masks_from="windows", max_levels=5)
    windows = CompactWindows(shapes={"linear_0.weight": (64, 96)}, geometry=geometry, pruning=pruning, seed=1)
    mask = windows.masks(5)["linear_0.weight"]
    moved = RearrangedMasks(source=windows, how="pixels", seed=1, geometry=geometry).masks(5)[
        "linear_0.weight"
    ]
    assert torch.equal(moved.int() @ moved.int().T, mask.int() @ mask.int().T)
    assert locality(mask, geometry).near > 4
    assert locality(moved, geometry).near == pytest.approx(1, abs=0.25)


def test_replicates_differ_and_repeat():
    masks = nested_masks(0)
    for how in HOWS:
        one, again, other = (rearranged(masks, how, seed)[1]["linear_0.weight"] for seed in (1, 1, 2))
        assert torch.equal(one, again)
        assert not torch.equal(one, other)


def test_none_changes_nothing():
    masks = nested_masks(0)
    for old, new in zip(masks, rearranged(masks, "none"), strict=True):
        assert all(torch.equal(new[name], mask) for name, mask in old.items())


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="rearranged is 'rows'; allowed are none, pixels, layer"):
        rearranged(nested_masks(0), "rows")
    with pytest.raises(
        InputError, match="reads the 30 inputs of the geometry, but linear_0.weight has shape"
    ):
        rearranged(nested_masks(0), "pixels", geometry=Geometry(1, (5, 6)))
