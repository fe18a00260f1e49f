import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.special import entr, expit, logit, xlogy

from sparsight.data import BeliefNetwork, learned_point_by_point
from sparsight.errors import InputError


def random_network(num_nodes, seed, density=0.5):
    rng = np.random.default_rng(seed)
    weight = np.tril(rng.normal(scale=1.5, size=(num_nodes, num_nodes)), -1)
    weight *= rng.random(weight.shape) < density
    return BeliefNetwork(weight, rng.normal(size=num_nodes))


def number_of(states):
    return states @ 2 ** np.arange(states.shape[1])


@pytest.mark.parametrize("seed", range(5))
def test_all_states_are_drawn_as_often_as_their_probabilities_say(seed):
    network = random_network(8, seed)
    probabilities = network.state_probabilities()
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    number = 40_000
    drawn = np.bincount(number_of(network.sample(np.random.default_rng(seed), number)), minlength=256)
    # Rare states are one cell together: the distribution of χ² is that of large counts.
    is_common = number * probabilities > 5
    found = np.append(drawn[is_common], drawn[~is_common].sum())
    expected = np.append(probabilities[is_common], probabilities[~is_common].sum()) * number
    assert stats.chisquare(found, expected).pvalue > 1e-3


def test_probabilities_are_products_over_nodes():
    network = random_network(5, 3)
    by_hand = []
    for state in network.all_states():
        product = 1.0
        for node, is_on in enumerate(state):
            on = expit(network.bias[node] + sum(network.weight[node, j] for j in np.flatnonzero(state)))
            product *= on if is_on else 1 - on
        by_hand.append(product)
    np.testing.assert_allclose(network.state_probabilities(), by_hand, rtol=1e-12)
    np.testing.assert_array_equal(number_of(network.all_states()), np.arange(32))


