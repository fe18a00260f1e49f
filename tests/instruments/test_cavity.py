import numpy as np
import pytest
import torch

from sparsight.geometry import Geometry
from sparsight.instruments import INSTRUMENTS, Observation
from sparsight.instruments._cavity import measure_cavity
from sparsight.measure import (
    cavity,
    contrast,
    distance_from_centre,
    joint_cavity,
    matched_contrast,
    mean_of_defined,
    rank_correlations,
)
from sparsight.streams import generator

NUM_UNITS, NUM_SAMPLES, GEOMETRY = 6, 500, Geometry(2, (3, 4))
NUM_INPUTS = GEOMETRY.num_inputs
DEAD, ONE_INPUT = 2, 4
MAPS = ("delta_kurtosis", "delta_abs_kurtosis", "delta_skewness", "delta_negentropy")
STORED = MAPS[:2]


def observation(**changes):
    """A layer with a dead unit, one of a single input, and a class of one sample beside an empty one."""
    random = generator(0, "cavity", "observation")
    mask = random.random((NUM_UNITS, NUM_INPUTS)) < 0.6
    mask[DEAD], mask[ONE_INPUT] = False, np.arange(NUM_INPUTS) == 3
    weight = np.where(mask, random.standard_normal(mask.shape), 0).astype(np.float32)
    labels = random.integers(0, 2, NUM_SAMPLES)
    labels[7] = 2
    fields = {
        "layer": "hidden.0",
        "depth": 0,
        "level": 3,
        "seed": 11,
        "weight": weight,
        "bias": None,
        "mask": mask,
        "next_mask": mask & (random.random(mask.shape) < 0.7),
        "inputs": torch.from_numpy(random.laplace(size=(NUM_SAMPLES, NUM_INPUTS)).astype(np.float32)),
        "labels": torch.from_numpy(labels),
        "twin_inputs": None,
        "geometry": GEOMETRY,
        "paths": mask.astype(np.float64),
        "num_classes": 4,
    }
    return Observation(**(fields | changes))


def values(o):
    return {name: quantity.value for name, quantity in measure_cavity(o).items()}


def test_cavity_instrument_is_registered():
    assert INSTRUMENTS["cavity"] is measure_cavity


@pytest.mark.parametrize("depth", [0, 1])
def test_cavity_instrument_states_dims_and_definition(depth):
    sizes = {"unit": NUM_UNITS, "input": NUM_INPUTS, "class": 4}
    quantities = measure_cavity(observation(depth=depth))
    for name, quantity in quantities.items():
        assert np.shape(quantity.value) == tuple(sizes[dim] for dim in quantity.dims), name
        assert quantity.definition
        assert isinstance(quantity.value, float) == (quantity.dims == ()), name
    assert ("delta_kurtosis_correlation_with_distance" in quantities) == (depth == 0)


@pytest.mark.parametrize("name", MAPS)
def test_cavity_instrument_equals_the_functions(name):
    o = observation()
    found = values(o)
    pruned = o.mask & ~o.next_mask
    single = cavity(o.weight, o.inputs, mask=o.mask, dtype="float64")
    delta = getattr(single, name)
    assert (name in found) == (name in STORED)
    if name in STORED:
        np.testing.assert_allclose(found[name], delta, atol=1e-4)
        assert found[name].dtype == np.float32
    np.testing.assert_allclose(found["excess_kurtosis_per_unit"], single.excess_kurtosis, atol=1e-4)
    matched = matched_contrast(delta, np.abs(o.weight), o.next_mask, pruned)
    for prefix, expected in ((name, contrast(delta, o.next_mask, pruned)), (f"{name}_matched", matched)):
        for part in ("kept", "pruned", "difference", "auc"):
            assert found[f"{prefix}_{part}"] == pytest.approx(getattr(expected, part), abs=1e-4), (
                prefix,
                part,
            )
    assert found["num_matched"] == matched.num_matched
    assert found["matched_magnitude_ratio"] == pytest.approx(matched.magnitude_ratio)
    joint = joint_cavity(o.weight, o.inputs, pruned, mask=o.mask, dtype="float64")
    together, added = getattr(joint, name), getattr(joint, name.replace("delta", "first_order"))
    np.testing.assert_allclose(found[f"{name}_joint_per_unit"], together, atol=1e-4)
    np.testing.assert_allclose(found[f"{name}_first_order_per_unit"], added, atol=1e-4)
    loses = (joint.num_removed > 0) & ~np.isnan(together)
    assert found[f"{name}_joint"] == pytest.approx(together[loses].mean(), abs=1e-4)
    assert found[f"{name}_first_order"] == pytest.approx(added[loses].mean(), abs=1e-4)
    distance = distance_from_centre(o.weight**2, o.geometry)
    expected = rank_correlations([delta], [np.abs(o.weight).astype(float), distance], o.mask)[0]
    assert found[f"{name}_correlation_with_magnitude"] == pytest.approx(expected[0], abs=1e-3)
    assert found[f"{name}_correlation_with_distance"] == pytest.approx(expected[1], abs=1e-3)


def test_classes_are_measured_alone_and_small_ones_are_undefined():
    o = observation()
    found = values(o)
    pruned = o.mask & ~o.next_mask
    for name in MAPS:
        for group, chosen in (("kept", o.next_mask), ("pruned", pruned)):
            per_class = found[f"{name}_{group}_per_class"]
            for label in (0, 1):
                alone = cavity(o.weight, o.inputs[o.labels == label], mask=o.mask, dtype="float64")
                assert per_class[label] == pytest.approx(
                    mean_of_defined(getattr(alone, name)[chosen]), abs=1e-4
                )
            assert np.isnan(per_class[2:]).all()  # one sample, and none
            assert found[f"{name}_{group}_within_class"] == pytest.approx(per_class[:2].mean())
    assert found["num_undefined"] == 1  # the only weight of its unit
    assert found["num_undefined_per_class"].tolist() == [1, 1, o.mask.sum(), o.mask.sum()]


def test_a_level_that_prunes_nothing_has_no_contrast():
    o = observation()
    found = values(observation(next_mask=o.mask))
    assert np.isfinite(found["delta_kurtosis_kept"])
    for part in ("pruned", "difference", "auc", "matched_difference", "joint", "first_order"):
        assert np.isnan(found[f"delta_kurtosis_{part}"]), part
    assert found["num_matched"] == 0


def test_a_layer_without_weights_is_undefined_throughout():
    nothing = np.zeros((NUM_UNITS, NUM_INPUTS), bool)
    found = values(observation(weight=nothing.astype(np.float32), mask=nothing, next_mask=nothing))
    assert (found["delta_kurtosis"] == 0).all()
    assert found["num_undefined"] == 0
    assert np.isnan(found["delta_kurtosis_kept"])
    assert np.isnan(found["delta_kurtosis_correlation_with_magnitude"])
