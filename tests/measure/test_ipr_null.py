import numpy as np
import pytest
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import ipr, ipr_of_cut_gaussian, ipr_of_fan_in


@pytest.mark.parametrize("density", [0.9, 0.5, 0.05, 1e-4])
@pytest.mark.parametrize("fan_in", [1, 2, 5, 40])
def test_ipr_of_cut_weights_is_that_of_draws(fan_in, density):
    uniform = np.random.default_rng(0).random((20_000, fan_in))
    draws = ipr(stats.norm.isf(uniform * density / 2))  # |w| of the share with the largest |w|
    error = draws.std() / np.sqrt(len(draws))
    assert abs(draws.mean() - ipr_of_cut_gaussian(np.array([fan_in]), density)[0]) <= 4 * error + 1e-9


def test_without_a_cut_it_is_that_of_gaussian_weights():
    fan_in = np.array([0, 1, 2, 3, 50, 10_000, 10**6])
    np.testing.assert_allclose(ipr_of_cut_gaussian(fan_in, 1.0), ipr_of_fan_in(fan_in), rtol=1e-9)


@pytest.mark.parametrize(("density", "share"), [(0.5, 0.58), (0.2, 0.42), (0.05, 0.37)])
def test_the_old_null_calls_structureless_cut_weights_even_and_the_new_one_does_not(density, share):
    """A layer of Gaussian weights, pruned by size: nothing was learnt."""
    weight = np.random.default_rng(1).normal(size=(400, 2000))
    weight[np.abs(weight) < stats.norm.isf(density / 2)] = 0
    fan_in = (weight != 0).sum(axis=1)
    found = ipr(weight)
    assert (found / ipr_of_fan_in(fan_in)).mean() == pytest.approx(share, abs=0.01)
    ratios = found / ipr_of_cut_gaussian(fan_in, density)
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / 20


def test_a_cut_that_keeps_nothing_or_a_negative_fan_in_is_refused():
    with pytest.raises(InputError, match="density is 0.0; it must be above 0"):
        ipr_of_cut_gaussian(np.array([1]), 0.0)
    with pytest.raises(InputError, match="fan_in holds -1"):
        ipr_of_cut_gaussian(np.array([-1]), 0.5)
