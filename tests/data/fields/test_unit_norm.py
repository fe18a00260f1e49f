"""The option `unit_norm`, which every source of random fields has."""

import inspect

import numpy as np
import pytest
import scipy.stats

from sparsight.data import SOURCES
from sparsight.data.fields._heavy_tailed import elliptical
from sparsight.data.fields._pulses import pulses

FIELDS = [name for name, source in SOURCES.items() if "unit_norm" in inspect.signature(source).parameters]
SMALL = {"num_train": 40, "num_test": 20, "seed": 0}


def test_every_field_has_the_option():
    assert {"nlgp", "gp", "elliptical", "laplace", "pulses", "bars", "ising", "phi4"} <= set(FIELDS)
    assert {"equal_covariance", "mean_only"} <= set(FIELDS)


@pytest.mark.parametrize("name", sorted(set(FIELDS)))
def test_each_sample_is_the_raw_one_divided_by_its_norm(name):
    raw, unit = (SOURCES[name](**SMALL, channels=2, unit_norm=value) for value in (False, True))
    for split in ("train", "test"):
        before, after = (task.samples(split)[0].double().numpy() for task in (raw, unit))
        norms = np.linalg.norm(before, axis=1, keepdims=True)
        norms[norms == 0] = 1  # no bars at all
        np.testing.assert_allclose(after, before / norms * np.sqrt(before.shape[1]), rtol=1e-4, atol=1e-5)
    assert unit.name == f"{raw.name}-unit-norm"
    assert unit.card["unit_norm"] is True
    assert "pixel_excess_kurtosis_per_class" not in unit.card
    assert "unit_norm" not in raw.card
    np.testing.assert_array_equal(raw.train_labels, unit.train_labels)


def test_fresh_samples_have_unit_norm():
    task = elliptical(**SMALL, size=[16], correlation_lengths=[1.0, 2.0], online=True, unit_norm=True)
    inputs, _ = task.batch(0, 3, 30)
    np.testing.assert_allclose(inputs.square().mean(dim=1), 1, rtol=1e-5)


def test_an_elliptical_field_at_unit_norm_is_its_twin_at_unit_norm():
    """Raw, a pixel has excess kurtosis 3 and its twin 0; divided, both are points on the same sphere."""
    options = {
        "size": (16,),
        "correlation_lengths": (1.0, 2.0),
        "num_train": 20_000,
        "num_test": 20,
        "seed": 0,
    }
    raw, field, twin = (
        elliptical(**options, unit_norm=unit, clone=clone).samples("train")[0].numpy()
        for unit, clone in ((False, "none"), (True, "none"), (True, "gaussian"))
    )
    assert scipy.stats.kurtosis(raw, axis=None) > 1
    assert scipy.stats.ks_2samp(field[:, 5], twin[:, 5]).pvalue > 1e-3
    assert scipy.stats.ks_2samp(raw[:, 5], field[:, 5]).pvalue < 1e-6


def test_a_field_of_zeros_stays():
    task = pulses(**SMALL | {"num_train": 400}, size=[4], widths=[1.0, 2.0], rate=0.01, unit_norm=True)
    norms = (task.train_inputs**2).mean(axis=(1, 2))
    assert set(np.round(norms, 4).tolist()) == {0.0, 1.0}
