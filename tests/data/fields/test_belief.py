import itertools

import numpy as np
import pytest
from scipy import stats

from sparsight.data.fields._belief import belief, planted_network
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.measure import auroc

SMALL = {"size": (24,), "num_train": 2000, "num_test": 1000}


def blanket_of(task):
    found = np.zeros(task.geometry.num_inputs, dtype=bool)
    found[task.card["support"][0]] = True
    return found


def regression_scores(inputs, labels):
    """Return z of every input in a logistic regression, by Newton's method."""
    design = np.concatenate([np.ones((len(inputs), 1)), inputs], axis=1)
    coefficients = np.zeros(design.shape[1])
    for _ in range(15):
        on = 1 / (1 + np.exp(-design @ coefficients))
        information = design.T @ (design * (on * (1 - on))[:, None])
        coefficients += np.linalg.solve(information, design.T @ (labels - on))
    return (coefficients / np.sqrt(np.diag(np.linalg.inv(information))))[1:]


@pytest.mark.parametrize("seed", range(3))
def test_the_blanket_is_found_and_what_it_separates_scores_at_chance(seed):
    """With two parents a node, the label's log odds are linear in ±1: the regression is the right model."""
    task = belief(size=(40,), num_parents=2, num_train=100_000, num_test=100, seed=seed)
    scores = regression_scores(task.train_inputs.reshape(100_000, -1).astype(np.float64), task.train_labels)
    blanket = blanket_of(task)
    assert auroc(np.abs(scores[blanket]), np.abs(scores[~blanket])) > 0.99
    # χ² of standard normal scores, from both sides: neither too large nor too small.
    p = stats.chi2.sf((scores[~blanket] ** 2).sum(), (~blanket).sum())
    assert 1e-3 < p < 1 - 1e-3
    # Correlation one by one finds no such border.
    correlations = np.abs(task.train_inputs.reshape(100_000, -1).T @ (2 * task.train_labels - 1.0)) / 100_000
    assert correlations[~blanket].max() > 10 / np.sqrt(100_000)
    assert auroc(correlations[blanket], correlations[~blanket]) < 0.99


@pytest.mark.parametrize("size", [(30,), (8, 9)])
def test_the_card_names_a_blanket_near_the_label_with_disjoint_kinds(size):
    task = belief(size=size, reach=3.0, num_train=200, num_test=100, seed=4)
    kinds = task.card["support_kinds"]
    assert sorted(itertools.chain(*kinds.values())) == task.card["support"][0]
    assert (len(kinds["parents"]), len(kinds["children"])) == (3, 3)
    assert 0 < len(kinds["co_parents"]) <= 6
    assert max(kinds["parents"]) < min(kinds["children"])
    positions = task.geometry.positions()
    distances = np.linalg.norm(
        positions[kinds["co_parents"]][:, None] - positions[kinds["children"]], axis=-1
    )
    assert distances.min(axis=1).max() <= 3


@pytest.mark.parametrize("seed", range(4))
def test_the_network_is_as_described_and_the_best_accuracy_that_of_its_posterior(seed):
    geometry = Geometry(1, (24,))
    options = {"num_parents": 3, "num_children": 2, "reach": 5.0, "strength": 2.0}
    network, label = planted_network(geometry, **options, rng=np.random.default_rng(seed))
    num_parents = (network.weight != 0).sum(axis=1)
    assert num_parents[label] == 3
    assert ((num_parents == 3) | (np.arange(25) < 4)).all()
    assert (network.weight[:, label] != 0).sum() == 2
    sizes = np.abs(network.weight[network.weight != 0])
    assert ((sizes >= 1.5) & (sizes <= 2.5)).all()
    place = np.insert(np.arange(24.0), label, label - 1)  # the label stands at the pixel before it
    children, parents = np.nonzero(network.weight)
    assert np.abs(place[children] - place[parents]).max() <= 5
    # A state with all nodes switched is as likely: every node is on half of the time.
    states = network.sample(np.random.default_rng(seed), 50)
    np.testing.assert_allclose(network.log_probability(states), network.log_probability(~states), atol=1e-9)


def test_nodes_are_balanced_and_the_exact_posterior_beats_every_single_input():
    task = belief(**SMALL, seed=1)
    assert set(np.unique(task.train_inputs)) == {-1.0, 1.0}
    assert np.abs(task.train_inputs.mean(axis=0)).max() < 4.5 / np.sqrt(2000)
    assert abs(task.train_labels.mean() - 0.5) < 4 * 0.5 / np.sqrt(2000)
    agrees = ((task.test_inputs.reshape(1000, -1) > 0) == task.test_labels[:, None]).mean(axis=0)
    assert task.card["best_test_accuracy"] > np.maximum(agrees, 1 - agrees).max()


def test_online_samples_are_of_the_same_network_and_seeds_name_networks():
    fixed, online = belief(**SMALL, seed=1), belief(**SMALL, seed=1, online=True)
    assert fixed.card["support"] == online.card["support"] != belief(**SMALL, seed=2).card["support"]
    np.testing.assert_array_equal(fixed.test_inputs, online.test_inputs)
    inputs, labels = online.draw(7, 3, 4000)
    again, _ = online.draw(7, 3, 4000)
    np.testing.assert_array_equal(inputs, again)
    tables = [
        (split.reshape(len(split), -1).T @ (2 * own - 1.0)) / len(split)
        for split, own in ((inputs, labels), (fixed.train_inputs, fixed.train_labels))
    ]
    assert np.abs(tables[0] - tables[1]).max() < 4.5 * np.sqrt(1 / 4000 + 1 / 2000)


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="9 after it within 6; choose a larger reach"):
        belief(**SMALL, num_children=9, seed=0)
    with pytest.raises(InputError, match="no pixel of"):
        belief(**SMALL, reach=0.5, seed=0)
