import numpy as np
import pytest
import torch

from sparsight.geometry import Geometry
from sparsight.instruments import INSTRUMENTS, Observation
from sparsight.instruments._gaussianity import measure_gaussianity
from sparsight.measure import (
    gaussianity,
    independent_kurtosis,
    preactivation_histogram,
    preactivations,
    random_mask_weight,
    shuffled_weight,
    varying_inputs,
)
from sparsight.streams import derived_seed, generator

NUM_UNITS, NUM_INPUTS, NUM_SAMPLES = 6, 12, 400
DEAD, ONE_CONSTANT = 2, 4
STATISTICS = (
    "excess_kurtosis",
    "abs_excess_kurtosis",
    "sixth_cumulant",
    "negentropy",
    "edgeworth_negentropy",
    "spacing_negentropy",
    "ks_distance",
)


def observation(**changes):
    """A layer with a unit without inputs, one that keeps only a constant input, and a class of one sample."""
    random = generator(0, "observation")
    mask = random.random((NUM_UNITS, NUM_INPUTS)) < 0.5
    mask[DEAD], mask[ONE_CONSTANT] = False, np.arange(NUM_INPUTS) == 7
    inputs = random.standard_exponential((NUM_SAMPLES, NUM_INPUTS)).astype(np.float32)
    inputs[:, 7] = 0.3
    labels = random.integers(0, 2, NUM_SAMPLES)
    labels[5] = 2
    fields = {
        "layer": "hidden.0",
        "depth": 0,
        "level": 3,
        "seed": 11,
        "weight": np.where(mask, random.standard_normal(mask.shape), 0).astype(np.float32),
        "bias": random.standard_normal(NUM_UNITS).astype(np.float32),
        "mask": mask,
        "next_mask": mask,
        "inputs": torch.from_numpy(inputs),
        "labels": torch.from_numpy(labels),
        "twin_inputs": torch.from_numpy(random.standard_normal((300, NUM_INPUTS)).astype(np.float32)),
        "geometry": Geometry(1, (NUM_INPUTS,)),
        "paths": mask.astype(np.float64),
        "num_classes": 4,
    }
    return Observation(**(fields | changes))


def test_gaussianity_instrument_is_registered():
    assert INSTRUMENTS["gaussianity"] is measure_gaussianity


def test_gaussianity_instrument_states_dims_and_definition():
    sizes = {"unit": NUM_UNITS, "class": 4, "bin": 40}
    for name, quantity in measure_gaussianity(observation()).items():
        assert np.shape(quantity.value) == tuple(sizes[dim] for dim in quantity.dims), name
        assert quantity.definition
        assert isinstance(quantity.value, float) == (quantity.dims == ()), name


def test_gaussianity_instrument_equals_the_functions():
    o = observation()
    quantities = measure_gaussianity(o)
    seed = derived_seed(o.seed, "gaussianity", o.layer, o.level)
    varying = varying_inputs(o.inputs)
    weights = {
        "": o.weight,
        "_shuffled": shuffled_weight(o.weight, o.mask, varying, seed=seed),
        "_random_mask": random_mask_weight(o.weight, o.mask, varying, seed=seed),
    }
    defined = ~np.isin(np.arange(NUM_UNITS), (DEAD, ONE_CONSTANT))
    own = None
    for suffix, weight in weights.items():
        lambdas = o.inputs.double().numpy() @ weight.T.astype(np.float64) + o.bias
        pooled = gaussianity(lambdas)
        by_class = gaussianity(lambdas, labels=o.labels, num_classes=4)
        own = own or (pooled, by_class)
        for statistic in STATISTICS:
            expected = getattr(pooled, statistic)
            units = quantities[f"{statistic}{suffix}_per_unit"].value
            assert (np.isnan(units) == ~defined).all()
            np.testing.assert_allclose(units[defined], expected[defined], rtol=1e-3, atol=1e-5)
            assert quantities[f"{statistic}{suffix}"].value == pytest.approx(
                expected[defined].mean(), rel=1e-3
            )
            classes = quantities[f"{statistic}{suffix}_per_class"].value
            expected_classes = getattr(by_class, statistic)[:, defined].mean(axis=1)
            np.testing.assert_allclose(classes, expected_classes, rtol=1e-3, atol=1e-5)
            assert np.isnan(classes[2:]).all()
            within_class = quantities[f"{statistic}{suffix}_within_class"].value
            assert within_class == pytest.approx(expected_classes[:2].mean(), rel=1e-3, abs=1e-5)
            if suffix:
                beyond = (getattr(own[0], statistic) - expected)[defined].mean()
                assert quantities[f"{statistic}_beyond{suffix}"].value == pytest.approx(beyond, abs=1e-4)
                beyond = (getattr(own[1], statistic) - getattr(by_class, statistic))[:2, defined].mean(axis=1)
                np.testing.assert_allclose(
                    quantities[f"{statistic}_beyond{suffix}_per_class"].value[:2], beyond, atol=1e-4
                )
    twin = gaussianity(o.twin_inputs.double().numpy() @ o.weight.T)
    assert quantities["negentropy_twin"].value == pytest.approx(twin.negentropy[defined].mean(), rel=1e-3)
    assert own is not None
    np.testing.assert_allclose(quantities["mean_per_unit"].value, own[0].mean, rtol=1e-4)
    np.testing.assert_allclose(quantities["variance_per_unit"].value, own[0].variance, rtol=1e-4, atol=1e-9)


