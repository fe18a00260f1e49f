"""The closed form against automatic derivatives, and against limits of wide networks."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy import stats

from sparsight.errors import InputError
from sparsight.measure import Chain, centred_cosine, label_alignment, tangent_kernel
from tests.measure.random_chains import random_chain

ACTIVATIONS = {
    "relu": torch.relu, "tanh": torch.tanh, "erf": torch.erf, "sigmoid": torch.sigmoid,
    "linear": torch.positive,
}  # fmt: skip


def by_jacobians(chain, inputs, masks=None, biases=True):
    """Θ from per-sample Jacobians of torch.func, over the trained weights."""
    layers = [
        (torch.from_numpy(weight), torch.from_numpy(bias))
        for weight, bias in zip(chain.weights, chain.biases, strict=True)
    ]

    def logits(parameters, x):
        for (weight, bias), name in zip(parameters, (*chain.activations, "linear"), strict=True):
            x = ACTIVATIONS[name](weight @ x + bias)
        return x

    jacobians = torch.func.vmap(torch.func.jacrev(logits), (None, 0))(layers, torch.from_numpy(inputs))
    parts = []
    for layer, (of_weight, of_bias) in enumerate(jacobians):
        kept = torch.ones(of_weight.shape[2:]) if masks is None else torch.from_numpy(masks[layer])
        parts.append((of_weight * kept).flatten(2))
        if biases:
            parts.append(of_bias)
    together = torch.cat(parts, dim=2).flatten(1)
    return (together @ together.T).numpy()


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("density", [1.0, 0.7, 0.2])
def test_it_is_the_product_of_per_sample_jacobians(activation, density, biases):
    stream = np.random.default_rng(0)
    chain = random_chain(stream, (6, 9, 7, 3), density, activation)
    inputs = stream.normal(size=(8, 6))
    masks = [weight != 0 for weight in chain.weights]
    found = tangent_kernel(chain, inputs, masks=masks, biases=biases)
    np.testing.assert_allclose(found, by_jacobians(chain, inputs, masks, biases), rtol=0, atol=1e-10)
    everything = tangent_kernel(chain, inputs, biases=biases)
    np.testing.assert_allclose(everything, by_jacobians(chain, inputs, None, biases), rtol=0, atol=1e-10)
    assert np.linalg.eigvalsh(found).min() > -1e-10


def test_rates_weigh_layers_and_masks_share_out_the_whole():
    stream = np.random.default_rng(1)
    chain, inputs = random_chain(stream, (6, 9, 3)), stream.normal(size=(8, 6))
    first, second = (tangent_kernel(chain, inputs, layer_rates=rates) for rates in ((1.0, 0.0), (0.0, 1.0)))
    np.testing.assert_allclose(2 * first + 5 * second, tangent_kernel(chain, inputs, layer_rates=(2.0, 5.0)))
    masks = [stream.random(weight.shape) < 0.5 for weight in chain.weights]
    parts = [
        tangent_kernel(chain, inputs, masks=each, biases=False) for each in (masks, [~mask for mask in masks])
    ]
    np.testing.assert_allclose(sum(parts), tangent_kernel(chain, inputs, biases=False))


def kappa_0(cosine):
    return (np.pi - np.arccos(np.clip(cosine, -1, 1))) / np.pi


def kappa_1(cosine):
    angle = np.arccos(np.clip(cosine, -1, 1))
    return (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi


def dense_limit(cosine, num_hidden):
    """Recursion of a ReLU network of unit inputs: S' = κ₁(S), Θ' = S' + κ₀(S) Θ."""
    covariance = kernel = cosine
    for _ in range(num_hidden):
        kernel = kappa_1(covariance) + kappa_0(covariance) * kernel
        covariance = kappa_1(covariance)
    return kernel


def wide_kernel(seed, inputs, width, alphas, num_outputs=1):
    """Mean kernel of the outputs of a random ReLU network, NTK parametrisation, masks at random."""
    stream = np.random.default_rng(seed)
    widths = [inputs.shape[1], *[width] * (len(alphas) - 1), num_outputs]
    weights, masks, rates = [], [], []
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        # Unit variance of a hidden unit for unit inputs: σ_w² is 1 in the first layer and 2 / fan-in later.
        rate = 1.0 if layer == 0 else 2 / fan_in
        mask = stream.random((fan_out, fan_in)) < alphas[layer]
        weights.append(stream.normal(0, np.sqrt(rate), (fan_out, fan_in)) * mask)
        masks.append(mask)
        rates.append(rate)
    chain = Chain(weights, [np.zeros(len(weight)) for weight in weights])
    return tangent_kernel(chain, inputs, masks=masks, biases=False, layer_rates=rates) / num_outputs


