import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsight.errors import InputError
from sparsight.measure import Chain, far_from_data, ray_linearity
from tests.measure.random_chains import random_chain


def _without_biases(chain):
    return Chain(chain.weights, [0 * each for each in chain.biases], chain.activations)


@given(st.integers(0, 10**4), st.sampled_from([1.0, 0.4]))
def test_beyond_the_last_kink_the_logits_are_exactly_affine_with_the_slope_of_the_network_without_biases(
    seed, density
):
    stream = np.random.default_rng(seed)
    chain, directions = random_chain(stream, (5, 9, 7, 3), density), stream.normal(size=(6, 5))
    far = far_from_data(chain, directions)
    np.testing.assert_allclose(far.slopes, _without_biases(chain).logits(directions), atol=1e-12)
    start = far.last_kink + 1e-6
    for more in (0.0, 1.0, 50.0):
        at = (start + more)[:, None]
        expected = far.slopes * at + far.intercepts
        np.testing.assert_allclose(chain.logits(at * directions), expected, rtol=1e-6, atol=1e-6)


def test_before_the_last_kink_of_a_dense_random_network_the_logits_are_not():
    stream = np.random.default_rng(0)
    chain, directions = random_chain(stream, (5, 9, 3)), stream.normal(size=(20, 5))
    far = far_from_data(chain, directions)
    has_kink = far.last_kink > 0
    assert has_kink.sum() > 10
    at = 0.9 * far.last_kink[:, None]
    gaps = np.abs(chain.logits(at * directions) - far.slopes * at - far.intercepts).max(axis=1)
    assert (gaps[has_kink] > 1e-6).all()


def test_the_kinks_of_one_hidden_layer_are_where_units_switch():
    """The last one is at max −b/(w·v) over units that the logits read."""
    stream = np.random.default_rng(1)
    chain, directions = random_chain(stream, (4, 6, 2)), stream.normal(size=(30, 4))
    chain.weights[1][:, 2] = 0  # nobody reads this unit
    roots = -chain.biases[0] / (directions @ chain.weights[0].T)
    roots[:, 2] = 0
    np.testing.assert_allclose(far_from_data(chain, directions).last_kink, np.maximum(roots, 0).max(axis=1))
    single = Chain([np.array([[0.5, 0.0]]), np.array([[1.0], [-1.0]])], [np.array([-2.0]), np.zeros(2)])
    far = far_from_data(single, np.array([[1.0, 3.0], [-1.0, 3.0]]))
    np.testing.assert_array_equal(far.last_kink, [4.0, 0.0])
    np.testing.assert_array_equal(far.is_ignored, [False, True])


def test_the_slope_is_reached_as_one_over_the_distance():
    stream = np.random.default_rng(2)
    chain, direction = random_chain(stream, (8, 20, 20, 3)), stream.normal(size=(1, 8))
    far = far_from_data(chain, direction)
    gaps = [np.abs(chain.logits(t * direction) / t - far.slopes).max() for t in (1e3, 1e4, 1e5)]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=1e-6)
    assert gaps[1] / gaps[2] == pytest.approx(10, rel=1e-5)


@given(st.integers(0, 1000))
def test_without_biases_there_is_no_kink_and_rays_are_straight(seed):
    stream = np.random.default_rng(seed)
    chain = _without_biases(random_chain(stream, (5, 6, 6, 3), 0.5))
    directions = stream.normal(size=(4, 5))
    far = far_from_data(chain, directions)
    np.testing.assert_array_equal(far.last_kink, 0)
    straight = ray_linearity(chain, directions, nearest=1.0, farthest=10.0)
    np.testing.assert_array_equal(np.isnan(straight), far.slopes == 0)
    np.testing.assert_allclose(straight[~np.isnan(straight)], 1, atol=1e-12)


def test_straightness_is_that_of_a_fit():
    stream = np.random.default_rng(3)
    chain, directions = random_chain(stream, (5, 9, 3)), stream.normal(size=(3, 5))
    found = ray_linearity(chain, directions, nearest=0.0, farthest=2.0)
    t = np.linspace(0, 2, 100)
    for row, direction in enumerate(directions):
        logits = chain.logits(t[:, None] * direction)
        for each in range(3):
            fit = np.polyval(np.polyfit(t, logits[:, each], 1), t)
            r2 = (
                1
                - np.square(logits[:, each] - fit).sum()
                / np.square(logits[:, each] - logits[:, each].mean()).sum()
            )
            assert found[row, each] == pytest.approx(r2, abs=1e-9)
    assert found.min() < 1


@pytest.mark.parametrize("activation", ["tanh", "erf", "sigmoid"])
def test_activations_that_saturate_have_no_slope(activation):
    stream = np.random.default_rng(4)
    chain, directions = random_chain(stream, (5, 9, 3), activations=activation), stream.normal(size=(4, 5))
    far = far_from_data(chain, directions)
    assert not far.slopes.any()
    assert np.isnan(far.last_kink).all()
    assert (far.classes == -1).all()
    np.testing.assert_allclose(chain.logits(1e6 * directions) / 1e6, 0, atol=1e-5)
    assert np.isnan(ray_linearity(chain, 1e9 * directions, nearest=1.0, farthest=10.0)).all()


def test_a_network_that_is_cut_is_constant_and_its_directions_are_ignored():
    chain = Chain([np.zeros((4, 3)), np.ones((2, 4))], [np.ones(4), np.zeros(2)])
    directions = np.eye(3)
    far = far_from_data(chain, directions)
    assert far.is_ignored.all()
    np.testing.assert_array_equal(far.slopes, 0)
    np.testing.assert_array_equal(far.last_kink, 0)
    assert np.isnan(ray_linearity(chain, directions, nearest=1.0, farthest=10.0)).all()


def test_the_class_at_infinity_is_that_of_points_far_away_also_where_slopes_are_equal():
    stream = np.random.default_rng(5)
    chain, directions = random_chain(stream, (5, 9, 4)), stream.normal(size=(50, 5))
    far = far_from_data(chain, directions)
    np.testing.assert_array_equal(far.classes, chain.logits(1e7 * directions).argmax(axis=1))
    ordered = np.sort(far.slopes, axis=1)
    np.testing.assert_allclose(far.margins, ordered[:, -1] - ordered[:, -2])
    equal = Chain([np.array([[1.0], [1.0], [0.0]])], [np.array([0.0, 2.0, 5.0])])
    assert far_from_data(equal, np.ones((1, 1))).classes.item() == 1


def test_wrong_arguments_are_named():
    chain = random_chain(np.random.default_rng(6), (3, 4, 2))
    for call, words in (
        (lambda: far_from_data(chain, np.zeros((1, 3))), "a row of zeros"),
        (lambda: far_from_data(chain, np.ones((1, 2))), "inputs have 2 columns"),
        (lambda: far_from_data(Chain([np.ones((1, 3))], [np.zeros(1)]), np.ones((1, 3))), "1 output"),
        (lambda: ray_linearity(chain, np.ones((1, 3)), nearest=2.0, farthest=1.0), "nearest is 2.0"),
    ):
        with pytest.raises(InputError, match=words):
            call()