def test_gaussianity_instrument_separates_classes_that_are_gaussian_but_differ_in_variance():
    random = generator(0, "mixture")
    labels = random.integers(0, 2, 4000)
    sds = np.array([1.0, 3.0])
    inputs, twin = (
        (sds[labels][:, None] * random.standard_normal((4000, NUM_INPUTS))).astype(np.float32)
        for _ in range(2)
    )
    quantities = measure_gaussianity(
        observation(
            inputs=torch.from_numpy(inputs),
            twin_inputs=torch.from_numpy(twin),
            labels=torch.from_numpy(labels),
            num_classes=2,
        )
    )
    mixture = 3 * (sds**4).mean() / (sds**2).mean() ** 2 - 3  # of two equally frequent Gaussians
    assert quantities["excess_kurtosis"].value == pytest.approx(mixture, abs=0.3)
    assert quantities["excess_kurtosis_beyond_twin"].value == pytest.approx(0, abs=0.3)
    assert quantities["excess_kurtosis_within_class"].value == pytest.approx(0, abs=0.1)
    assert quantities["num_undefined"].value == 1  # input 7 varies here


def test_gaussianity_instrument_counts_undefined_units():
    quantities = measure_gaussianity(observation())
    assert quantities["num_undefined"].value == 2
    np.testing.assert_array_equal(quantities["num_undefined_per_class"].value, [2, 2, NUM_UNITS, NUM_UNITS])


def test_gaussianity_instrument_of_a_severed_layer_is_undefined_everywhere():
    severed = np.zeros((NUM_UNITS, NUM_INPUTS), bool)
    o = observation(mask=severed, weight=severed.astype(np.float32), bias=None, twin_inputs=None)
    quantities = measure_gaussianity(o)
    assert quantities["num_undefined"].value == NUM_UNITS
    assert np.isnan(quantities["excess_kurtosis"].value)
    assert np.isnan(quantities["excess_kurtosis_beyond_random_mask_per_class"].value).all()
    assert not any("twin" in name for name in quantities)


def test_gaussianity_instrument_repeats_itself_and_draws_other_controls_at_every_level():
    name = "negentropy_random_mask_per_unit"
    first, again, later = (
        measure_gaussianity(o)[name].value for o in (observation(), observation(), observation(level=4))
    )
    np.testing.assert_array_equal(first, again)
    assert (first[:2] != later[:2]).all()


def test_gaussianity_instrument_keeps_the_histogram_of_every_defined_unit():
    o = observation()
    quantities = measure_gaussianity(o)
    counts = quantities["histogram_per_unit"].value
    expected = np.full(NUM_UNITS, NUM_SAMPLES)
    expected[[DEAD, ONE_CONSTANT]] = 0
    np.testing.assert_array_equal(counts.sum(axis=1), expected)
    np.testing.assert_array_equal(
        counts, preactivation_histogram(preactivations(o.weight, o.inputs, o.bias)) * (expected > 0)[:, None]
    )


def test_twin_within_classes_needs_the_labels_of_the_twin():
    o = observation()
    assert "excess_kurtosis_beyond_twin_within_class" not in measure_gaussianity(o)
    labels = generator(1, "twin labels").integers(0, 2, 300)
    quantities = measure_gaussianity(observation(twin_labels=torch.from_numpy(labels)))
    weight = o.weight.astype(np.float64).T
    own = gaussianity(o.inputs.double().numpy() @ weight, labels=o.labels, num_classes=4)
    twin = gaussianity(o.twin_inputs.double().numpy() @ weight, labels=labels, num_classes=4)
    defined = ~np.isin(np.arange(NUM_UNITS), (DEAD, ONE_CONSTANT))
    for statistic in STATISTICS:
        expected = getattr(twin, statistic)[:2, defined].mean()
        value = quantities[f"{statistic}_twin_within_class"].value
        assert value == pytest.approx(expected, rel=1e-3, abs=1e-4), statistic
        beyond = (getattr(own, statistic) - getattr(twin, statistic))[:2, defined].mean()
        value = quantities[f"{statistic}_beyond_twin_within_class"].value
        assert value == pytest.approx(beyond, rel=1e-3, abs=1e-4), statistic


