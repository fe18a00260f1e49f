"""The controls of both cavity instruments, against the functions and against planted cases."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsight.geometry import Geometry
from sparsight.instruments import INSTRUMENTS, Observation
from sparsight.measure import (
    cavity,
    kurtosis_parts,
    locality,
    random_kept,
    size_shuffled,
    threshold_contrast,
    varying_inputs,
)
from sparsight.streams import derived_seed

COMPARED = ("delta_kurtosis", "delta_abs_kurtosis")
PARTS = ("cumulant", "dilution")
INSTRUMENT_NAMES = ("cavity", "cavity_within_class")


def observed(weight, inputs, labels=None, *, mask=None, next_mask=None, share_pruned=0.2, **changes):
    """A layer pruned by size, unless the mask that is kept is given."""
    mask = np.ones(weight.shape, bool) if mask is None else mask
    weight = np.where(mask, weight, 0).astype(np.float32)
    if next_mask is None:
        next_mask = mask & (np.abs(weight) > np.quantile(np.abs(weight[mask]), share_pruned))
    labels = np.arange(len(inputs)) % 2 if labels is None else labels
    fields = {
        "layer": "fc",
        "depth": 0,
        "level": 2,
        "seed": 5,
        "weight": weight,
        "bias": None,
        "mask": mask,
        "next_mask": next_mask,
        "inputs": torch.from_numpy(inputs.astype(np.float32)),
        "labels": torch.from_numpy(labels),
        "twin_inputs": None,
        "geometry": Geometry(1, (weight.shape[1],)),
        "paths": mask.astype(float),
        "num_classes": 2,
    }
    return Observation(**(fields | changes))


def example(seed=0, **changes):
    stream = np.random.default_rng(seed)
    inputs = stream.laplace(size=(600, 40)) * (1 + np.arange(600) % 2)[:, None]
    inputs[:, 7] = 0.5
    weight = stream.normal(size=(30, 40))
    return observed(weight, inputs, mask=stream.random(weight.shape) < 0.8, share_pruned=0.5, **changes)


def maps_of(o, weight, name, inputs=None, labels=None):
    """Maps by the definition of each instrument, in float64."""
    inputs, labels = o.inputs if inputs is None else inputs, o.labels if labels is None else labels
    if name == "cavity":
        found = [cavity(weight, inputs, mask=o.mask, dtype="float64")]
    else:
        found = [cavity(weight, inputs[labels == c], mask=o.mask, dtype="float64") for c in (0, 1)]
    maps = {each: np.mean([getattr(f, each) for f in found], axis=0) for each in COMPARED}
    parts = [kurtosis_parts(f) for f in found]
    return maps | {
        part: np.mean([getattr(p, part) for p in parts], axis=0) for part in ("cumulant", "dilution")
    }


def difference(delta, kept, pruned):
    return np.nanmean(delta[kept]) - np.nanmean(delta[pruned])


@pytest.mark.parametrize("name", INSTRUMENT_NAMES)
def test_controls_equal_the_functions(name):
    o = example()
    found = {key: quantity.value for key, quantity in INSTRUMENTS[name](o).items()}
    own = maps_of(o, o.weight, name)
    seed = derived_seed(o.seed, "cavity", o.layer, o.level)
    moved = [
        size_shuffled(o.weight, o.mask, o.next_mask, varying_inputs(o.inputs), seed=seed, draw=draw)
        for draw in (0, 1)
    ]
    for s in COMPARED:
        shuffled = np.mean([difference(maps_of(o, w, name)[s], kept, o.mask & ~kept) for w, kept in moved])
        assert found[f"{s}_difference_size_shuffled"] == pytest.approx(shuffled, abs=1e-5)
        beyond = difference(own[s], o.next_mask, o.pruned) - shuffled
        assert found[f"{s}_difference_beyond_size_shuffled"] == pytest.approx(beyond, abs=1e-5)
        at = threshold_contrast(own[s], np.abs(o.weight), o.next_mask, o.pruned)
        assert found[f"{s}_threshold_jump"] == pytest.approx(at.jump, abs=1e-4)
        assert found["threshold_num_pairs"] == at.num_pairs >= 50
    for part in ("cumulant", "dilution"):
        expected = difference(own[part], o.next_mask, o.pruned)
        assert found[f"delta_kurtosis_{part}_difference"] == pytest.approx(expected, abs=1e-4)
    total = found["delta_kurtosis_cumulant_difference"] + found["delta_kurtosis_dilution_difference"]
    assert total == pytest.approx(found["delta_kurtosis_difference"], abs=1e-6)


def test_random_kept_sets_equal_the_functions():
    o = example()
    found = {key: quantity.value for key, quantity in INSTRUMENTS["cavity_within_class"](o).items()}
    own, seed = maps_of(o, o.weight, "cavity_within_class"), derived_seed(5, "cavity", "fc", 2)
    sets = [random_kept(o.mask, o.next_mask, seed=seed, draw=draw) for draw in range(20)]
    for s in COMPARED:
        expected = np.mean([difference(own[s], kept, o.mask & ~kept) for kept in sets])
        assert found[f"{s}_difference_random_kept"] == pytest.approx(expected, abs=1e-4)
        pruned = o.mask & ~sets[0]
        per_unit = [difference(d, k, p) for d, k, p in zip(own[s], sets[0], pruned, strict=True)]
        np.testing.assert_allclose(found[f"{s}_difference_per_unit_random_kept"], per_unit, atol=1e-4)
    near = locality(sets[0], o.geometry).near_per_unit
    np.testing.assert_array_equal(found["near_per_unit_random_kept"], near)
    deeper = INSTRUMENTS["cavity_within_class"](replace(o, depth=1))
    assert "near_per_unit_random_kept" not in deeper


def test_twin_has_its_own_labels():
    o = example()
    stream = np.random.default_rng(1)
    twin = torch.from_numpy(stream.normal(size=(500, 40)).astype(np.float32))
    labels = torch.from_numpy(stream.integers(0, 2, 500))
    found = INSTRUMENTS["cavity_within_class"](replace(o, twin_inputs=twin, twin_labels=labels))
    expected = maps_of(o, o.weight, "cavity_within_class", twin, labels)
    own = maps_of(o, o.weight, "cavity_within_class")
    for s in COMPARED:
        on_twin = difference(expected[s], o.next_mask, o.pruned)
        assert found[f"{s}_difference_twin"].value == pytest.approx(on_twin, abs=1e-4)
        beyond = difference(own[s], o.next_mask, o.pruned) - on_twin
        assert found[f"{s}_difference_beyond_twin"].value == pytest.approx(beyond, abs=1e-4)


@pytest.mark.parametrize("name", INSTRUMENT_NAMES)
def test_a_level_that_prunes_nothing_has_no_controls(name):
    o = example()
    found = INSTRUMENTS[name](replace(o, next_mask=o.mask))
    for s in COMPARED:
        for control in ("difference_size_shuffled", "difference_beyond_size_shuffled", "threshold_jump"):
            assert np.isnan(found[f"{s}_{control}"].value), control
    assert found["threshold_num_pairs"].value == 0
    assert np.isnan(found["delta_kurtosis_dilution_difference"].value)


@pytest.mark.parametrize("name", INSTRUMENT_NAMES)
@pytest.mark.parametrize(
    ("old", "new"),
    [("difference", "difference_beyond_size_shuffled"), ("matched_difference", "threshold_jump")],
)
def test_selection_by_size_alone_fools_the_old_numbers_only(name, old, new):
    """Independent ±1 inputs, untrained weights, pruned by size: Δ|κ| depends on |w| only."""
    patterns = np.array(list(itertools.product([-1.0, 1.0], repeat=13)))
    inputs, labels = np.repeat(patterns, 2, axis=0), np.arange(2 * len(patterns)) % 2
    stream = np.random.default_rng(0)
    weight = stream.uniform(0.2, 1, (400, 13)) * stream.choice([-1, 1], (400, 13))
    found = INSTRUMENTS[name](observed(weight, inputs, labels, share_pruned=0.5))
    fooled, not_fooled = (found[f"delta_abs_kurtosis_{each}"].value for each in (old, new))
    assert fooled < -0.001
    assert abs(not_fooled) < 0.1 * abs(fooled)


@pytest.mark.parametrize("name", INSTRUMENT_NAMES)
def test_an_effect_of_the_inputs_is_a_jump_at_the_threshold(name):
    """Inputs of kept weights are sparse, those of pruned ones Gaussian, and sizes hardly differ."""
    stream = np.random.default_rng(0)
    kept = np.tile(np.arange(12) < 6, (60, 1))
    weight = stream.uniform(1.001, 1.1, kept.shape)
    weight = np.where(kept, weight, 1 / weight)
    inputs = stream.normal(size=(20_000, 12))
    inputs[:, :6] *= 10**0.5 * (stream.random((20_000, 6)) < 0.1)
    found = INSTRUMENTS[name](observed(weight, inputs, next_mask=kept))
    whole = found["delta_kurtosis_difference"].value
    assert whole > 0.1
    assert found["delta_kurtosis_threshold_jump"].value == pytest.approx(whole, rel=0.3)
    assert found["delta_kurtosis_cumulant_difference"].value > 0.1