def unit_inputs():
    drawn = np.random.default_rng(1).normal(size=(2, 6))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def mean_and_error(kernels):
    values = np.array([(kernel[0, 0], kernel[0, 1]) for kernel in kernels])
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def test_random_masks_of_hidden_and_output_layers_only_multiply_the_kernel():
    inputs, alpha = unit_inputs(), 0.3
    exact = np.array([dense_limit(1.0, 2), dense_limit(float(inputs[0] @ inputs[1]), 2)])
    np.testing.assert_allclose(exact, [3.000, 0.840], atol=5e-4)
    mean, error = mean_and_error(wide_kernel(seed, inputs, 1200, (1, alpha, alpha)) for seed in range(10))
    assert (np.abs(mean - alpha**2 * exact) < 3 * error).all()
    assert (error < 0.04 * mean).all()


def masked_input_limit(first, second, alpha):
    """The limit with a masked input layer as well, by enumeration of the masks of a unit."""
    covariance = slopes = 0.0
    for bits in itertools.product((0, 1), repeat=len(first)):
        mask = np.array(bits)
        share = alpha ** mask.sum() * (1 - alpha) ** (len(mask) - mask.sum())
        norms = np.sqrt((first**2 * mask).sum() * (second**2 * mask).sum())
        product = float((first * second * mask).sum())
        if norms:
            covariance += share * norms * kappa_1(product / norms)
            slopes += share * kappa_0(product / norms) * product
    # Every unit's variance is α behind the first layer, and α² behind the second.
    cosine = covariance / alpha
    return alpha**3 * kappa_1(cosine) + alpha**2 * kappa_0(cosine) * (covariance + slopes)


def test_a_masked_input_layer_is_no_factor():
    inputs, alpha = unit_inputs(), 0.3
    exact = np.array([masked_input_limit(inputs[0], inputs[i], alpha) for i in (0, 1)])
    assert exact[0] == pytest.approx(0.0810, abs=5e-5)
    assert exact[1] == pytest.approx(0.02534, abs=5e-6)
    as_factor = alpha**3 * dense_limit(float(inputs[0] @ inputs[1]), 2)
    assert as_factor == pytest.approx(0.02269, abs=5e-6)
    mean, error = mean_and_error(wide_kernel(seed, inputs, 1200, (alpha,) * 3) for seed in range(20))
    assert (np.abs(mean - exact) < 3 * error).all()
    assert abs(mean[1] - as_factor) > 3 * error[1]


def test_a_wide_dense_network_follows_the_recursion():
    """The mean over networks, within 4 of its standard errors and those within 0.75 % of the diagonal."""
    inputs = unit_inputs()
    inputs = np.vstack([inputs, -inputs[:1], np.eye(6)[:1]])
    found = [wide_kernel(seed, inputs, 4000, (1, 1), num_outputs=20) for seed in range(12)]
    expected = np.array([[dense_limit(float(a @ b), 1) for b in inputs] for a in inputs])
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (error < 0.0075 * 2.0).all()
    assert (np.abs(np.mean(found, axis=0) - expected) < 4 * error + 1e-12).all()


@pytest.mark.parametrize("width", [60, 240, 960])
def test_a_single_draw_is_off_by_one_over_the_root_of_its_width(width):
    """Θ(x, x) = Σ v² [z > 0] + 2/n Σ relu(z)², with v of variance 2/n: mean 2, variance 12/n.

    The variance is 5/n from either layer, and 2/n from both together. A draw of 960 units is off by 5.6 %.
    """
    number = 600
    found = np.array([wide_kernel(seed, unit_inputs()[:1], width, (1, 1)).item() for seed in range(number)])
    assert abs(found.mean() - 2) < 4 * np.sqrt(12 / width / number)
    low, high = stats.chi2.ppf([1e-4, 1 - 1e-4], number - 1) / (number - 1)
    tails = np.sqrt(1 + stats.kurtosis(found) / 2)  # of the error of a variance, beyond that of a Gaussian
    assert 1 - (1 - low) * tails < found.var(ddof=1) * width / 12 < 1 + (high - 1) * tails