def test_only_within_classes_is_the_difference_to_the_twin_that_of_the_classes():
    """Two uniform classes (κ = −1.2) of different variance, and their twin.

    The mixture of variances changes κ of both, by different amounts, so their pooled difference is no κ.
    """
    random = generator(0, "beyond twin")
    labels = np.arange(8000) % 2
    sds = np.where(labels, 1.9, 1.0)[:, None]
    inputs = np.zeros((8000, NUM_INPUTS))
    inputs[:, :1] = sds * random.uniform(-(3**0.5), 3**0.5, (8000, 1))
    twin = np.zeros_like(inputs)
    twin[:, :1] = sds * random.standard_normal((8000, 1))
    mask = np.tile(np.arange(NUM_INPUTS) == 0, (2, 1))
    quantities = measure_gaussianity(
        observation(
            weight=mask.astype(np.float32),
            mask=mask,
            next_mask=mask,
            bias=None,
            inputs=torch.from_numpy(inputs.astype(np.float32)),
            labels=torch.from_numpy(labels),
            twin_inputs=torch.from_numpy(twin.astype(np.float32)),
            twin_labels=torch.from_numpy(labels),
            num_classes=2,
        )
    )
    assert quantities["excess_kurtosis"].value == pytest.approx(-0.65, abs=0.15)
    assert quantities["excess_kurtosis_beyond_twin"].value < -1.5
    assert quantities["excess_kurtosis_beyond_twin_within_class"].value == pytest.approx(-1.2, abs=0.2)
    assert quantities["excess_kurtosis_twin_within_class"].value == pytest.approx(0, abs=0.2)


def test_beyond_ipr_equals_the_functions():
    o = observation()
    quantities = measure_gaussianity(o)
    own = gaussianity(o.inputs.double().numpy() @ o.weight.T, labels=o.labels, num_classes=4)
    independent = independent_kurtosis(o.weight, o.inputs, labels=o.labels, num_classes=4)
    defined = ~np.isin(np.arange(NUM_UNITS), (DEAD, ONE_CONSTANT))
    kurtosis, expected = (values[:2, defined] for values in (own.excess_kurtosis, independent))
    for name, values in (
        ("excess_kurtosis_independent", expected),
        ("excess_kurtosis_beyond_ipr", kurtosis - expected),
        ("abs_excess_kurtosis_beyond_ipr", np.abs(kurtosis) - np.abs(expected)),
    ):
        assert quantities[f"{name}_within_class"].value == pytest.approx(values.mean(), abs=1e-4)
        np.testing.assert_allclose(quantities[f"{name}_per_class"].value[:2], values.mean(axis=1), atol=1e-4)
        assert np.isnan(quantities[f"{name}_per_class"].value[2:]).all()


def test_fewer_effective_inputs_after_random_pruning_do_not_hide_what_is_beyond_them():
    """Local pruning keeps six neighbours that share a sign, random pruning one.

    Of the two, the random unit has the larger |κ|: local minus random is negative. Beyond what their numbers
    of effective inputs give, the local unit has an excess and the random one has none.
    """
    random = generator(0, "planted")
    inputs = random.uniform(-1, 1, (20_000, NUM_INPUTS))
    shared = random.uniform(-1, 1, (20_000, 1))
    inputs[:, :6] = np.sign(shared) * np.abs(inputs[:, :6]) + 1.5 * random.uniform(-1, 1, (20_000, 6))
    local = np.tile(np.arange(NUM_INPUTS) < 6, (1, 1))
    at_random = np.tile(np.arange(NUM_INPUTS) == 8, (1, 1))
    found = {}
    for name, mask in (("local", local), ("random", at_random)):
        found[name] = measure_gaussianity(
            observation(
                weight=mask.astype(np.float32),
                mask=mask,
                next_mask=mask,
                bias=None,
                inputs=torch.from_numpy(inputs.astype(np.float32)),
                labels=torch.from_numpy(np.arange(20_000) % 2),
                twin_inputs=None,
                num_classes=2,
            )
        )

    def local_minus_random(name):
        return found["local"][name].value - found["random"][name].value

    assert local_minus_random("abs_excess_kurtosis_within_class") < -0.05
    assert local_minus_random("abs_excess_kurtosis_beyond_ipr_within_class") > 0.5
    assert found["random"]["abs_excess_kurtosis_beyond_ipr_within_class"].value == pytest.approx(0, abs=0.01)
