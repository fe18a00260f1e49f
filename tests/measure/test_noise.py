import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import integrate, special, stats

from sparsight.errors import InputError
from sparsight.measure import (
    Chain,
    accuracy_by_noise,
    noise_moments,
    noisy_accuracy,
    relu_moments,
    sampled_noise,
    switching_logits,
)
from tests.measure.random_chains import random_chain


def _by_quadrature(mean, deviation):
    """Mean and variance of max(x, 0), each integrated over where x is above 0."""

    def density(z):
        return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    start, width = max(-mean / deviation, -40.0), 40.0
    options = {"epsabs": 0, "epsrel": 1e-13, "limit": 200}

    def integral(function):
        points = np.unique(np.clip([start, start + 1, start + 5, 0.0, start + width], start, start + width))
        return sum(integrate.quad(function, a, b, **options)[0] for a, b in itertools.pairwise(points))

    expected = integral(lambda z: (mean + deviation * z) * density(z))
    off = stats.norm.cdf(start)
    spread = integral(lambda z: (mean + deviation * z - expected) ** 2 * density(z))
    return expected, spread + expected**2 * off


@pytest.mark.parametrize("scaled", [-30.0, -8.0, -3.0, -0.5, 0.0, 0.5, 3.0, 8.0, 30.0])
@pytest.mark.parametrize("deviation", [1e-4, 1.0, 20.0])
def test_relu_moments_are_those_of_quadrature(scaled, deviation):
    mean = scaled * deviation
    found = relu_moments(np.array([mean]), np.array([deviation**2]))
    expected, variance = _by_quadrature(mean, deviation)
    assert found.mean == pytest.approx(expected, rel=1e-10, abs=1e-10 * deviation if scaled < -5 else 0)
    assert found.variance == pytest.approx(
        variance, rel=1e-10, abs=1e-10 * deviation**2 if scaled < -5 else 0
    )


def test_relu_moments_far_below_are_those_of_the_asymptotic_tail():
    """E[x₊] → s φ(a)/a² and E[x₊²] → 2 s² φ(a)/|a|³, with the next two terms of the series."""
    a = 30.0
    found = relu_moments(np.array([-a]), np.array([1.0]))
    density = stats.norm.pdf(a)
    assert found.mean == pytest.approx(density * (1 / a**2 - 3 / a**4 + 15 / a**6 - 105 / a**8), rel=1e-8)
    assert found.variance == pytest.approx(density * (2 / a**3 - 12 / a**5 + 90 / a**7), rel=1e-5)


def test_relu_moments_at_mean_zero_and_without_variance():
    found = relu_moments(np.array([0.0]), np.array([4.0]))
    assert found.mean == pytest.approx(2 / np.sqrt(2 * np.pi), rel=1e-14)
    assert found.variance == pytest.approx(4 * (0.5 - 1 / (2 * np.pi)), rel=1e-14)
    found = relu_moments(np.array([-1.0, 0.0, 2.0]), np.zeros(3))
    np.testing.assert_array_equal(found.mean, [0, 0, 2])
    np.testing.assert_array_equal(found.variance, 0)
    assert relu_moments(np.array([1.0]), np.array([1e-20])).variance == pytest.approx(1e-20, rel=1e-12)


@given(st.integers(0, 1000), st.sampled_from(["relu", "tanh", "erf", "sigmoid", "linear"]))
def test_without_noise_it_is_the_network_itself(seed, activation):
    stream = np.random.default_rng(seed)
    chain = random_chain(stream, (6, 5, 4, 3), density=0.5, activations=activation)
    inputs = stream.normal(size=(4, 6))
    last = noise_moments(chain, inputs, noise_variance=0.0)[-1]
    np.testing.assert_allclose(last.mean, chain.logits(inputs), atol=1e-12)
    np.testing.assert_allclose(last.variance, 0, atol=1e-12)
    sampled = sampled_noise(chain, inputs, noise_variance=0.0, num_draws=3)
    for each in (sampled.layers[-1], sampled.gaussian[-1]):
        np.testing.assert_allclose(each.mean, chain.logits(inputs), atol=1e-9)
        np.testing.assert_allclose(each.variance, 0, atol=1e-18)


