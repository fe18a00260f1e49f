import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import special, stats

from sparsight.errors import InputError
from sparsight.measure import (
    auroc,
    combined_score,
    energy_score,
    fpr95,
    largest_probability,
    neural_activation_prior,
    prior_weight,
)


@given(st.integers(0, 10**4), st.integers(1, 12), st.integers(1, 12))
def test_auroc_is_that_of_counting_pairs_with_ties_at_a_half(seed, num_inside, num_outside):
    stream = np.random.default_rng(seed)
    inside, outside = (stream.integers(0, 5, each).astype(float) for each in (num_inside, num_outside))
    pairs = [(a > b) + 0.5 * (a == b) for a in inside for b in outside]
    assert auroc(inside, outside) == pytest.approx(np.mean(pairs))
    assert auroc(outside, inside) == pytest.approx(1 - np.mean(pairs))
    assert auroc(np.exp(inside), np.exp(outside)) == pytest.approx(np.mean(pairs))


def _error_of_area(shift, number):
    """The standard error of the AUROC of N(shift, 1) against N(0, 1) on as many of both, exactly."""
    area = stats.norm.cdf(shift / np.sqrt(2))
    both = stats.multivariate_normal.cdf(np.full(2, shift / np.sqrt(2)), cov=[[1, 0.5], [0.5, 1]])
    return np.sqrt((area * (1 - area) + 2 * (number - 1) * (both - area**2)) / number**2)


def _error_of_passing(shift, number):
    """The standard error of FPR95: binomial, and that of the threshold, a quantile of the inside."""
    threshold = shift - stats.norm.ppf(0.95)
    share = stats.norm.sf(threshold)
    slope = stats.norm.pdf(threshold) / stats.norm.pdf(threshold - shift)
    return np.sqrt((share * (1 - share) + 0.95 * 0.05 * slope**2) / number)


@pytest.mark.parametrize(
    ("shift", "area", "passing"), [(0, 0.5, 0.95), (1, 0.7602, 0.7405), (2, 0.9214, 0.3612)]
)
def test_of_shifted_gaussians_both_are_the_closed_forms(shift, area, passing):
    """AUROC Φ(Δ/√2) and FPR95 Φ(1.645 − Δ)."""
    exact = stats.norm.cdf([shift / np.sqrt(2), stats.norm.ppf(0.95) - shift])
    np.testing.assert_allclose(exact, [area, passing], rtol=0, atol=5e-5)
    stream, number = np.random.default_rng(0), 10**5
    inside, outside = stream.normal(shift, 1, number), stream.normal(0, 1, number)
    assert abs(auroc(inside, outside) - exact[0]) < 4 * _error_of_area(shift, number)
    assert abs(fpr95(inside, outside) - exact[1]) < 4 * _error_of_passing(shift, number)
    # Neither bound would hide a shift that is a tenth of a standard deviation off.
    for other in (shift - 0.1, shift + 0.1):
        wrong = stats.norm.cdf([other / np.sqrt(2), stats.norm.ppf(0.95) - other])
        assert abs(auroc(inside, outside) - wrong[0]) > 4 * _error_of_area(shift, number)
        assert abs(fpr95(inside, outside) - wrong[1]) > 4 * _error_of_passing(shift, number)


def test_fpr95_of_few_scores_is_that_of_the_definition():
    inside, outside = np.arange(20.0), np.array([-1.0, 0.0, 0.5, 1.0, 30.0])
    assert fpr95(inside, outside) == 0.4  # 19 of 20 reach the threshold 1
    assert fpr95(np.array([3.0]), np.array([3.0, 2.0])) == 0.5
    stream = np.random.default_rng(1)
    for _ in range(20):
        inside, outside = stream.integers(0, 9, 33).astype(float), stream.integers(0, 9, 20).astype(float)
        thresholds = [each for each in inside if (inside >= each).mean() >= 0.95]
        assert fpr95(inside, outside) == (outside >= max(thresholds)).mean()


def test_undefined_scores_are_left_out():
    inside, outside = np.array([1.0, np.nan, 2.0]), np.array([np.nan, 1.5])
    assert auroc(inside, outside) == 0.5
    assert fpr95(inside, outside) == 1.0
    assert np.isnan(auroc(inside[1:2], outside))
    assert np.isnan(fpr95(inside, outside[:1]))