def test_one_trained_layer_and_the_lemma_on_an_orthogonal_basis():
    """K = x·x'(π − θ)/2π; ridgeless on ± a basis it learns a linear function exactly, and on + alone not."""
    stream = np.random.default_rng(0)
    first, width = stream.normal(size=(4000, 8)), 4000
    chain = Chain(
        [first, stream.choice([-1.0, 1.0], (1, width)) / np.sqrt(width)], [np.zeros(width), np.zeros(1)]
    )
    points = stream.normal(size=(5, 8))
    found = tangent_kernel(chain, points, biases=False, layer_rates=(1.0, 0.0))

    def kernel(left, right):
        product = left @ right.T
        cosine = product / np.linalg.norm(left, axis=1)[:, None] / np.linalg.norm(right, axis=1)
        return product * kappa_0(cosine) / 2

    np.testing.assert_allclose(found, kernel(points, points), atol=0.03 * np.diag(found).max())
    target, elsewhere = stream.normal(size=8), stream.normal(size=(200, 8))

    def error(basis):
        learnt = kernel(elsewhere, basis) @ np.linalg.solve(kernel(basis, basis), basis @ target)
        return np.linalg.norm(learnt - elsewhere @ target) / np.linalg.norm(elsewhere @ target)

    both = np.vstack([np.eye(8), -np.eye(8)])
    assert np.linalg.cond(kernel(both, both)) == pytest.approx(1.0)
    assert error(both) < 1e-14
    assert error(np.eye(8)) > 0.3


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(1e-3, 1e3), shift=st.floats(0, 10))
def test_a_factor_changes_no_ridgeless_prediction_and_no_cosine(seed, factor, shift):
    stream = np.random.default_rng(seed)
    chain, inputs = random_chain(stream, (5, 30, 2)), stream.normal(size=(9, 5))
    kernel = tangent_kernel(chain, inputs)
    assert centred_cosine(kernel, kernel) == pytest.approx(1.0)
    assert centred_cosine(kernel, factor * kernel + shift) == pytest.approx(1.0)
    labels = np.arange(9) % 3
    assert label_alignment(factor * kernel, labels) == pytest.approx(label_alignment(kernel, labels))
    train, test, y = (
        kernel[:6, :6] + 1e-6 * np.trace(kernel) * np.eye(6),
        kernel[6:, :6],
        stream.normal(size=6),
    )
    before = test @ np.linalg.solve(train, y)
    after = factor * test @ np.linalg.solve(factor * train, y)
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-9)


def test_alignment_with_two_classes_is_the_quadratic_form():
    stream = np.random.default_rng(3)
    kernel = tangent_kernel(random_chain(stream, (5, 20, 1)), stream.normal(size=(10, 5)))
    labels = stream.integers(0, 2, 10)
    y = 2.0 * labels - 1
    expected = y @ kernel @ y / (y @ y * np.linalg.norm(kernel))
    assert label_alignment(kernel, labels) == pytest.approx(expected)
    assert label_alignment(np.outer(y, y), labels) == pytest.approx(1.0)
    assert np.isnan(label_alignment(kernel, np.zeros(10, int)))
    assert np.isnan(label_alignment(0 * kernel, labels))
    assert np.isnan(centred_cosine(np.full((10, 10), 0.3), kernel))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": np.ones((2, 5))}, "5 columns"),
        ({"inputs": np.full((2, 6), np.nan)}, "inputs"),
        ({"masks": [np.ones((9, 6), bool)]}, "masks are 1"),
        ({"masks": [np.ones((9, 6), bool), np.ones((9, 3), bool)]}, r"masks\[1\]"),
        ({"masks": [np.ones((9, 6)), np.ones((3, 9), bool)]}, r"masks\[0\]"),
        ({"layer_rates": (1.0,)}, "layer_rates"),
        ({"layer_rates": (1.0, -1.0)}, "layer_rates"),
        ({"layer_rates": (1.0, float("nan"))}, "layer_rates"),
    ],
)
def test_wrong_arguments_are_named(change, words):
    chain = random_chain(np.random.default_rng(0), (6, 9, 3))
    with pytest.raises(InputError, match=words):
        tangent_kernel(**({"chain": chain, "inputs": np.ones((2, 6))} | change))