def _exact_linear(chain, sample, noise):
    """Mean and covariance of each layer of a linear chain, with all correlations."""
    mean, covariance = sample, np.zeros((len(sample), len(sample)))
    for weight, bias in zip(chain.weights, chain.biases, strict=True):
        noisy = covariance + noise * np.diag(np.diag(covariance) + mean**2)
        mean, covariance = weight @ mean + bias, weight @ noisy @ weight.T
    return mean, covariance


def test_a_linear_chain_is_exact_against_algebra():
    stream = np.random.default_rng(0)
    inputs = stream.normal(size=(3, 8))
    # Means are exact at any depth; variances in the first layer, and further up where units share no input.
    chain = random_chain(stream, (8, 6, 3), activations="linear")
    for sample, mean in zip(inputs, noise_moments(chain, inputs, noise_variance=0.25)[-1].mean, strict=True):
        np.testing.assert_allclose(mean, _exact_linear(chain, sample, 0.25)[0], rtol=1e-12)
    apart = Chain(
        [np.kron(np.eye(4), [[1.0, -2.0]]), stream.normal(size=(3, 4))], [np.ones(4), np.zeros(3)], "linear"
    )
    for one in (Chain(chain.weights[:1], chain.biases[:1]), apart):
        last = noise_moments(one, inputs, noise_variance=0.25)[-1]
        for sample, mean, variance in zip(inputs, last.mean, last.variance, strict=True):
            exact = _exact_linear(one, sample, 0.25)
            np.testing.assert_allclose(mean, exact[0], rtol=1e-12)
            np.testing.assert_allclose(variance, np.diag(exact[1]), rtol=1e-12)


def test_sampling_a_linear_chain_with_shared_inputs_gives_the_algebra_that_the_moments_miss():
    stream = np.random.default_rng(1)
    chain = random_chain(stream, (8, 6, 6, 3), activations="linear")
    inputs = stream.normal(size=(4, 8))
    exact = np.array([np.diag(_exact_linear(chain, sample, 0.25)[1]) for sample in inputs])
    runs = [sampled_noise(chain, inputs, noise_variance=0.25, num_draws=500, seed=seed) for seed in range(16)]
    for found in ([each.layers[-1].variance for each in runs], [each.gaussian[-1].variance for each in runs]):
        # 24 means, each with its own standard error from 16 seeds
        assert (np.abs(np.mean(found, axis=0) - exact) < 5 * stats.sem(found, axis=0)).all()
        assert (stats.sem(found, axis=0) < 0.03 * exact).all()
    moments = noise_moments(chain, inputs, noise_variance=0.25)[-1]
    assert np.abs(moments.variance / exact - 1).max() > 0.2


def test_the_first_layer_is_exact_and_one_hidden_layer_is_its_own_surrogate():
    stream = np.random.default_rng(6)
    chain = random_chain(stream, (40, 12, 9, 3))
    inputs = stream.normal(size=(3, 40))
    sampled = sampled_noise(chain, inputs, noise_variance=0.1, num_draws=4)
    moments = noise_moments(chain, inputs, noise_variance=0.1)
    for found in (sampled.layers[0], sampled.gaussian[0]):
        np.testing.assert_allclose(found.mean, moments[0].mean, rtol=1e-12)
        np.testing.assert_allclose(found.variance, moments[0].variance, rtol=1e-12)
    np.testing.assert_array_equal(sampled.layers[1].variance, sampled.gaussian[1].variance)
    assert (sampled.layers[2].variance != sampled.gaussian[2].variance).all()


