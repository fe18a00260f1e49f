"""Verified accuracy, certified radii, attacks and switching units, beside closed forms and each other."""

import numpy as np
import pytest
import torch

from sparsight.errors import InputError
from sparsight.measure import (
    Chain,
    certified_margin,
    certified_radius,
    pgd_accuracy,
    switching_shares,
    verified_accuracy,
)
from tests.measure.random_chains import METHODS, points_of_ball, random_chain

EPSILONS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3)


@pytest.fixture(scope="module")
def labelled():
    """A chain with 200 samples, most of them labelled as it classifies them."""
    stream = np.random.default_rng(0)
    chain, inputs = random_chain(stream, (8, 20, 15, 4), 0.5), stream.normal(size=(200, 8))
    labels = chain.logits(inputs).argmax(axis=1)
    labels[::10] = (labels[::10] + 1) % 4
    return chain, inputs, labels


def margins_of(logits, labels):
    others = logits.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return logits[np.arange(len(labels)), labels] - others.max(axis=1)


@pytest.mark.parametrize("norm", ["inf", "2"])
@pytest.mark.parametrize("method", METHODS)
def test_verified_is_at_most_attacked_is_at_most_clean_and_none_rises(labelled, norm, method):
    chain, inputs, labels = labelled
    verified = verified_accuracy(chain, inputs, labels, epsilons=EPSILONS, norm=norm, method=method)
    attacked = pgd_accuracy(chain, inputs, labels, epsilons=EPSILONS, norm=norm)
    clean = (chain.logits(inputs).argmax(axis=1) == labels).mean()
    assert verified[0] == attacked[0] == clean == 0.9
    assert (verified <= attacked).all()
    assert (attacked <= clean).all()
    assert (np.diff(verified) <= 0).all()
    assert (np.diff(attacked) <= 0).all()
    assert attacked[-1] < clean


@pytest.mark.parametrize("method", METHODS)
def test_margins_hold_and_are_tighter_than_bounds_on_logits(labelled, method):
    chain, inputs, labels = labelled
    margins = certified_margin(chain, inputs, labels, epsilon=0.05, method=method)
    stream = np.random.default_rng(1)
    for point in points_of_ball(stream, 8, 0.05, "inf", 200):
        assert (margins_of(chain.logits(inputs + point), labels) >= margins - 1e-11).all()
    np.testing.assert_allclose(
        certified_margin(chain, inputs, labels, epsilon=0.0, method=method),
        margins_of(chain.logits(inputs), labels),
        atol=1e-12,
    )


@pytest.mark.parametrize(("norm", "order"), [("inf", 1), ("2", 2)])
def test_the_radius_of_a_linear_classifier_is_its_distance_to_the_border(norm, order):
    stream = np.random.default_rng(2)
    chain = Chain([stream.normal(size=(2, 6))], [stream.normal(size=2)])
    inputs = 0.1 * stream.normal(size=(60, 6))
    logits = chain.logits(inputs)
    labels = logits.argmax(axis=1)
    gap = np.linalg.norm(chain.weights[0][0] - chain.weights[0][1], ord=order)
    distance = np.minimum(np.abs(logits[:, 0] - logits[:, 1]) / gap, 1.0)
    found = certified_radius(chain, inputs, labels, norm=norm)
    far = distance > 1e-4
    assert (found <= distance * (1 + 1e-12)).all()
    assert (found[far] >= distance[far] * 0.99).all()
    assert (found[~far] == 0).all()
    assert (certified_radius(chain, inputs, 1 - labels, norm=norm) == 0).all()


def test_radii_agree_with_verified_accuracy(labelled):
    chain, inputs, labels = labelled
    radii = certified_radius(chain, inputs, labels)
    verified = verified_accuracy(chain, inputs, labels, epsilons=EPSILONS[1:])
    for epsilon, share in zip(EPSILONS[1:], verified, strict=True):
        assert (radii >= epsilon).mean() <= share <= (radii >= epsilon * 0.99).mean()