@pytest.mark.parametrize("seed", [0, 1])
def test_marginals_and_posteriors_are_those_of_variable_elimination(seed):
    network = random_network(7, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pgmpy.factors.discrete import TabularCPD
        from pgmpy.inference import VariableElimination
        from pgmpy.models import DiscreteBayesianNetwork

        names = [f"x{node}" for node in range(7)]
        oracle = DiscreteBayesianNetwork()
        oracle.add_nodes_from(names)
        for node in range(7):
            parents = np.flatnonzero(network.weight[node])
            oracle.add_edges_from([(names[parent], names[node]) for parent in parents])
            # The states of the first parent change slowest.
            states = np.array(list(np.ndindex(*(2,) * len(parents)))).reshape(2 ** len(parents), -1)
            on = expit(states @ network.weight[node, parents] + network.bias[node])
            oracle.add_cpds(
                TabularCPD(
                    names[node],
                    2,
                    [1 - on, on],
                    evidence=[names[parent] for parent in parents],
                    evidence_card=[2] * len(parents),
                )
            )
        elimination = VariableElimination(oracle)
        marginals = [elimination.query([name], show_progress=False).values[1] for name in names]
        state = np.array([True, False, True, True, False, False, True])
        posteriors = [
            elimination.query(
                [name],
                evidence={
                    other: int(value) for other, value in zip(names, state, strict=True) if other != name
                },
                show_progress=False,
            ).values[1]
            for name in names
        ]
    np.testing.assert_allclose(network.marginals(), marginals, atol=1e-10)
    own = [expit(network.log_odds(state[None], node)[0]) for node in range(7)]
    np.testing.assert_allclose(own, posteriors, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_a_node_depends_on_its_markov_blanket_and_on_nothing_else(seed):
    network = random_network(7, seed, density=0.35)
    states = network.all_states()
    for node in range(7):
        own = network.log_odds(states, node)
        depends_on = set()
        for other in range(7):
            flipped = states.copy()
            flipped[:, other] ^= True
            if np.abs(network.log_odds(flipped, node) - own).max() > 1e-9:
                depends_on.add(other)
        blanket = network.blanket(node)
        assert depends_on == set(blanket.nodes())
        assert blanket.parents == tuple(np.flatnonzero(network.weight[node]))
        assert all(network.weight[child, node] for child in blanket.children)


def test_log_odds_are_those_of_the_joint_distribution():
    network = random_network(6, 9)
    states = network.all_states()
    for node in range(6):
        on, off = states.copy(), states.copy()
        on[:, node], off[:, node] = True, False
        expected = network.log_probability(on) - network.log_probability(off)
        np.testing.assert_allclose(network.log_odds(states, node), expected, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_the_online_rule_finds_the_weight_and_bias_of_one_parent(seed):
    given_off, given_on, number = 0.3, 0.8, 60_000
    bias, weight = logit(given_off), logit(given_on) - logit(given_off)
    truth = BeliefNetwork(np.array([[0, 0], [weight, 0]]), np.array([0.4, bias]))
    states = truth.sample(np.random.default_rng(seed), number)
    found = learned_point_by_point(states, truth.weight != 0, learning_rate=0.02, averaged=True)
    # The information of one state about (bias, weight); its mean uses half of the states.
    on = expit(0.4)
    info_off, info_on = (1 - on) * given_off * (1 - given_off), on * given_on * (1 - given_on)
    covariance = np.linalg.inv(np.array([[info_off + info_on, info_on], [info_on, info_on]])) / number
    errors = [found.bias[1] - bias, found.weight[1, 0] - weight]
    assert (np.abs(errors) < 3 * np.sqrt(np.diag(covariance))).all()
    # Data that drift: the last values follow, and the average lags behind.
    drifted = BeliefNetwork(truth.weight, np.array([0.4, bias + 2])).sample(np.random.default_rng(9), 4000)
    both = np.concatenate([states[:8000], drifted])
    last, mean = (
        learned_point_by_point(both, truth.weight != 0, averaged=averaged) for averaged in (False, True)
    )
    assert abs(last.bias[1] - bias - 2) < abs(mean.bias[1] - bias - 2)


def test_one_step_of_the_online_rule_is_the_gradient_of_the_log_probability():
    is_parent = np.tril(np.ones((4, 4), bool), -1)
    start, step = BeliefNetwork(np.zeros((4, 4)), np.zeros(4)), 1e-6
    state = np.array([[True, False, True, True]])
    found = learned_point_by_point(state, is_parent, learning_rate=0.1)
    for child, parent in np.argwhere(is_parent):
        moved = start.weight.copy()
        moved[child, parent] = step
        rise = BeliefNetwork(moved, start.bias).log_probability(state) - start.log_probability(state)
        assert found.weight[child, parent] == pytest.approx(0.1 * rise[0] / step, abs=1e-6)


@pytest.mark.parametrize("flip", [0.05, 0.2])
def test_the_exclusive_or_of_two_balanced_parents_cannot_be_learned(flip):
    """The best sum says ½, and loses log 2 − H(ε) per state against the table."""
    rng, number = np.random.default_rng(1), 40_000
    states = rng.random((number, 3)) < 0.5
    states[:, 2] = states[:, 0] ^ states[:, 1] ^ (rng.random(number) < flip)
    is_parent = np.zeros((3, 3), bool)
    is_parent[2, :2] = True
    found = learned_point_by_point(states, is_parent, learning_rate=0.01, averaged=True)
    probability = expit(states @ found.weight[2] + found.bias[2])
    assert np.abs(probability - 0.5).max() < 0.05
    sums = states @ found.weight[2] + found.bias[2]
    own_loss = np.logaddexp(0, np.where(states[:, 2], -sums, sums))
    is_flipped = states[:, 2] ^ states[:, 0] ^ states[:, 1]
    table_loss = -np.log(np.where(is_flipped, flip, 1 - flip))
    excess = own_loss - table_loss
    expected = np.log(2) - (entr(flip) + entr(1 - flip))
    assert abs(excess.mean() - expected) < 4 * excess.std() / np.sqrt(number)
    # The same in the limit: no sum is better than 0 on the four equally likely rows of the table.
    rows = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    on = np.where(rows.sum(axis=1) == 1, 1 - flip, flip)
    for weights in rng.normal(scale=1.0, size=(200, 3)):
        p = expit(rows @ weights[:2] + weights[2])
        assert -(xlogy(on, p) + xlogy(1 - on, 1 - p)).mean() >= np.log(2) - 1e-12


def test_without_device_spread_the_mean_of_many_draws_is_the_exact_one():
    network = random_network(8, 11)
    built = network.with_device_spread(np.random.default_rng(0))
    np.testing.assert_array_equal(built.weight, network.weight)
    np.testing.assert_array_equal(built.bias, network.bias)
    number, exact = 40_000, network.marginals()
    mean = built.sample(np.random.default_rng(1), number).mean(axis=0)
    assert (np.abs(mean - exact) < 4.5 * np.sqrt(exact * (1 - exact) / number)).all()


def test_device_spread_is_the_average_over_thresholds_and_widths():
    network, rng = BeliefNetwork(np.zeros((1, 1)), np.array([1.2])), np.random.default_rng(0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights /= weights.sum()
    for spread, mean in (
        ({"threshold_sd": 0.8}, weights @ expit(1.2 - 0.8 * nodes)),
        ({"log_width_sd": 0.5}, weights @ expit(1.2 * np.exp(-0.5 * nodes))),
    ):
        drawn = [network.with_device_spread(rng, **spread).marginals()[0] for _ in range(1000)]
        assert abs(np.mean(drawn) - mean) < 4 * np.std(drawn) / np.sqrt(1000)


def test_what_is_no_network_is_refused():
    with pytest.raises(InputError, match="node 0 has the parent 1"):
        BeliefNetwork(np.array([[0.0, 1], [0, 0]]), np.zeros(2))
    with pytest.raises(InputError, match=r"bias has shape \(3,\); \(2,\)"):
        BeliefNetwork(np.zeros((2, 2)), np.zeros(3))
    with pytest.raises(InputError, match=r"weight has shape \(2, 3\)"):
        BeliefNetwork(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(InputError, match="NaN or infinite"):
        BeliefNetwork(np.zeros((2, 2)), np.array([0, np.nan]))
    with pytest.raises(InputError, match="21 nodes"):
        BeliefNetwork(np.zeros((21, 21)), np.zeros(21)).marginals()


def test_states_and_nodes_of_another_network_are_refused():
    network = random_network(4, 0)
    with pytest.raises(InputError, match="3 nodes; the network has 4"):
        network.log_probability(np.zeros((5, 3), bool))
    with pytest.raises(InputError, match="3 nodes; the network has 4"):
        network.log_odds(np.zeros((5, 3), bool), 0)
    with pytest.raises(InputError, match="bool"):
        network.log_probability(np.zeros((5, 4)))
    for node in (4, -1):
        with pytest.raises(InputError, match=f"node is {node}; 0 to 3"):
            network.blanket(node)
        with pytest.raises(InputError, match=f"node is {node}; 0 to 3"):
            network.log_odds(np.zeros((5, 4), bool), node)
    with pytest.raises(InputError, match="number is -1"):
        network.sample(np.random.default_rng(0), -1)
    with pytest.raises(InputError, match="log_width_sd"):
        network.with_device_spread(np.random.default_rng(0), log_width_sd=-1.0)


def test_what_cannot_be_learned_from_is_refused():
    states, is_parent = np.zeros((5, 2), bool), np.zeros((2, 2), bool)
    with pytest.raises(InputError, match="learning_rate is 0"):
        learned_point_by_point(states, is_parent, learning_rate=0.0)
    with pytest.raises(InputError, match="at least one"):
        learned_point_by_point(states[:0], is_parent)
    with pytest.raises(InputError, match="is_parent"):
        learned_point_by_point(states, np.zeros((3, 3), bool))
    with pytest.raises(InputError, match="node 0 has the parent 0"):
        learned_point_by_point(states, np.eye(2, dtype=bool))
