import math
import warnings

import numpy as np
import pytest

from sparsight.measure import mean_of_defined, weighted_mean_of_defined

NAN = math.nan


def test_mean_of_defined_leaves_out_nan():
    assert mean_of_defined(np.array([[1.0, NAN], [4.0, 4.0]])) == 3.0


def test_mean_of_defined_over_an_axis_leaves_out_nan_of_each_row():
    values = np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN], [0.0, 0.0, 6.0]])
    np.testing.assert_array_equal(mean_of_defined(values, axis=1), [2.0, NAN, 2.0])
    np.testing.assert_array_equal(mean_of_defined(values.T, axis=0), mean_of_defined(values, axis=-1))


@pytest.mark.parametrize("values", [np.array([]), np.array([NAN, NAN]), np.empty((3, 0))])
def test_mean_of_nothing_defined_is_nan_without_a_warning(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(mean_of_defined(values))
        assert np.isnan(mean_of_defined(values, axis=-1)).all()


def test_mean_of_defined_equals_numpys_where_all_is_defined():
    values = np.random.default_rng(0).normal(size=(50, 70))
    assert mean_of_defined(values) == pytest.approx(values.mean(), rel=1e-12)
    np.testing.assert_array_equal(mean_of_defined(values, axis=1), values.mean(axis=1))


def test_weighted_mean_leaves_out_what_is_undefined():
    values, weights = np.array([1.0, np.nan, 4.0, 9.0]), np.array([1.0, 5.0, 3.0, np.nan])
    assert weighted_mean_of_defined(values, weights) == pytest.approx(13 / 4)
    assert weighted_mean_of_defined(values, None) == mean_of_defined(values)
    assert np.isnan(weighted_mean_of_defined(values, np.array([0.0, 1.0, 0.0, 0.0])))
