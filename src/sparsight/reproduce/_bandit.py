"""A neural bandit: agents that draw a member of an ensemble at every step, pruned to fixed densities.

Each of 100 actions is a point of N(0, I₂). A random network of two hidden layers, whose two logits are
divided by a temperature of 0.1, gives the probability p of its reward. An agent sees points and rewards. At
every step it draws one member, takes the action that this member thinks best, and trains all members on
rewards so far. Its regret is max p − p of what it took (after Osband et al., arXiv 2302.09205, who take
10 000 steps).
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
import xarray as xr
from scipy import special
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from sparsight.reproduce._simulated import kept_content, simulated_dataset
from sparsight.streams import derived_seed, generator

NUM_ACTIONS, NUM_INPUTS, NUM_HIDDEN = 100, 2, 50
_TEMPERATURE = 0.1
_LEARNING_RATE, _BATCH_SIZE, _L2 = 1e-3, 128, 0.1
_PRUNED_AT = 0.1  # share of the steps after which weights are removed

Criterion = Literal["magnitude", "random"]


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """A neural agent: members of its ensemble, and which share of each member's weights it keeps."""

    num_members: int = 10
    density: float = 1.0
    criterion: Criterion = "magnitude"


AGENTS: Mapping[str, AgentSettings | None] = {
    "uniform": None,
    "beta": None,
    "greedy": AgentSettings(num_members=1),
    "dense": AgentSettings(),
    "magnitude_30": AgentSettings(density=0.3),
    "magnitude_10": AgentSettings(density=0.1),
    "random_10": AgentSettings(density=0.1, criterion="random"),
}
"""Agents by name of the condition.

Uniform takes any action; beta is exact Thompson sampling of independent arms, which sees no inputs.
"""


@dataclass(frozen=True, kw_only=True)
class BanditSettings:
    """Settings of the study."""

    num_replicates: int
    num_steps: int
    seed: int = 29

    def digest(self) -> str:
        """Return the SHA-256 of all settings, in hexadecimal."""
        agents = {name: agent and asdict(agent) for name, agent in AGENTS.items()}
        return hashlib.sha256(json.dumps(asdict(self) | agents, sort_keys=True).encode()).hexdigest()

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate: of actions, their rewards, and the agent's draws."""
        return derived_seed(self.seed, "replicate", replicate)


SETTINGS = {
    "smoke": BanditSettings(num_replicates=2, num_steps=60),
    "laptop": BanditSettings(num_replicates=10, num_steps=2000),
    "paper": BanditSettings(num_replicates=20, num_steps=10_000),
}


@dataclass(frozen=True, eq=False)
class Bandit:
    """Actions (action, 2) and the probabilities of their rewards (action,)."""

    actions: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def drawn(cls, seed: int) -> "Bandit":
        """Draw actions and the network that rewards them."""
        rng = generator(seed, "bandit")
        actions = rng.normal(size=(NUM_ACTIONS, NUM_INPUTS))
        values = actions
        for fan_in, units in ((NUM_INPUTS, NUM_HIDDEN), (NUM_HIDDEN, NUM_HIDDEN)):
            weight = rng.normal(size=(fan_in, units)) / math.sqrt(fan_in)
            values = np.maximum(values @ weight, 0)
        logits = values @ rng.normal(size=(NUM_HIDDEN, 2)) / math.sqrt(NUM_HIDDEN)
        return cls(actions, special.softmax(logits / _TEMPERATURE, axis=1)[:, 1])

    def regret(self, action: int) -> float:
        """Return what the action loses to the best one, in expected reward."""
        return float(self.probabilities.max() - self.probabilities[action])


class Agent(Protocol):
    """Whatever takes actions and learns from their rewards."""

    def act(self, rng: np.random.Generator) -> int:
        """Return an action."""

    def learn(self, action: int, reward: float, rng: np.random.Generator) -> None:
        """Take notice of a reward, 0 or 1."""


class UniformAgent:
    """Takes every action equally often, and learns nothing."""

    def act(self, rng: np.random.Generator) -> int:
        """Return any action."""
        return int(rng.integers(NUM_ACTIONS))

    def learn(self, action: int, reward: float, rng: np.random.Generator) -> None:
        """Do nothing."""


class BetaAgent:
    """Exact Thompson sampling for independent arms: draws from Beta(1 + rewards, 1 + failures)."""

    def __init__(self, num_actions: int = NUM_ACTIONS) -> None:
        self.counts = np.ones((2, num_actions))

    def act(self, rng: np.random.Generator) -> int:
        """Return the best action in a draw from the posterior."""
        return int(rng.beta(self.counts[1], self.counts[0]).argmax())

    def learn(self, action: int, reward: float, rng: np.random.Generator) -> None:  # noqa: ARG002
        """Count the reward."""
        self.counts[int(reward), action] += 1


