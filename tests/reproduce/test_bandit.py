"""Agents of the neural bandit beside what is known of them."""

import json

import numpy as np
import pytest
import torch

from sparsight.reproduce import select_claims
from sparsight.reproduce._bandit import (
    AGENTS,
    NUM_ACTIONS,
    SETTINGS,
    AgentSettings,
    Bandit,
    BanditSettings,
    BetaAgent,
    NeuralAgent,
    UniformAgent,
    bandit_results,
    regrets,
)
from sparsight.reproduce._claim import find, verdict_of
from sparsight.streams import generator
from tests.reproduce.planted import planted


@pytest.fixture(scope="module")
def bandit():
    return Bandit.drawn(3)


@pytest.mark.parametrize("seed", range(4))
def test_exact_thompson_sampling_has_sublinear_regret_below_that_of_random_actions(seed):
    bandit, steps = Bandit.drawn(seed), 4000
    gap = bandit.probabilities.max() - bandit.probabilities.min()
    exact = regrets(BetaAgent(), bandit, steps, seed)
    uniform = regrets(UniformAgent(), bandit, steps, seed)
    for found in (exact, uniform):
        assert 0 <= found.sum() <= steps * gap
    assert exact.sum() < 0.5 * uniform.sum()
    halves = exact[: steps // 2].sum(), exact[steps // 2 :].sum()
    assert halves[1] < 0.6 * halves[0]
    uniform_halves = uniform[: steps // 2].sum(), uniform[steps // 2 :].sum()
    assert uniform_halves[1] > 0.9 * uniform_halves[0]
    expected = steps * (bandit.probabilities.max() - bandit.probabilities.mean())
    assert uniform.sum() == pytest.approx(expected, rel=0.1)


def test_the_posterior_of_an_arm_is_that_of_its_counts():
    agent, rng = BetaAgent(2), generator(0, "arms")
    for reward in (1.0, 1.0, 0.0):
        agent.learn(0, reward, rng)
    # P(Beta(3, 2) > Beta(1, 1)) is the mean of Beta(3, 2)
    taken = [agent.act(rng) for _ in range(20_000)]
    assert np.mean(np.array(taken) == 0) == pytest.approx(3 / 5, abs=0.012)


@pytest.mark.parametrize("criterion", ["magnitude", "random"])
def test_members_are_pruned_to_their_density_and_stay_there(bandit, criterion):
    settings = AgentSettings(num_members=3, density=0.1, criterion=criterion)
    agent, rng = NeuralAgent(settings, bandit.actions, 20, seed=0), generator(0, "steps")
    sizes = []
    for step in range(6):
        before = [weight.detach().clone() for weight in agent.weights]
        agent.learn(step, step % 2, rng)
        sizes.append([int(sum(weight[k].count_nonzero() for weight in agent.weights)) for k in range(3)])
    total = 2 * 50 + 50 * 50 + 50
    assert sizes[0] == [total] * 3
    assert sizes[1:] == [[round(0.1 * total)] * 3] * 5  # pruned at step 2 of 20
    assert all(not torch.equal(a, b) for a, b in zip(before, agent.weights, strict=True))
    masks = torch.cat([mask[:2].flatten(1) for mask in agent.masks], dim=1)
    assert not torch.equal(masks[0], masks[1])


def test_magnitude_keeps_the_largest_weights(bandit):
    agent = NeuralAgent(AgentSettings(num_members=1, density=0.2), bandit.actions, 100, seed=0)
    sizes = torch.cat([weight.detach().abs().flatten() for weight in agent.weights])
    agent._prune()
    kept = torch.cat([mask.flatten() for mask in agent.masks])
    assert sizes[kept].min() >= sizes[~kept].max()


def test_the_step_of_a_member_does_not_depend_on_the_others(bandit):
    """Two members from the first weights of ten, on the same batches."""
    agents = [NeuralAgent(AgentSettings(num_members=n), bandit.actions, 50, seed=0) for n in (10, 1)]
    with torch.no_grad():
        for alone, all_ten in zip(agents[1].weights, agents[0].weights, strict=True):
            alone.copy_(all_ten[:1])

    class SameRows:
        def integers(self, step, size):
            return np.zeros(size, int)

    for agent in agents:
        agent.learn(5, 1.0, SameRows())
    for alone, all_ten in zip(agents[1].weights, agents[0].weights, strict=True):
        assert torch.allclose(alone[0], all_ten[0], atol=1e-6)


def test_a_neural_agent_learns_and_is_a_function_of_its_seed(bandit):
    found = [
        regrets(NeuralAgent(AgentSettings(num_members=2), bandit.actions, 250, seed), bandit, 250, seed)
        for seed in (0, 0)
    ]
    assert (found[0] == found[1]).all()
    by_chance = bandit.probabilities.max() - bandit.probabilities.mean()
    assert found[0][-100:].mean() < 0.7 * by_chance


def test_probabilities_are_those_of_a_two_way_softmax(bandit):
    assert bandit.actions.shape == (NUM_ACTIONS, 2)
    assert ((bandit.probabilities >= 0) & (bandit.probabilities <= 1)).all()
    assert bandit.regret(int(bandit.probabilities.argmax())) == 0
    means = [Bandit.drawn(seed).probabilities.mean() for seed in range(60)]
    assert np.mean(means) == pytest.approx(0.5, abs=0.1)  # neither class is preferred


def test_results_are_stored_once_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setitem(SETTINGS, "smoke", BanditSettings(num_replicates=2, num_steps=6))
    settings, first = bandit_results("smoke", tmp_path)
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text())
    assert list(content["regrets"]["regret"]) == list(AGENTS)
    stamp = file.stat().st_mtime_ns
    _, again = bandit_results("smoke", tmp_path)
    assert file.stat().st_mtime_ns == stamp
    assert first.equals(again)
    assert first.attrs["seeds"] == [settings.replicate_seed(each) for each in range(2)]
    assert len({each.digest() for each in SETTINGS.values()}) == 3


@pytest.mark.parametrize(
    ("dense", "pruned", "noise", "verdict"),
    [
        (0.1, 0.3, 0.01, "supported"),
        (0.3, 0.3, 0.01, "equivalent"),  # nobody gains by exploring, and nobody loses by pruning
        (0.1, 0.1, 0.01, "mixed"),
        (0.5, 0.3, 0.01, "contradicted"),
        (0.1, 0.3, 5.0, "undecided"),
    ],
)
def test_verdicts_follow_from_planted_numbers(dense, pruned, noise, verdict):
    values = {"uniform": 1.0, "beta": 0.5, "greedy": 0.3, "dense": dense, "magnitude_30": pruned}
    values |= {"magnitude_10": pruned, "random_10": 0.5}
    means = {("bandit.regret", name): value for name, value in values.items()}
    results = planted(means, noise=noise, num_levels=1)
    findings = [find(each, results) for each in select_claims()["bandit"].predictions]
    assert verdict_of(findings) == verdict