@pytest.mark.parametrize(
    "widths", [(30, 5, 4, 2), (5, 30, 4, 2)]
)  # a covariance with few rows, and few inputs
def test_draws_behind_a_layer_have_the_means_and_variances_of_drawn_noise(widths):
    stream = np.random.default_rng(7)
    chain, inputs, number = random_chain(stream, widths), stream.normal(size=(1, widths[0])), 20_000
    drawn = chain_draws(chain, inputs, 0.3, number, stream)[:, 0]
    found = [
        sampled_noise(chain, inputs, noise_variance=0.3, num_draws=2000, seed=each) for each in range(10)
    ]
    means, variances = (
        np.array([getattr(each.layers[-1], name)[0] for each in found]) for name in ("mean", "variance")
    )
    fourth = ((drawn - drawn.mean(axis=0)) ** 4).mean(axis=0)
    for own, other, error in (
        (means, drawn.mean(axis=0), drawn.std(axis=0) / np.sqrt(number)),
        (variances, drawn.var(axis=0), np.sqrt((fourth - drawn.var(axis=0) ** 2) / number)),
    ):
        assert (np.abs(own.mean(axis=0) - other) < 4 * np.hypot(error, stats.sem(own, axis=0))).all()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_one_hidden_unit_is_exact(activation):
    stream = np.random.default_rng(2)
    chain = random_chain(stream, (5, 1, 2), activations=activation)
    inputs, number = stream.normal(size=(5, 5)), 40_000
    moments = noise_moments(chain, inputs, noise_variance=0.1)[-1]
    values = chain_draws(chain, inputs, 0.1, number, stream)
    error = values.std(axis=0) / np.sqrt(number)
    assert (np.abs(values.mean(axis=0) - moments.mean) < 4 * error + 1e-9).all()
    fourth = ((values - values.mean(axis=0)) ** 4).mean(axis=0)
    error = np.sqrt((fourth - values.var(axis=0) ** 2) / number)
    assert (np.abs(values.var(axis=0) - moments.variance) < 4 * error + 1e-9).all()


def chain_draws(chain, inputs, noise, number, stream):
    """Logits under noise, (draw, n, class)."""
    acts = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
    values = np.broadcast_to(inputs, (number, *inputs.shape))
    for layer, (weight, bias) in enumerate(zip(chain.weights, chain.biases, strict=True)):
        values = values * (1 + np.sqrt(noise) * stream.normal(size=values.shape)) @ weight.T + bias
        if layer < len(chain.activations):
            values = acts[chain.activations[layer]](values)
    return values


def _analytic_over_sampled(chain, inputs, seed):
    sampled = sampled_noise(chain, inputs, noise_variance=0.25, num_draws=600, seed=seed)
    analytic = noise_moments(chain, inputs, noise_variance=0.25)[-1]
    return analytic.variance.sum() / sampled.layers[-1].variance.sum()


def _in_opposite_pairs(chain):
    """The same network, with a twin of each unit in the first half, which the logits subtract."""
    (first, last), (bias, of_logits) = (list(each) for each in (chain.weights, chain.biases))
    half = len(first) // 2
    return Chain(
        [np.tile(first[:half], (2, 1)), np.hstack([last[:, :half], -last[:, :half]])],
        [np.tile(bias[:half], 2), of_logits],
    )


@pytest.mark.parametrize(
    ("density", "expected", "spread"), [(1.0, 1.00, 0.05), (0.3, 1.02, 0.03), (0.1, 1.01, 0.04)]
)
def test_of_random_networks_the_moments_hold_at_any_density(density, expected, spread):
    """Ratios of analytic to sampled variance over networks 64-64-5, σ² = ¼: the mean and the deviation."""
    ratios, paired = [], []
    for seed in range(16):
        stream = np.random.default_rng(seed)
        chain, inputs = random_chain(stream, (64, 64, 5), density), stream.normal(size=(10, 64))
        ratios.append(_analytic_over_sampled(chain, inputs, seed))
        paired.append(_analytic_over_sampled(_in_opposite_pairs(chain), inputs, seed))
    error = stats.sem(ratios)
    assert 4 * error < spread  # or the mean would say nothing
    assert abs(np.mean(ratios) - expected) < spread
    assert np.std(ratios, ddof=1) < spread
    # Where units are correlated, the same numbers say so.
    assert np.mean(paired) - 4 * stats.sem(paired) > 1 + spread


