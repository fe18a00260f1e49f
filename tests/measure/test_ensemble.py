"""Marginal and joint likelihoods of ensembles beside closed forms and brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import special

import sparsight
from sparsight.errors import InputError
from sparsight.measure import (
    calibration,
    disagreement,
    ensemble_log_probabilities,
    expected_calibration_error,
    joint_log_likelihood,
    joint_nll,
    marginal_nll,
    matching_temperature,
)


def drawn(num_members, num_samples=30, num_classes=3, seed=0, scale=2.0):
    stream = np.random.default_rng(seed)
    logits = stream.normal(size=(num_members, num_samples, num_classes)) * scale
    return logits, stream.integers(num_classes, size=num_samples)


def test_a_coin_whose_bias_is_unknown_has_its_closed_form():
    biased, fair = np.log([[0.1, 0.9], [0.9, 0.1]]), np.log([[0.5, 0.5]])
    joint, independent, marginal = 0.0, 0.0, 0.0
    for side, labels in itertools.product((0, 1), itertools.product((0, 1), repeat=10)):
        y = np.array(labels)
        truth = 0.5 * math.prod((0.1, 0.9)[label ^ side] for label in labels)
        joint -= truth * joint_log_likelihood(np.repeat(biased[:, None], 10, axis=1), y)
        independent -= truth * joint_log_likelihood(np.repeat(fair[:, None], 10, axis=1), y)
        marginal += truth * marginal_nll(np.repeat(biased[:, None], 10, axis=1), y)
    tosses = np.arange(11)
    ways = special.comb(10, tosses)
    of_bias = [0.9**tosses * 0.1 ** (10 - tosses), 0.1**tosses * 0.9 ** (10 - tosses)]
    expected = -(ways * of_bias[0] * np.log(0.5 * (of_bias[0] + of_bias[1]))).sum()
    assert joint == pytest.approx(expected, abs=1e-12)
    assert round(joint, 3) == 3.942
    assert independent == pytest.approx(10 * math.log(2), abs=1e-12)
    assert marginal == pytest.approx(math.log(2), abs=1e-12)


@pytest.mark.parametrize("num_anchors", [1, 2, 3])
def test_a_single_member_has_the_sum_of_its_marginals(num_anchors):
    logits, labels = drawn(1)
    found = joint_nll(logits, labels, num_anchors=num_anchors, num_draws=10)
    assert found == pytest.approx(10 * marginal_nll(logits, labels), rel=1e-13)
    copies = np.repeat(logits, 5, axis=0)
    assert joint_nll(copies, labels, num_anchors=num_anchors) == pytest.approx(found, rel=1e-12)
    apart = drawn(5)[0]
    assert joint_nll(apart, labels) < 10 * marginal_nll(apart, labels) - 0.1


@pytest.mark.parametrize(("num_anchors", "num_draws"), [(1, 3), (2, 3), (3, 3), (2, 1)])
def test_the_joint_likelihood_is_that_of_all_strings_of_draws(num_anchors, num_draws):
    logits, labels = drawn(4, num_samples=7)
    p = special.softmax(logits, axis=2)[:, np.arange(7), labels]
    circle = sparsight.streams.generator(3, "joint nll", 0).permutation(7)
    total = []
    for first in range(7):
        group = [circle[(first + place) % 7] for place in range(num_anchors)]
        for draws in itertools.product(group, repeat=num_draws):
            total.append(-np.log(np.mean([np.prod(p[z, list(draws)]) for z in range(4)])))
    found = joint_nll(logits, labels, num_anchors=num_anchors, num_draws=num_draws, seed=3)
    assert found == pytest.approx(np.mean(total), rel=1e-12)


def test_joint_probabilities_of_all_label_strings_are_those_of_the_definition():
    logits, _ = drawn(4, num_samples=3)
    p = special.softmax(logits, axis=2)
    total = 0.0
    for labels in itertools.product(range(3), repeat=3):
        found = math.exp(joint_log_likelihood(logits, np.array(labels)))
        expected = np.mean([math.prod(p[z, t, y] for t, y in enumerate(labels)) for z in range(4)])
        assert found == pytest.approx(expected, rel=1e-12)
        total += found
    assert total == pytest.approx(1, abs=1e-12)


def test_an_ensemble_of_one_is_the_network():
    logits, labels = drawn(1, num_samples=200)
    alone = calibration(logits[0], labels)
    mixed = ensemble_log_probabilities(logits)
    assert (mixed == special.log_softmax(logits[0], axis=1)).all()
    as_ensemble = calibration(mixed, labels)
    assert marginal_nll(logits, labels) == alone.nll
    for name in ("accuracy", "ece", "brier", "confidence"):
        assert getattr(as_ensemble, name) == pytest.approx(getattr(alone, name), rel=1e-14)
    assert disagreement(logits) == 0


@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 10**6))
def test_disagreement_is_that_of_all_pairs(num_members, num_classes, seed):
    logits, _ = drawn(num_members, 9, num_classes, seed)
    predicted = logits.argmax(axis=2)
    pairs = itertools.combinations(range(num_members), 2)
    expected = np.mean([(predicted[a] != predicted[b]).mean() for a, b in pairs])
    assert disagreement(logits) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 5), st.integers(0, 10**6))
def test_mixing_never_costs_more_than_the_mean_member(num_members, seed):
    logits, labels = drawn(num_members, seed=seed)
    means = [marginal_nll(logits[[each]], labels) for each in range(num_members)]
    assert marginal_nll(logits, labels) <= np.mean(means) + 1e-12
    # Several draws of one sample: what members know together can only help.
    joint = joint_nll(logits, labels, num_anchors=1)
    assert joint <= 10 * marginal_nll(logits, labels) + 1e-9
    order = np.random.default_rng(seed).permutation(num_members)
    assert joint_nll(logits[order], labels) == pytest.approx(joint_nll(logits, labels), rel=1e-12)


def test_probabilities_that_underflow_keep_their_logarithm():
    logits = np.array([[[2000.0, 0.0]] * 3, [[0.0, 0.0]] * 3])
    labels = np.ones(3, int)
    assert marginal_nll(logits, labels) == pytest.approx(math.log(4), abs=1e-12)
    assert joint_nll(logits, labels) == pytest.approx(11 * math.log(2), abs=1e-10)
    assert joint_nll(logits[:1], labels) == pytest.approx(20000)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_a_temperature_matches_the_marginals_that_are_wanted(factor):
    logits, labels = drawn(3, num_samples=300, seed=1)
    labels[:200] = logits[0, :200].argmax(axis=1)  # something to know
    wanted = marginal_nll(logits, labels)
    found = matching_temperature(logits * factor, labels, wanted)
    assert marginal_nll(logits * factor / found, labels) == pytest.approx(wanted, abs=1e-10)
    if factor == 1:
        assert found == 1


def test_a_temperature_is_the_one_near_1_of_those_that_do_it():
    """One unsure coin: the likelihood of its labels, 3 of 4 on its side, falls on both sides of the best."""
    logits, labels = np.tile([[2.0, 0.0]], (1, 4, 1)), np.array([0, 0, 0, 1])
    best = math.log(3)  # logit of 3/4
    wanted = marginal_nll(logits * 0.9, labels)
    found = matching_temperature(logits, labels, wanted)
    assert found == pytest.approx(1 / 0.9, rel=1e-9)
    assert 2 / found > best  # and not the other one, on the far side of the best
    assert math.isnan(
        matching_temperature(logits, labels, -0.75 * math.log(0.75) - 0.25 * math.log(0.25) - 1e-6)
    )
    at_best = matching_temperature(logits, labels, -0.75 * math.log(0.75) - 0.25 * math.log(0.25) + 1e-9)
    assert 2 / at_best == pytest.approx(best, rel=1e-3)


def test_no_temperature_is_worse_than_chance_for_those_who_are_right():
    logits = np.array([[[3.0, 0.0], [0.0, 1.0]]])
    assert math.isnan(matching_temperature(logits, np.array([0, 1]), 0.7))
    assert matching_temperature(logits, np.array([0, 1]), 0.69) > 10


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: joint_nll(x, y, num_anchors=0), "num_anchors is 0; 1 to the number of samples, 30"),
        (lambda x, y: joint_nll(x, y, num_anchors=31), "num_anchors is 31"),
        (lambda x, y: joint_nll(x, y, num_draws=0), "num_draws is 0"),
        (lambda x, y: joint_nll(x, y, num_rounds=0), "num_rounds is 0"),
        (lambda x, y: joint_nll(x[0], y), "logits is float64 of shape"),
        (lambda x, y: joint_nll(x, y[:5]), "labels has shape"),
        (lambda x, y: joint_nll(x[:0], y), "at least one member"),
        (lambda x, y: disagreement(x[:, :0]), "at least one sample"),
        (lambda x, y: marginal_nll(x, y + 1), "labels run from"),
        (lambda x, y: marginal_nll(x * np.nan, y), "logits holds NaN"),
        (lambda x, y: ensemble_log_probabilities(x[:0]), "at least one member"),
        (lambda x, y: matching_temperature(x, y, math.inf), "nll is inf"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call(*drawn(2))


def test_errors_of_a_calibrated_ensemble_are_those_of_its_mean():
    """Two coins mixed: members that are too sure, whose mean is right."""
    p = np.array([[0.9, 0.1], [0.3, 0.7]])
    logits = np.repeat(np.log(p)[:, None], 10, axis=1)
    labels = np.array([0] * 6 + [1] * 4)
    assert calibration(ensemble_log_probabilities(logits), labels).ece == pytest.approx(0, abs=1e-12)
    alone = expected_calibration_error(np.full(10, 0.9), labels == 0)
    assert alone == pytest.approx(0.3)
