"""Sampled ranges lie within certified ones, and reach the whole range where it is known."""

import numpy as np
import pytest

from sparsight.errors import InputError
from sparsight.measure import Chain, certified_bounds, sampled_range
from tests.measure.random_chains import random_chain

PUBLISHED = {  # mean widths of 60 nets 20-40-40-5, ε = 0.05: density → interval, linear, CROWN, sampled
    1.0: (6.04, 1.05, 0.73, 0.39),
    0.3: (0.94, 0.46, 0.45, 0.34),
    0.1: (0.20, 0.18, 0.18, 0.17),
}


@pytest.mark.parametrize("density", PUBLISHED)
def test_mean_widths_of_random_networks_are_those_computed_elsewhere(density):
    rows = []
    for seed in range(60):
        stream = np.random.default_rng(seed)
        chain = random_chain(stream, (20, 40, 40, 5), density)
        # Each unit's variance is that of the dense network.
        chain = Chain([weight / np.sqrt(density) for weight in chain.weights], chain.biases)
        inputs = stream.normal(size=(1, 20))
        ranges = [
            certified_bounds(chain, inputs, epsilon=0.05, method=method)
            for method in ("interval", "linear", "crown")
        ]
        ranges.append(sampled_range(chain, inputs, epsilon=0.05, num_points=2000, seed=seed))
        rows.append([(each.upper - each.lower).mean() for each in ranges])
    mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(60)
    # Both means are of 60 draws, and the published ones are rounded to two digits.
    assert (np.abs(mean - PUBLISHED[density]) < 3 * np.sqrt(2) * error + 0.005).all()
    assert (np.diff(mean) < 0).all()


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_samples_reach_no_further_than_exact_bounds_and_almost_so_on_a_line(norm):
    stream = np.random.default_rng(1)
    chain, inputs = random_chain(stream, (7, 6, 3), activations="linear"), stream.normal(size=(4, 7))
    epsilon = np.array([0.0, 0.1, 0.5, 2.0])
    exact = certified_bounds(chain, inputs, epsilon=epsilon, norm=norm, method="crown")
    found = sampled_range(chain, inputs, epsilon=epsilon, norm=norm, num_points=500)
    assert (found.lower >= exact.lower - 1e-12).all()
    assert (found.upper <= exact.upper + 1e-12).all()
    np.testing.assert_allclose(found.lower[0], found.upper[0])
    line = Chain([np.array([[3.0]])], [np.array([1.0])])
    on_line = sampled_range(line, np.array([[2.0]]), epsilon=0.5, norm=norm, num_points=40)
    np.testing.assert_allclose([on_line.lower.item(), on_line.upper.item()], [5.5, 8.5])


def test_it_is_a_function_of_its_seed_and_names_wrong_numbers():
    stream = np.random.default_rng(2)
    chain, inputs = random_chain(stream, (7, 6, 3)), stream.normal(size=(4, 7))
    first, again, other = (sampled_range(chain, inputs, epsilon=0.1, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.lower, again.lower)
    assert (first.lower != other.lower).any()
    with pytest.raises(InputError, match="num_points is 1"):
        sampled_range(chain, inputs, epsilon=0.1, num_points=1)
    with pytest.raises(InputError, match="negative"):
        sampled_range(chain, inputs, epsilon=-0.1)
    with pytest.raises(InputError, match="6 columns"):
        sampled_range(chain, inputs[:, :6], epsilon=0.1)
