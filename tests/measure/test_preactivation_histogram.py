import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy.stats import chisquare

from sparsight.errors import InputError
from sparsight.measure import HISTOGRAM_EDGES, gaussian_shares, preactivation_histogram


def of_one_unit(values):
    """The definition, bin by bin."""
    scaled = (values - values.mean()) / values.std()
    inside = [((low <= scaled) & (scaled < high)).sum() for low, high in itertools.pairwise(HISTOGRAM_EDGES)]
    inside[0] += (scaled < HISTOGRAM_EDGES[0]).sum()
    inside[-1] += (scaled >= HISTOGRAM_EDGES[-1]).sum()
    return inside


def test_preactivation_histogram_is_its_definition_for_every_unit(monkeypatch):
    monkeypatch.setattr("sparsight.measure._preactivation_histogram._BLOCK", 1000)  # several blocks
    values = np.random.default_rng(0).standard_t(2, size=(500, 7)) * np.arange(1, 8) + 3
    counts = preactivation_histogram(values)
    assert counts[:, [0, -1]].sum() > 0  # the tails are heavy
    for unit in range(7):
        np.testing.assert_array_equal(counts[unit], of_one_unit(values[:, unit]))
    np.testing.assert_array_equal(preactivation_histogram(torch.from_numpy(values)), counts)


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_preactivation_histogram_loses_no_sample_whatever_scale_and_shift(seed, scale, shift):
    values = np.random.default_rng(seed).laplace(size=(50, 3)) * scale + shift
    assert (preactivation_histogram(values).sum(axis=1) == 50).all()


def test_preactivation_histogram_of_units_that_do_not_vary_is_empty():
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[:, 1] = 0.25
    assert preactivation_histogram(values).sum(axis=1).tolist() == [20, 0, 20]
    assert not preactivation_histogram(values[:3]).any()  # too few samples for a kurtosis


def test_preactivation_histogram_refuses_what_is_no_sample():
    with pytest.raises(InputError, match="NaN or infinite"):
        preactivation_histogram(np.array([[np.nan], [1.0]]))


def test_a_gaussian_falls_into_the_bins_as_gaussian_shares_says():
    shares = gaussian_shares()
    assert shares.sum() == pytest.approx(1)
    counts = preactivation_histogram(np.random.default_rng(0).normal(size=(200_000, 1)))[0]
    assert chisquare(counts[4:-4], shares[4:-4] / shares[4:-4].sum() * counts[4:-4].sum()).pvalue > 0.01