def test_two_identical_units_of_opposite_sign_have_the_known_error_factor():
    """Their noise upstream cancels; the moments count it twice."""
    weight = np.array([[0.6, -0.3, 0.8], [0.6, -0.3, 0.8]])
    chain = Chain([weight, np.array([[1.0, -1.0]])], [np.full(2, 0.2), np.zeros(1)])
    sample, noise = np.array([[1.0, 0.5, 0.7]]), 0.05
    before = noise_moments(chain, sample, noise_variance=noise)[0]
    after = relu_moments(before.mean[0, :1], before.variance[0, :1])
    square, spread = after.mean**2, after.variance
    truth = 2 * noise * (square + spread)  # only the noise on the two units themselves
    analytic = noise_moments(chain, sample, noise_variance=noise)[-1].variance[0]
    factor = ((1 + noise) * spread + noise * square) / (noise * (square + spread))
    np.testing.assert_allclose(analytic / truth, factor, rtol=1e-12)
    assert factor > 1.3
    sampled = sampled_noise(chain, sample, noise_variance=noise, num_draws=6000)
    # The error is one of correlation: Gaussian units of the true covariance have the true variance.
    np.testing.assert_allclose(sampled.layers[-1].variance[0], truth, rtol=0.1)
    np.testing.assert_allclose(sampled.gaussian[-1].variance[0], truth, rtol=0.1)


def test_what_is_not_gaussian_is_told_from_what_is_correlated():
    """A unit behind one switching unit, with large noise: nothing is correlated, and it is not Gaussian."""
    chain = Chain(
        [np.array([[1.0]]), np.array([[1.0]]), np.array([[1.0]])],
        [np.zeros(1), np.array([-0.5]), np.zeros(1)],
    )
    sample, noise = np.array([[0.5]]), 1.0
    sampled = sampled_noise(chain, sample, noise_variance=noise, num_draws=4000)
    analytic = noise_moments(chain, sample, noise_variance=noise)[-1].variance.item()
    assert analytic == pytest.approx(sampled.gaussian[-1].variance.item(), rel=0.2)
    assert sampled.layers[-1].variance.item() > 1.3 * analytic


def test_accuracy_under_noise_is_that_of_drawn_noise_and_the_accuracy_without():
    stream = np.random.default_rng(3)
    chain = random_chain(stream, (10, 30, 2))
    inputs = stream.normal(size=(400, 10))
    labels = chain.logits(inputs).argmax(axis=1)
    variances, number = (0.1, 1.0), 201  # an odd one: the last draw has no opposite
    found = accuracy_by_noise(chain, inputs, labels, noise_variances=variances, num_draws=number)
    for variance, accuracy in zip(variances, found, strict=True):
        shares = np.array([
            (each.argmax(axis=1) == labels).mean()
            for each in (chain_draws(chain, inputs, variance, 1, stream)[0] for _ in range(200))
        ])  # fmt: skip
        assert accuracy == pytest.approx(shares.mean(), abs=4 * np.sqrt(2) * stats.sem(shares))
        assert accuracy == noisy_accuracy(chain, inputs, labels, noise_variance=variance, num_draws=number)
    assert 0.5 < found[1] < found[0] < 0.97
    assert noisy_accuracy(chain, inputs, labels, noise_variance=0.0) == 1


