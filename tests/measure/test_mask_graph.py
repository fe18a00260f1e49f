import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import svdvals

from sparsight.measure import effective_rank, mask_graph, sample_masks, singular_values


def _components(mask):
    """Weights in each connected component, by flooding."""
    left, sizes = set(zip(*np.nonzero(mask), strict=True)), []
    while left:
        reached, grown = set(), {left.pop()}
        while grown:
            reached |= grown
            grown = {other for other in left if any(other[0] == i or other[1] == j for i, j in grown)}
            left -= grown
        sizes.append(len(reached))
    return sizes


def _regular(num_units, num_inputs, fan_in, seed):
    """A random mask in which all units, and all inputs, have the same degree."""
    mask = np.zeros((num_units, num_inputs), bool)
    for unit in range(num_units):
        mask[unit, (unit * fan_in + np.arange(fan_in)) % num_inputs] = True
    return next(iter(sample_masks(mask, "configuration", 1, seed)))


@given(arrays(np.bool_, st.tuples(st.integers(1, 5), st.integers(1, 7))))
def test_matches_a_loop_and_scipy(mask):
    found = mask_graph(mask)
    sizes = _components(mask)
    assert found.num_components == len(sizes)
    assert found.num_without_inputs == sum(not row.any() for row in mask)
    assert found.num_without_readers == sum(not column.any() for column in mask.T)
    if not sizes:
        assert np.isnan(found.ramanujan_bound)
        assert np.isnan(found.effective_rank)
        return
    assert found.largest_component_share == pytest.approx(max(sizes) / sum(sizes))
    values = svdvals(mask.astype(float))
    assert found.first_singular_value == pytest.approx(values[0])
    if len(values) > 1:
        assert found.second_singular_value == pytest.approx(values[1], abs=1e-6)
    degrees = mask.sum(1)
    assert found.fan_in_variation == pytest.approx(degrees.std() / degrees.mean())
    shares = values[values > 1e-9] / values.sum()
    assert found.effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def test_a_random_regular_graph_meets_the_ramanujan_bound():
    for seed in range(5):
        found = mask_graph(_regular(120, 240, 8, seed))
        assert found.first_singular_value == pytest.approx(np.sqrt(8 * 4))
        assert found.ramanujan_bound == pytest.approx(np.sqrt(7) + np.sqrt(3))
        # The term that vanishes with the size of the graph (Brito, Dumitriu & Harris).
        assert found.second_singular_value < 1.02 * found.ramanujan_bound
        assert found.num_components == 1


def test_two_halves_that_share_no_weight_miss_it():
    halves = np.kron(np.eye(2), np.ones((10, 12))).astype(bool)
    found = mask_graph(halves)
    assert found.num_components == 2
    assert found.largest_component_share == 0.5
    assert found.second_singular_value == pytest.approx(np.sqrt(120)) == found.first_singular_value
    assert found.second_singular_value > found.ramanujan_bound
    assert found.effective_rank == pytest.approx(2)


def test_tails_of_degrees():
    equal = _regular(20, 40, 4, 0)
    assert mask_graph(equal).fan_in_tail == pytest.approx(0.1)
    assert mask_graph(equal).fan_out_tail == pytest.approx(0.1)
    assert mask_graph(equal).fan_out_variation == 0
    star = np.zeros((20, 40), bool)
    star[:, :4] = True
    assert mask_graph(star).fan_out_tail == 1
    assert mask_graph(star).fan_in_tail == pytest.approx(0.1)
    uneven = np.zeros((5, 6), bool)  # a tenth of 5 units is half of the largest
    uneven[0, :6], uneven[1, :2] = True, True
    assert mask_graph(uneven).fan_in_tail == pytest.approx(3 / 8)


def test_effective_rank_of_known_matrices():
    assert effective_rank(np.eye(6, 9)) == pytest.approx(6)
    assert effective_rank(np.outer(np.arange(1.0, 5), np.ones(7))) == pytest.approx(1, abs=1e-5)
    assert np.isnan(effective_rank(np.zeros((2, 3))))
    matrix = np.random.default_rng(0).normal(size=(9, 4))
    assert singular_values(matrix) == pytest.approx(svdvals(matrix))
