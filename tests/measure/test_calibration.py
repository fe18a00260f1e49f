import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import special

import sparsight
from sparsight.errors import InputError
from sparsight.measure import calibrated_ece, calibration, expected_calibration_error


def _by_loop(confidences, is_right, num_bins):
    """The definition for confidences that all differ."""
    order = np.argsort(confidences)
    total = 0.0
    for each in np.array_split(order, num_bins):
        if len(each):
            total += len(each) / len(order) * abs(is_right[each].mean() - confidences[each].mean())
    return total


@pytest.mark.parametrize(("number", "num_bins"), [(100, 10), (7, 15), (1000, 1), (60, 15)])
def test_is_that_of_a_loop_over_bins(number, num_bins):
    stream = np.random.default_rng(number)
    confidences = stream.random(number)
    is_right = stream.random(number) < confidences**2
    found = expected_calibration_error(confidences, is_right, num_bins=num_bins)
    assert found == pytest.approx(_by_loop(confidences, is_right, num_bins), abs=1e-12)


def test_of_exact_probabilities_falls_to_0_with_the_number_of_samples():
    stream = np.random.default_rng(0)
    found = []
    for number in (10**3, 10**5, 10**6):
        confidences = stream.uniform(0.5, 1, number)
        found.append(expected_calibration_error(confidences, stream.random(number) < confidences))
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.003
    # Σ_b n_b/n E|mean error| with a normal error of each bin, at p = 0.75 within 10 %
    expected = np.mean(
        [np.sqrt(2 * p * (1 - p) * 15 / (np.pi * 10**5)) for p in np.linspace(0.5, 1, 16)[:-1] + 1 / 60]
    )
    draws = [
        expected_calibration_error(p, stream.random(10**5) < p)
        for p in (stream.uniform(0.5, 1, 10**5) for _ in range(40))
    ]
    assert np.mean(draws) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("accuracy", [0.0, 0.37, 1.0])
def test_of_the_always_confident_is_one_minus_the_accuracy(accuracy):
    labels = (np.arange(100) >= round(100 * accuracy)).astype(int)
    found = calibration(np.tile([800.0, 0.0, 0.0], (100, 1)), labels)
    assert found.ece == pytest.approx(1 - accuracy, abs=1e-12)
    assert found.confidence == 1
    assert found.brier == pytest.approx(2 * (1 - accuracy), abs=1e-12)
    assert found.nll == pytest.approx(800 * (1 - accuracy), rel=1e-12)
    assert found.confidence_when_wrong == (
        pytest.approx(1.0) if accuracy < 1 else pytest.approx(np.nan, nan_ok=True)
    )


def test_of_constant_exact_probabilities_it_is_0_in_any_order_of_the_samples():
    confidences, is_right = np.full(100, 0.75), np.arange(100) < 75
    assert expected_calibration_error(confidences, is_right) == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 20))
def test_does_not_depend_on_the_order_of_samples_and_stays_between_its_bounds(seed, number, num_bins):
    stream = np.random.default_rng(seed)
    confidences = stream.integers(0, 6, number) / 5  # many ties
    is_right = stream.random(number) < 0.5
    order = stream.permutation(number)
    found = expected_calibration_error(confidences, is_right, num_bins=num_bins)
    again = expected_calibration_error(confidences[order], is_right[order], num_bins=num_bins)
    assert found == pytest.approx(again, abs=1e-12)
    # Bins can only tell more apart than a single one does, and no more than single samples do.
    assert abs(is_right.mean() - confidences.mean()) - 1e-12 <= found
    assert found <= np.abs(is_right - confidences).mean() + 1e-12


def test_every_number_is_that_of_a_loop_over_samples():
    stream = np.random.default_rng(3)
    logits, labels = stream.normal(size=(200, 4)).astype(np.float32) * 2, stream.integers(0, 3, 200)
    p = special.softmax(logits.astype(float), axis=1)
    found = calibration(logits, labels, num_bins=20)
    brier = [sum((p[i, c] - (c == labels[i])) ** 2 for c in range(4)) for i in range(200)]
    nll = [-np.log(p[i, labels[i]]) for i in range(200)]
    wrong = [i for i in range(200) if p[i].argmax() != labels[i]]
    assert found.brier == pytest.approx(np.mean(brier))
    assert found.nll == pytest.approx(np.mean(nll))
    assert found.accuracy == pytest.approx(1 - len(wrong) / 200)
    assert found.confidence_when_wrong == pytest.approx(p[wrong].max(axis=1).mean())
    for each in range(3):
        rows = [i for i in range(200) if labels[i] == each]
        errors = [i for i in wrong if labels[i] == each]
        assert found.brier_per_class[each] == pytest.approx(np.mean([brier[i] for i in rows]))
        assert found.nll_per_class[each] == pytest.approx(np.mean([nll[i] for i in rows]))
        assert found.accuracy_per_class[each] == pytest.approx(1 - len(errors) / len(rows))
        assert found.confidence_when_wrong_per_class[each] == pytest.approx(p[errors].max(axis=1).mean())
        assert found.ece_per_class[each] == pytest.approx(_by_loop(p[:, each], labels == each, 20))
    assert np.isnan(found.brier_per_class[3])
    assert found.ece_per_class[3] == pytest.approx(p[:, 3].mean())


def test_the_control_is_the_mean_of_exact_probabilities_and_notices_when_they_are_not():
    stream = np.random.default_rng(4)
    confidences = stream.uniform(0.5, 1, 500)
    by_chance = calibrated_ece(confidences, num_draws=200)
    exact = [expected_calibration_error(confidences, stream.random(500) < confidences) for _ in range(200)]
    spread = np.std(exact)
    assert by_chance == pytest.approx(np.mean(exact), abs=4 * spread * np.sqrt(2 / 200))
    too_sure = expected_calibration_error(confidences, stream.random(500) < confidences - 0.2)
    assert too_sure > by_chance + 4 * spread
    assert calibrated_ece(confidences) == calibrated_ece(confidences)


def test_wrong_arguments_are_named():
    logits, labels = np.zeros((3, 2)), np.array([0, 1, 1])
    for call, words in (
        (lambda: sparsight.calibration(logits, np.array([0, 1, 2])), "labels run from 0 to 2"),
        (lambda: sparsight.calibration(logits[:, :1], labels * 0), "1 output"),
        (lambda: sparsight.calibration(logits[:0], labels[:0]), "logits are empty"),
        (lambda: sparsight.calibration(logits, labels, num_bins=0), "num_bins is 0"),
        (lambda: expected_calibration_error(np.array([1.5]), np.array([True])), r"outside \[0, 1\]"),
        (lambda: expected_calibration_error(np.zeros(0), np.zeros(0, bool)), "confidences are empty"),
        (lambda: calibrated_ece(np.array([0.5]), num_draws=0), "num_draws is 0"),
    ):
        with pytest.raises(InputError, match=words):
            call()