def test_the_prior_of_constant_and_of_single_activations():
    a, number = 3.0, 16
    constant = np.full((1, 1, number), a)
    assert neural_activation_prior(constant).item() == pytest.approx((a / (a + 1)) ** 2)
    single = np.zeros((1, 1, number))
    single[0, 0, 5] = a
    assert neural_activation_prior(single).item() == pytest.approx((a / (a / number + 1)) ** 2)
    assert neural_activation_prior(1e9 * single).item() == pytest.approx(number**2, rel=1e-6)
    assert neural_activation_prior(0 * single, epsilon=0.0).item() == 0


def test_the_prior_of_channels_and_places_is_that_of_a_loop():
    activations = np.maximum(np.random.default_rng(2).normal(size=(4, 3, 5, 6)), 0)
    found = neural_activation_prior(activations, epsilon=0.5)
    for sample, score in zip(activations, found, strict=True):
        ratios = []
        for channel in sample:
            values = [channel[i, j] for i in range(5) for j in range(6)]
            ratios.append((max(values) / (sum(values) / 30 + 0.5)) ** 2)
        assert score == pytest.approx(sum(ratios) / 3)


@given(st.integers(0, 10**4))
def test_the_prior_does_not_depend_on_the_order_of_places_and_forgets_epsilon_as_activations_grow(seed):
    stream = np.random.default_rng(seed)
    activations = np.maximum(stream.normal(size=(3, 2, 8)), 0) + 0.01
    found = neural_activation_prior(activations)
    np.testing.assert_allclose(neural_activation_prior(activations[:, :, stream.permutation(8)]), found)
    without = neural_activation_prior(activations, epsilon=0.0)
    gaps = [np.abs(neural_activation_prior(c * activations) - without).max() for c in (1.0, 1e4, 1e8)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


def test_energy_and_largest_probability_are_those_of_their_formulas():
    logits = np.random.default_rng(3).normal(size=(5, 4)) * 3
    np.testing.assert_allclose(energy_score(logits), np.log(np.exp(logits).sum(axis=1)))
    np.testing.assert_allclose(
        energy_score(logits, temperature=2.0), 2 * np.log(np.exp(logits / 2).sum(axis=1))
    )
    np.testing.assert_allclose(largest_probability(logits), special.softmax(logits, axis=1).max(axis=1))
    assert energy_score(np.full((1, 2), 2000.0)).item() == pytest.approx(2000 + np.log(2))


def test_a_combined_score_is_a_geometric_mean_and_undefined_for_an_energy_that_is_not_positive():
    score, prior = np.array([2.0, 0.0, -1.0, np.nan]), np.array([8.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(combined_score(score, prior), [4, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(combined_score(score[:1], prior[:1], weight=1.0), 2)


@pytest.mark.parametrize("shifts", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.4)])
def test_the_fitted_weight_is_that_of_the_best_linear_combination_of_independent_logarithms(shifts):
    """By Fisher's discriminant w = a/(a + b), and no weight of a grid has a larger area."""
    stream = np.random.default_rng(4)
    inside = [np.exp(stream.normal(each, 1, 20_000)) for each in shifts]
    outside = [np.exp(stream.normal(0, 1, 20_000)) for _ in shifts]
    weight = prior_weight(*inside, *outside)
    assert weight == pytest.approx(shifts[0] / sum(shifts), abs=0.03)

    def area(w):
        return auroc(*(combined_score(*each, weight=w) for each in (inside, outside)))

    assert area(weight) > max(map(area, np.linspace(0, 1, 21))) - 1e-4
    assert area(weight) == pytest.approx(stats.norm.cdf(np.linalg.norm(shifts) / np.sqrt(2)), abs=0.012)


def test_a_weight_needs_scores_that_are_defined():
    ones = np.ones(3)
    assert np.isnan(prior_weight(-ones, ones, ones, ones))
    assert prior_weight(ones, ones, ones, ones) == 0.5  # nothing is better than where it begins


def test_wrong_arguments_are_named():
    for call, words in (
        (lambda: neural_activation_prior(np.zeros((2, 3))), "activations have 2 axes"),
        (lambda: neural_activation_prior(-np.ones((2, 3, 4))), "negative"),
        (lambda: neural_activation_prior(np.ones((2, 3, 4)), epsilon=-1.0), "epsilon is -1"),
        (lambda: energy_score(np.zeros((2, 3)), temperature=0.0), "temperature is 0"),
        (lambda: energy_score(np.zeros((2, 0))), "no classes"),
        (lambda: largest_probability(np.zeros((2, 0))), "no classes"),
        (lambda: combined_score(np.ones(2), np.ones(2), weight=1.5), "weight is 1.5"),
        (lambda: auroc(np.array([np.inf]), np.ones(1)), "inside holds infinite"),
    ):
        with pytest.raises(InputError, match=words):
            call()