def test_logits_that_ignore_the_input_have_the_largest_radius():
    chain = Chain([np.zeros((3, 4)), np.ones((2, 3))], [np.zeros(3), np.array([1.0, 0.0])])
    inputs, labels = np.zeros((2, 4)), np.array([0, 1])
    assert certified_radius(chain, inputs, labels, largest=2.0).tolist() == [2.0, 0.0]
    shares = switching_shares(chain, inputs, epsilon=0.1)
    assert shares.num_units == 0
    assert np.isnan(shares.unstable)


def test_units_off_on_and_switching_are_counted_by_hand():
    # Pre-activations x − 1, x, x + 1 and a unit without input, at x = 0 with ε = ½.
    chain = Chain(
        [np.array([[1.0], [1.0], [1.0], [0.0]]), np.ones((2, 4))], [np.array([-1.0, 0, 1, 5]), np.zeros(2)]
    )
    shares = switching_shares(chain, np.zeros((2, 1)), epsilon=0.5)
    assert (shares.dead, shares.alive, shares.unstable) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert shares.num_units == 3


def test_an_attack_on_a_line_reaches_exactly_as_far_as_its_radius():
    chain = Chain([np.array([[1.0, 0.0], [-1.0, 0.0]])], [np.zeros(2)])
    inputs, labels = np.array([[0.5, 0.0], [0.2, 3.0], [-0.1, 0.0]]), np.array([0, 0, 0])
    for norm in ("inf", "2"):
        attacked = pgd_accuracy(chain, inputs, labels, epsilons=(0.6, 0.19, 0.3, 0.0), norm=norm)
        np.testing.assert_allclose(attacked, [0, 2 / 3, 1 / 3, 2 / 3])


def test_an_attack_is_a_function_of_its_seed_and_leaves_the_network(labelled):
    _, inputs, labels = labelled
    network = torch.nn.Sequential(torch.nn.Linear(8, 9), torch.nn.Tanh(), torch.nn.Linear(9, 4)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, second = (
        pgd_accuracy(network, inputs, labels, epsilons=EPSILONS, starts=2, seed=4) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in network.parameters())
    with pytest.raises(InputError, match=r"network.eval\(\)"):
        pgd_accuracy(network.train(), inputs, labels, epsilons=(0.1,))


@pytest.mark.parametrize("norm", ["inf", "2"])
def test_what_is_proved_need_not_be_attacked(labelled, norm):
    chain, inputs, labels = labelled
    proved = np.stack(
        [certified_margin(chain, inputs, labels, epsilon=each, norm=norm) > 0 for each in EPSILONS]
    )
    assert 0.2 < proved[2:4].mean() < 0.9
    found, expected = (
        pgd_accuracy(chain, inputs, labels, epsilons=EPSILONS, norm=norm, proved=each)
        for each in (proved, None)
    )
    np.testing.assert_array_equal(found, expected)
    # What a caller says is proved is not looked at again.
    everything = pgd_accuracy(chain, inputs, labels, epsilons=EPSILONS, norm=norm, proved=proved | True)
    np.testing.assert_array_equal(everything, expected[0])
    with pytest.raises(InputError, match="a row for each radius"):
        pgd_accuracy(chain, inputs, labels, epsilons=EPSILONS, norm=norm, proved=proved[1:])


@pytest.mark.parametrize("function", [certified_margin, certified_radius])
@pytest.mark.parametrize(
    ("labels", "words"), [(np.array([0]), "'n'|one label"), (np.array([0, 4]), "0 to 3 is allowed")]
)
def test_labels_that_do_not_fit_are_named(function, labels, words):
    chain = random_chain(np.random.default_rng(0), (3, 5, 4))
    options = {"epsilon": 0.1} if function is certified_margin else {}
    with pytest.raises(InputError, match=words):
        function(chain, np.zeros((2, 3)), labels, **options)


def test_accuracies_need_samples():
    chain, none = random_chain(np.random.default_rng(0), (3, 5, 4)), np.zeros(0, dtype=np.int64)
    for function in (verified_accuracy, pgd_accuracy):
        with pytest.raises(InputError, match="inputs are empty"):
            function(chain, np.zeros((0, 3)), none, epsilons=(0.1,))
