"""Certified bounds beside corners, sampled points, closed forms and the theorem of their order."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sparsight.errors import InputError
from sparsight.measure import Chain, certified_bounds
from tests.measure.random_chains import METHODS, points_of_ball, random_chain

LOOSER_FIRST = (
    ("interval", "linear"), ("interval", "crown_interval"), ("linear", "crown_linear"),
    ("crown_interval", "crown_linear"), ("crown_linear", "crown"),
)  # fmt: skip
NORMS = ("inf", "2")


def assert_holds(bounds, chain, inputs, points):
    moved = (inputs + points[:, None]).reshape(-1, inputs.shape[1])
    outputs = chain.logits(moved).reshape(len(points), *bounds.lower.shape)
    assert (outputs >= bounds.lower - 1e-11).all()
    assert (outputs <= bounds.upper + 1e-11).all()


@pytest.mark.parametrize("lines", ["tight", "adaptive", "constant"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("norm", NORMS)
def test_bounds_hold_at_all_corners_and_at_points_of_the_ball(norm, method, lines):
    stream = np.random.default_rng(3)
    for density, epsilon in ((1.0, 0.02), (1.0, 0.5), (0.3, 0.2)):
        chain = random_chain(stream, (8, 9, 7, 3), density)
        inputs = stream.normal(size=(5, 8))
        corners = epsilon * np.array(list(itertools.product((-1.0, 1.0), repeat=8)))
        points = np.concatenate(
            [corners if norm == "inf" else corners / np.sqrt(8), points_of_ball(stream, 8, epsilon, norm)]
        )
        bounds = certified_bounds(chain, inputs, epsilon=epsilon, norm=norm, method=method, lines=lines)
        assert_holds(bounds, chain, inputs, points)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    widths=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    density=st.sampled_from([0.1, 0.3, 1.0]),
    epsilon=st.floats(1e-3, 2.0),
    norm=st.sampled_from(NORMS),
)
def test_theorem_2_orders_tight_bounds(seed, widths, density, epsilon, norm):
    stream = np.random.default_rng(seed)
    chain = random_chain(stream, widths, density)
    inputs = stream.normal(size=(3, widths[0]))
    found = {
        method: certified_bounds(chain, inputs, epsilon=epsilon, norm=norm, method=method)
        for method in METHODS
    }
    for loose, tight in LOOSER_FIRST:
        assert (found[loose].lower <= found[tight].lower + 1e-9).all()
        assert (found[loose].upper >= found[tight].upper - 1e-9).all()


def test_adaptive_lines_break_that_order_so_the_theorem_is_tested_and_not_assumed():
    broken = 0
    for seed in range(20):
        stream = np.random.default_rng(seed)
        chain, inputs = random_chain(stream, (20, 40, 40, 5), 0.3), stream.normal(size=(1, 20))
        interval = certified_bounds(chain, inputs, epsilon=0.05, method="interval")
        adaptive = certified_bounds(chain, inputs, epsilon=0.05, method="crown_interval", lines="adaptive")
        broken += bool((adaptive.lower < interval.lower - 1e-9).any())
        broken += bool((adaptive.upper > interval.upper + 1e-9).any())
    assert broken


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_ball_of_radius_0_gives_the_logits(norm, method):
    stream = np.random.default_rng(0)
    chain, inputs = random_chain(stream, (6, 9, 8, 4), 0.5), stream.normal(size=(7, 6))
    bounds = certified_bounds(chain, inputs, epsilon=0.0, norm=norm, method=method)
    np.testing.assert_allclose(bounds.lower, chain.logits(inputs), atol=1e-12)
    np.testing.assert_allclose(bounds.upper, chain.logits(inputs), atol=1e-12)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "interval"])
@pytest.mark.parametrize(("norm", "order"), [("inf", 1), ("2", 2)])
def test_a_linear_network_has_exact_bounds(norm, order, method):
    stream = np.random.default_rng(1)
    chain, inputs = random_chain(stream, (6, 5, 4, 3), 1.0, "linear"), stream.normal(size=(4, 6))
    whole = chain.weights[2] @ chain.weights[1] @ chain.weights[0]
    reach = 0.3 * np.linalg.norm(whole, ord=order, axis=1)
    bounds = certified_bounds(chain, inputs, epsilon=0.3, norm=norm, method=method)
    np.testing.assert_allclose(bounds.lower, chain.logits(inputs) - reach, atol=1e-12)
    np.testing.assert_allclose(bounds.upper, chain.logits(inputs) + reach, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_constant_lines_carried_forward_are_intervals(norm):
    stream = np.random.default_rng(2)
    chain, inputs = random_chain(stream, (6, 12, 12, 3)), stream.normal(size=(5, 6))
    forward = certified_bounds(chain, inputs, epsilon=0.1, norm=norm, method="linear", lines="constant")
    interval = certified_bounds(chain, inputs, epsilon=0.1, norm=norm, method="interval")
    np.testing.assert_allclose(forward.lower, interval.lower, atol=1e-11)
    np.testing.assert_allclose(forward.upper, interval.upper, atol=1e-11)


def test_two_units_that_cancel_are_seen_by_linear_functions_only():
    chain = Chain([np.ones((2, 2)), np.array([[1.0, -1.0]])], [np.zeros(2), np.zeros(1)])
    reach = {
        method: certified_bounds(chain, np.array([[2.0, 2.0]]), epsilon=1.0, method=method)
        for method in METHODS
    }
    assert (reach["interval"].lower.item(), reach["interval"].upper.item()) == (-4.0, 4.0)
    for method in METHODS[1:]:
        assert (reach[method].lower.item(), reach[method].upper.item()) == (0.0, 0.0)


def test_radii_can_differ_between_samples():
    stream = np.random.default_rng(5)
    chain, inputs = random_chain(stream, (6, 12, 3)), stream.normal(size=(3, 6))
    radii = np.array([0.0, 0.1, 0.4])
    together = certified_bounds(chain, inputs, epsilon=radii)
    for row, radius in enumerate(radii):
        alone = certified_bounds(chain, inputs[row : row + 1], epsilon=radius)
        np.testing.assert_allclose(together.lower[row], alone.lower[0], atol=1e-12)


def test_samples_in_blocks_are_bounded_as_all_at_once(monkeypatch):
    stream = np.random.default_rng(6)
    chain, inputs = random_chain(stream, (6, 12, 9, 3)), stream.normal(size=(7, 6))
    for method in METHODS:
        whole = certified_bounds(chain, inputs, epsilon=0.2, method=method)
        with monkeypatch.context() as patch:
            patch.setattr("sparsight.measure._bound_propagation._BLOCK_NUMBERS", 3 * 12 * 12)
            pieces = certified_bounds(chain, inputs, epsilon=0.2, method=method)
        np.testing.assert_allclose(pieces.lower, whole.lower, atol=1e-12)
        np.testing.assert_allclose(pieces.upper, whole.upper, atol=1e-12)


def test_monotone_activations_have_intervals_and_no_lines():
    stream = np.random.default_rng(7)
    chain = random_chain(stream, (5, 6, 7, 6, 3), 1.0, ("tanh", "erf", "sigmoid"))
    inputs = stream.normal(size=(4, 5))
    bounds = certified_bounds(chain, inputs, epsilon=0.2, method="interval")
    assert_holds(bounds, chain, inputs, points_of_ball(stream, 5, 0.2, "inf"))
    with pytest.raises(InputError, match="activation 'tanh'.*method = 'interval'"):
        certified_bounds(chain, inputs, epsilon=0.2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": -0.1}, "negative"), ({"epsilon": np.nan}, "NaN"), ({"epsilon": np.ones(3)}, "samples"),
        ({"inputs": np.ones((2, 5))}, "5 columns"), ({"inputs": np.full((2, 4), np.nan)}, "NaN"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(change, words):
    chain = random_chain(np.random.default_rng(0), (4, 3, 2))
    arguments = {"chain": chain, "inputs": np.zeros((2, 4)), "epsilon": 0.1} | change
    with pytest.raises(InputError, match=words):
        certified_bounds(**arguments)


@pytest.mark.parametrize(
    ("weights", "biases", "activations", "words"),
    [
        ([], [], "relu", "at least one"),
        ([np.ones((2, 3))], [], "relu", "biases 0"),
        ([np.ones((2, 3)), np.ones((2, 3))], [np.ones(2)] * 2, "relu", r"weights\[1\] reads 3 units"),
        ([np.ones((2, 3))], [np.ones(3)], "relu", r"biases\[0\] has 3"),
        ([np.full((2, 3), np.inf)], [np.ones(2)], "relu", r"weights\[0\] holds NaN"),
        ([np.ones((2, 3), int)], [np.ones(2)], "relu", r"weights\[0\] is int64"),
        ([np.ones((2, 2))] * 2, [np.ones(2)] * 2, "gelu", "'gelu'"),
        ([np.ones((2, 2))] * 2, [np.ones(2)] * 2, ("relu", "relu"), "1 are needed"),
    ],
)
def test_layers_that_do_not_fit_are_named(weights, biases, activations, words):
    with pytest.raises(InputError, match=words):
        Chain(weights, biases, activations)