def test_with_two_classes_and_no_hidden_layer_the_share_is_that_of_a_gaussian_margin():
    stream = np.random.default_rng(8)
    chain, inputs = random_chain(stream, (6, 2)), stream.normal(size=(40, 6))
    labels, number = stream.integers(0, 2, 40), 2000
    signs = np.where(labels == 0, 1, -1)
    terms = signs[:, None] * (chain.weights[0][0] - chain.weights[0][1]) * inputs
    mean = terms.sum(axis=1) + signs * (chain.biases[0][0] - chain.biases[0][1])
    exact = special.ndtr(mean / np.sqrt(0.25 * np.square(terms).sum(axis=1)))
    found = noisy_accuracy(chain, inputs, labels, noise_variance=0.25, num_draws=number)
    # Where q is the share of a sample, opposite draws have the covariance −(1 − q)² or −q², never above 0.
    assert abs(found - exact.mean()) < 4 * np.sqrt((exact * (1 - exact)).sum() / number) / 40


def test_switches_without_spread_are_the_sum_over_all_states():
    stream = np.random.default_rng(4)
    chain = random_chain(stream, (3, 3, 2, 2), activations="sigmoid")
    inputs = stream.normal(size=(4, 3))

    def expected(values, layer):
        if layer == len(chain.weights) - 1:
            return chain.weights[-1] @ values + chain.biases[-1]
        p = special.expit(chain.weights[layer] @ values + chain.biases[layer])
        total = 0.0
        for state in itertools.product((0, 1), repeat=len(p)):
            chosen = np.array(state, dtype=float)
            total = total + np.prod(np.where(chosen > 0, p, 1 - p)) * expected(chosen, layer + 1)
        return total

    found = switching_logits(chain, inputs, spread=0.0, num_draws=8000)
    exact = np.array([expected(sample, 0) for sample in inputs])
    largest = np.abs(chain.weights[-1]).sum(axis=1)  # a bound of the standard deviation of a draw
    assert (np.abs(found - exact) < 4 * largest / np.sqrt(8000)).all()


def test_switches_of_imperfect_devices_are_the_mean_over_devices():
    chain = Chain([np.array([[1.0]]), np.array([[1.0]])], [np.zeros(1), np.zeros(1)], "sigmoid")
    inputs, spread = np.array([[4.0], [-1.0]]), 1.5
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    offset, width = spread * nodes[:, None], np.exp(spread * nodes[None])
    exact = [weights @ special.expit((each - offset) / width) @ weights for each in inputs[:, 0]]
    found = switching_logits(chain, inputs, spread=spread, num_draws=8000)[:, 0]
    np.testing.assert_allclose(found, exact, atol=4 * 0.5 / np.sqrt(8000))
    assert abs(exact[0] - special.expit(4.0)) > 0.05


def test_wrong_arguments_are_named():
    chain = random_chain(np.random.default_rng(5), (3, 2, 2))
    inputs, labels = np.zeros((2, 3)), np.array([0, 1])
    for call, words in (
        (lambda: noise_moments(chain, inputs, noise_variance=-1.0), "noise_variance is -1"),
        (lambda: noise_moments(chain, inputs, noise_variance=np.nan), "noise_variance is nan"),
        (lambda: sampled_noise(chain, inputs, noise_variance=1.0, num_draws=1), "num_draws is 1"),
        (lambda: noisy_accuracy(chain, inputs, labels, noise_variance=1.0, num_draws=0), "num_draws is 0"),
        (
            lambda: accuracy_by_noise(chain, inputs, labels, noise_variances=[0.1, -1.0]),
            "noise_variance is -1",
        ),
        (lambda: noisy_accuracy(chain, inputs[:0], labels[:0], noise_variance=1.0), "inputs are empty"),
        (lambda: relu_moments(np.zeros(2), np.array([1.0, -1.0])), "variance holds negative"),
        (lambda: switching_logits(chain, inputs, spread=0.0), "has the activation 'relu'"),
    ):
        with pytest.raises(InputError, match=words):
            call()
    switches = random_chain(np.random.default_rng(5), (3, 2, 2), activations="sigmoid")
    with pytest.raises(InputError, match="spread is -1"):
        switching_logits(switches, inputs, spread=-1.0)