class NeuralAgent:
    """An ensemble of networks that differ in initial weights and batches, as tickets do.

    One Adam step (rate 1e-3, 128 rewards with replacement for each member) follows every action, with an L2
    penalty of 0.1/t at step t. After a tenth of all steps every member loses weights, by their size or at
    random, until its density is reached; biases stay.
    """

    def __init__(self, settings: AgentSettings, actions: np.ndarray, num_steps: int, seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._actions = torch.from_numpy(actions).float()
        self._prune_at = max(1, round(_PRUNED_AT * num_steps))
        self._seen: list[tuple[int, float]] = []
        rng = generator(seed, "bandit agent")
        shapes = [(NUM_INPUTS, NUM_HIDDEN), (NUM_HIDDEN, NUM_HIDDEN), (NUM_HIDDEN, 1)]
        self.weights, self.biases = [], []
        for shape in shapes:
            drawn = rng.normal(size=(settings.num_members, *shape)) * math.sqrt(2 / shape[0])
            self.weights.append(torch.from_numpy(drawn).float().requires_grad_())
            self.biases.append(torch.zeros(settings.num_members, 1, shape[1], requires_grad=True))
        self.masks = [torch.ones_like(weight, dtype=torch.bool) for weight in self.weights]
        self._adam = torch.optim.Adam([*self.weights, *self.biases], lr=_LEARNING_RATE)

    def logits(self, inputs: Tensor, members: slice = slice(None)) -> Tensor:
        """Return the logits of rewards, (member, n), for inputs (member or 1, n, 2)."""
        values = inputs
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = (values.relu() if layer else values) @ weight[members] + bias[members]
        return values[..., 0]

    def act(self, rng: np.random.Generator) -> int:
        """Return the best action in the eyes of one member."""
        member = int(rng.integers(self._settings.num_members))
        with torch.no_grad():
            return int(self.logits(self._actions[None], slice(member, member + 1)).argmax())

    def learn(self, action: int, reward: float, rng: np.random.Generator) -> None:
        """Take one step on the rewards so far; prune when it is time."""
        self._seen.append((action, reward))
        step = len(self._seen)
        rows = rng.integers(step, size=(self._settings.num_members, _BATCH_SIZE))
        seen = np.array(self._seen)[rows]  # (member, batch, 2)
        inputs = self._actions[torch.from_numpy(seen[..., 0].astype(np.int64))]
        targets = torch.from_numpy(seen[..., 1]).float()
        # Summed over members, so that the step of one does not depend on the others.
        loss = binary_cross_entropy_with_logits(self.logits(inputs), targets, reduction="sum") / _BATCH_SIZE
        loss = loss + _L2 / step * sum((weight**2).sum() for weight in self.weights) / 2
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for weight, mask in zip(self.weights, self.masks, strict=True):
            assert weight.grad is not None
            weight.grad *= mask
        self._adam.step()
        if step == self._prune_at and self._settings.density < 1:
            self._prune()
        self._apply_masks()

    def _prune(self) -> None:
        rng = generator(self._seed, "bandit pruning")
        sizes = [weight.detach().abs().flatten(1) for weight in self.weights]
        scores = torch.cat(sizes, dim=1)
        if self._settings.criterion == "random":
            scores = torch.from_numpy(rng.random(tuple(scores.shape)))
        num_kept = round(self._settings.density * scores.shape[1])
        kept = torch.zeros_like(scores, dtype=torch.bool)
        kept.scatter_(1, scores.topk(num_kept, dim=1).indices, value=True)
        parts = torch.split(kept, [size.shape[1] for size in sizes], dim=1)
        self.masks = [part.view_as(weight) for part, weight in zip(parts, self.weights, strict=True)]

    @torch.no_grad()
    def _apply_masks(self) -> None:
        # Adam's moments still move weights whose gradient is 0.
        for weight, mask in zip(self.weights, self.masks, strict=True):
            weight *= mask


def regrets(agent: Agent, bandit: Bandit, num_steps: int, seed: int) -> np.ndarray:
    """Return the regret of every step, float64 (step,); rewards are drawn from the bandit's probabilities."""
    rng, found = generator(seed, "bandit steps"), np.zeros(num_steps)
    for step in range(num_steps):
        action = agent.act(rng)
        agent.learn(action, float(rng.random() < bandit.probabilities[action]), rng)
        found[step] = bandit.regret(action)
    return found


def agent_of(name: str, bandit: Bandit, num_steps: int, seed: int) -> Agent:
    """Return a fresh agent; names are those of `AGENTS`."""
    settings = AGENTS[name]
    if settings is not None:
        return NeuralAgent(settings, bandit.actions, num_steps, seed)
    return UniformAgent() if name == "uniform" else BetaAgent()


def bandit_results(scale: str, folder: Path) -> tuple[BanditSettings, xr.Dataset]:
    """Return the settings, and regrets of all agents; compute them if the folder lacks them.

    The folder holds the numbers in one small file, named by the hash of the settings. Over condition (the
    name of an agent), replicate and level (only one) there are ``bandit.regret``, the mean over all steps as
    a share of what actions at random lose in expectation, and ``bandit.late_regret``, the same over the last
    fifth of the steps.
    """
    settings = SETTINGS[scale]
    path = folder / f"bandit-{scale}-{settings.digest()[:8]}.json"
    content = kept_content(path, lambda: {"settings": asdict(settings), "regrets": _computed(settings)})
    columns = {f"bandit.{name}": np.array(list(each.values())) for name, each in content["regrets"].items()}
    seeds = [settings.replicate_seed(replicate) for replicate in range(settings.num_replicates)]
    return settings, simulated_dataset(columns, list(AGENTS), seeds)


def _computed(settings: BanditSettings) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {"regret": {}, "late_regret": {}}
    for replicate in range(settings.num_replicates):
        seed = settings.replicate_seed(replicate)
        bandit = Bandit.drawn(seed)
        by_chance = bandit.probabilities.max() - bandit.probabilities.mean()
        for name in AGENTS:
            agent = agent_of(name, bandit, settings.num_steps, seed)
            shares = regrets(agent, bandit, settings.num_steps, seed) / by_chance
            found["regret"].setdefault(name, []).append(float(shares.mean()))
            late = shares[-settings.num_steps // 5 :]
            found["late_regret"].setdefault(name, []).append(float(late.mean()))
    return found
