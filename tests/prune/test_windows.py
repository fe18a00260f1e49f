"""Compact windows against brute force."""

import itertools
import math

import numpy as np
import pytest
import torch

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import locality
from sparsight.prune import CompactWindows, PruningSettings
from tests.pruned_counts import num_kept_by_level

GEOMETRIES = [
    Geometry(1, (31,), wraps=True),
    Geometry(1, (30,)),
    Geometry(3, (7, 8)),
    Geometry(2, (8, 8), wraps=True),
]


def windows(geometry, num_units=10, seed=0, **pruning):
    shapes = {"linear_0.weight": (num_units, geometry.num_inputs), "linear_1.weight": (40, num_units)}
    settings = PruningSettings(masks_from="windows", **{"max_levels": 8, "min_density": 0.05, **pruning})
    return CompactWindows(shapes=shapes, geometry=geometry, pruning=settings, seed=seed)


def distance(geometry, one, other):
    offsets = [abs(a - b) for a, b in zip(one, other, strict=True)]
    if geometry.wraps:
        offsets = [min(offset, n - offset) for offset, n in zip(offsets, geometry.size, strict=True)]
    return math.hypot(*offsets)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_unit_keeps_the_inputs_nearest_to_one_centre_at_all_levels(geometry):
    source, pixels = windows(geometry), geometry.positions().tolist()
    levels = [source.masks(level)["linear_0.weight"] for level in range(source.num_levels)]
    for unit in range(10):
        kept_pixels = [mask[unit].view(geometry.channels, -1).any(0) for mask in levels]
        centres = []
        for centre in pixels:
            distances = np.array([distance(geometry, centre, pixel) for pixel in pixels])
            nearest_first = all(
                distances[kept.numpy()].max() <= distances[~kept.numpy()].min(initial=np.inf) + 1e-9
                for kept in kept_pixels
            )
            centres.append(nearest_first)
        assert any(centres), unit
    # a pixel enters with all its channels: at most one is there in part
    for mask in levels:
        per_pixel = mask.view(10, geometry.channels, -1).sum(1)
        assert (((per_pixel > 0) & (per_pixel < geometry.channels)).sum(1) <= 1).all()


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_counts_are_those_of_iterative_pruning_within_layers_and_fan_in_is_equal(geometry):
    source = windows(geometry)
    assert source.num_levels > 5
    for level in range(source.num_levels + 1):
        for mask in source.masks(level).values():
            assert int(mask.sum()) == num_kept_by_level(mask.numel(), 0.3, level)[-1]
        fan_in = source.masks(level)["linear_0.weight"].sum(1)
        assert fan_in.max() - fan_in.min() <= 1
    for before, after in itertools.pairwise(source.masks(level) for level in range(source.num_levels + 1)):
        assert not any((after[name] & ~before[name]).any() for name in after)


def test_one_shot_has_the_last_density_of_iterative_at_its_second_level():
    iterative, one_shot = windows(GEOMETRIES[0]), windows(GEOMETRIES[0], schedule="one_shot")
    assert one_shot.num_levels == 2
    last = iterative.masks(iterative.num_levels - 1)
    assert all(torch.equal(mask, last[name]) for name, mask in one_shot.masks(1).items())
    assert all(mask.all() for mask in one_shot.masks(0).values())


def test_windows_are_as_compact_as_can_be_and_deeper_layers_are_not():
    geometry = Geometry(1, (96,), wraps=True)
    source = windows(geometry, num_units=64, max_levels=9, min_density=0.02)
    for level in (4, 9):
        mask = source.masks(level)["linear_0.weight"]
        jumps = (mask != mask.roll(1, dims=1)).sum(1)
        assert (jumps == 2).all()  # one interval of the ring
    found = locality(source.masks(9)["linear_0.weight"], geometry)
    assert found.near > 10
    assert found.far < 0.05
    hidden = locality(source.masks(5)["linear_1.weight"], Geometry(1, (64,), wraps=True))
    assert hidden.near == pytest.approx(1, abs=0.3)


def test_centres_differ_between_units_and_replicates():
    first, again, other = (
        windows(GEOMETRIES[0], seed=seed).masks(6)["linear_0.weight"] for seed in (0, 0, 1)
    )
    assert len({tuple(row) for row in first.tolist()}) > 5
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_first_layer_without_the_geometry_is_refused():
    settings = PruningSettings(masks_from="windows")
    with pytest.raises(
        InputError, match="reads the 24 inputs of the geometry, but linear_0.weight has shape"
    ):
        CompactWindows(
            shapes={"linear_0.weight": (4, 25)}, geometry=Geometry(1, (24,)), pruning=settings, seed=0
        )
    with pytest.raises(InputError, match="min_density 0.02 cannot be reached"):
        CompactWindows(
            shapes={"linear_0.weight": (1, 24)}, geometry=Geometry(1, (24,)), pruning=settings, seed=0
        )
