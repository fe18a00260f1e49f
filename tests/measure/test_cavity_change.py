import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.measure import cavity, cavity_change


def test_cavity_change_is_later_minus_earlier_where_a_weight_stays():
    stream = np.random.default_rng(0)
    inputs = stream.laplace(size=(400, 6))
    weight, retrained = stream.normal(size=(3, 6)), stream.normal(size=(3, 6))
    kept = stream.random((3, 6)) < 0.6
    kept[0] = [True, False, False, False, False, False]  # without its only weight nothing is left
    before, after = cavity(weight, inputs), cavity(retrained, inputs, mask=kept)
    found = cavity_change(before, after, kept)
    defined = kept & ~np.isnan(after.delta_kurtosis)
    assert (np.isnan(found.delta_kurtosis) == ~defined).all()
    assert not defined[0].any()
    expected = (after.delta_kurtosis - before.delta_kurtosis)[defined]
    assert (found.delta_kurtosis[defined] == expected).all()
    assert found.mean_delta_kurtosis == pytest.approx(expected.mean())
    assert found.mean_delta_abs_kurtosis == pytest.approx(np.nanmean(found.delta_abs_kurtosis))
    assert (found.excess_kurtosis == after.excess_kurtosis - before.excess_kurtosis).all()


def test_levels_of_different_layers_are_refused():
    inputs = np.random.default_rng(0).normal(size=(20, 4))
    a, b = cavity(np.ones((2, 4)), inputs), cavity(np.ones((3, 4)), inputs)
    with pytest.raises(InputError, match="one layer is needed"):
        cavity_change(a, b, np.ones((2, 4), bool))
