"""Networks of binary nodes that are switched by weighted sums: sampling, exact probabilities, learning."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, log_expit

from sparsight.arguments import checked
from sparsight.errors import InputError

_MOST_NODES = 20  # a million states


class Blanket(NamedTuple):
    """The nodes without which nothing else tells about a node: numbers of nodes, ascending.

    A node that belongs to several kinds is listed in each of them.
    """

    parents: tuple[int, ...]
    children: tuple[int, ...]
    co_parents: tuple[int, ...]

    def nodes(self) -> tuple[int, ...]:
        """Return all of them, ascending, each once."""
        return tuple(sorted({*self.parents, *self.children, *self.co_parents}))


@dataclass(frozen=True, eq=False)
class BeliefNetwork:
    r"""A Bayesian network of binary nodes, each switched on by a weighted sum of its parents.

    .. math:: P(x_i = 1 \mid x_{\text{parents}}) = \sigma\Bigl(\sum_j w_{ij} x_j + b_i\Bigr),
              \qquad x \in \{0, 1\}.

    A switch that turns on with probability :math:`\sigma((I - I_{50}) / \Delta I)` at input I is a node whose
    weights are divided by ΔI, with the bias :math:`-I_{50} / \Delta I`.

    Attributes
    ----------
    weight : numpy.ndarray of float64, (nodes, nodes)
        ``weight[i, j]`` is w of parent j of node i, 0 if j is no parent. Nodes are in topological order:
        parents come first, so that nothing on or above the diagonal differs from 0.
    bias : numpy.ndarray of float64, (nodes,)

    Raises
    ------
    InputError
        If shapes do not fit, a value is not finite, or a node has a parent that does not come before it.

    Notes
    -----
    After Xu et al., arXiv 2504.08257, whose nodes are magnetic junctions. Sums in place of tables need k + 1
    numbers for k parents, where a table needs 2^k. They cannot hold everything that a table can: for the
    exclusive or of two balanced parents, the best sum is 0.
    """

    weight: np.ndarray
    bias: np.ndarray

    def __post_init__(self) -> None:
        for name in ("weight", "bias"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        if self.weight.ndim != 2 or self.weight.shape != (len(self.weight),) * 2 or not len(self.weight):
            raise InputError(f"weight has shape {self.weight.shape}; (nodes, nodes) is needed")
        if self.bias.shape != self.weight.shape[:1]:
            raise InputError(f"bias has shape {self.bias.shape}; ({len(self.weight)},) fits the weights")
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise InputError("weight or bias holds NaN or infinite values; finite ones are needed")
        if np.triu(self.weight).any():
            child, parent = np.argwhere(np.triu(self.weight))[0]
            raise InputError(
                f"node {child} has the parent {parent}; parents come before their children, so weight is 0 "
                "on and above the diagonal"
            )

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.bias)

    def sample(self, rng: np.random.Generator, number: int) -> Bool[np.ndarray, "number nodes"]:
        """Draw states of all nodes, parents before children."""
        if number < 0:
            raise InputError(f"number is {number}; at least 0 states can be drawn")
        states = np.zeros((number, self.num_nodes), dtype=bool)
        for node in range(self.num_nodes):
            parents = np.flatnonzero(self.weight[node])
            sums = states[:, parents] @ self.weight[node, parents] + self.bias[node]
            states[:, node] = rng.random(number) < expit(sums)
        return states

    @checked()
    def log_probability(self, states: Bool[np.ndarray, "number nodes"]) -> Float[np.ndarray, " number"]:
        """Return the log probability of each state of all nodes."""
        self._check_states(states)
        sums = states @ self.weight.T + self.bias
        logs: np.ndarray = log_expit(np.where(states, sums, -sums)).sum(axis=1)
        return logs

    @checked()
    def log_odds(self, states: Bool[np.ndarray, "number nodes"], node: int) -> Float[np.ndarray, " number"]:
        """Return log P(node = 1) − log P(node = 0) given all other nodes; its own state is not looked at.

        This is what the best classifier of the node knows. Only the node and its children have terms that
        depend on it.
        """
        self._check_states(states)
        self._check_node(node)
        terms = [node, *np.flatnonzero(self.weight[:, node])]
        on, off = (self._with(states, node, value) for value in (True, False))
        weight, bias = self.weight[terms], self.bias[terms]
        logs = [
            log_expit(np.where(each[:, terms], sums, -sums)).sum(axis=1)
            for each in (on, off)
            for sums in [each @ weight.T + bias]
        ]
        difference: np.ndarray = logs[0] - logs[1]
        return difference

    def blanket(self, node: int) -> Blanket:
        """Return the Markov blanket of a node: its parents, its children, and their other parents.

        Given these, the node is independent of all others (Pearl, 1988).
        """
        self._check_node(node)
        children = np.flatnonzero(self.weight[:, node])
        co_parents = np.flatnonzero(self.weight[children].any(axis=0))
        return Blanket(
            tuple(np.flatnonzero(self.weight[node]).tolist()),
            tuple(children.tolist()),
            tuple(co_parents[co_parents != node].tolist()),
        )

    def all_states(self) -> Bool[np.ndarray, "states nodes"]:
        """Return all 2^nodes states: node 0 is the lowest digit of the row's number. At most 20 nodes."""
        if self.num_nodes > _MOST_NODES:
            raise InputError(
                f"the network has {self.num_nodes} nodes; states can be enumerated for at most {_MOST_NODES}"
            )
        numbers = np.arange(2**self.num_nodes)
        states: np.ndarray = (numbers[:, None] >> np.arange(self.num_nodes)) & 1 == 1
        return states

    def state_probabilities(self) -> Float[np.ndarray, " states"]:
        """Return the exact probability of each of `all_states`."""
        probabilities: np.ndarray = np.exp(self.log_probability(self.all_states()))
        return probabilities

    def marginals(self) -> Float[np.ndarray, " nodes"]:
        """Return the exact probability that each node is 1, by enumeration of all states."""
        found: np.ndarray = self.state_probabilities() @ self.all_states()
        return found

    def with_device_spread(
        self, rng: np.random.Generator, *, threshold_sd: float = 0.0, log_width_sd: float = 0.0
    ) -> "BeliefNetwork":
        r"""Return the network built of switches that are not all alike.

        Node i has the threshold :math:`\vartheta_i \sim N(0, \text{threshold\_sd}^2)` in place of 0 and the
        width :math:`e^{z_i}`, :math:`z_i \sim N(0, \text{log\_width\_sd}^2)`, in place of 1: its sum s
        becomes :math:`(s - \vartheta_i) e^{-z_i}`. Both are in units of the width.
        """
        for name, value in (("threshold_sd", threshold_sd), ("log_width_sd", log_width_sd)):
            if not 0 <= value < np.inf:
                raise InputError(f"{name} is {value}; a finite number of at least 0 is needed")
        thresholds = threshold_sd * rng.normal(size=self.num_nodes)
        slopes = np.exp(-log_width_sd * rng.normal(size=self.num_nodes))
        return BeliefNetwork(slopes[:, None] * self.weight, slopes * (self.bias - thresholds))

    def _check_states(self, states: np.ndarray) -> None:
        if states.shape[1] != self.num_nodes:
            raise InputError(f"states have {states.shape[1]} nodes; the network has {self.num_nodes}")

    def _check_node(self, node: int) -> None:
        if not 0 <= node < self.num_nodes:
            raise InputError(f"node is {node}; 0 to {self.num_nodes - 1} are there")

    @staticmethod
    def _with(states: np.ndarray, node: int, value: bool) -> np.ndarray:
        changed = states.copy()
        changed[:, node] = value
        return changed


@checked()
def learned_point_by_point(
    states: Bool[np.ndarray, "number nodes"],
    is_parent: Bool[np.ndarray, "nodes nodes"],
    *,
    learning_rate: float = 0.05,
    averaged: bool = False,
) -> BeliefNetwork:
    r"""Learn the weights of a network from states that come one by one and are not kept.

    Weights and biases start at 0. Each state x moves them along the gradient of its log probability,

    .. math:: w_{ij} \mathrel{+}= \eta\, (x_i - p_i)\, x_j, \qquad b_i \mathrel{+}= \eta\, (x_i - p_i),

    where :math:`p_i` is what the network gives for node i at that moment.

    Parameters
    ----------
    states : numpy.ndarray of bool, (number, nodes)
        In the order in which they come.
    is_parent : numpy.ndarray of bool, (nodes, nodes)
        Who reads whom, as in `BeliefNetwork.weight`.
    learning_rate : float
        η, above 0. At a fixed rate the weights follow data that drift, and keep fluctuating.
    averaged : bool
        Return the means over the second half of the states, whose fluctuations average out (Polyak &
        Juditsky, 1992), and not the last values.

    Returns
    -------
    BeliefNetwork

    Raises
    ------
    InputError
        If shapes do not fit, there is no state, a parent does not come before its child, or the rate is not
        above 0.

    Notes
    -----
    After arXiv 2504.08257, which learns point by point. Its text was not at hand: this rule is the gradient
    of the log-likelihood, and may differ from the rule used there.
    """
    if not len(states):
        raise InputError("there are 0 states; at least one is needed")
    if not 0 < learning_rate < np.inf:
        raise InputError(f"learning_rate is {learning_rate}; a finite number above 0 is needed")
    BeliefNetwork(is_parent, np.zeros(len(is_parent)))  # refuses a parent that comes after its child
    weight, bias = np.zeros(is_parent.shape), np.zeros(len(is_parent))
    sums, num_summed = [np.zeros_like(weight), np.zeros_like(bias)], 0
    for number, state in enumerate(states.astype(np.float64)):
        error = learning_rate * (state - expit(weight @ state + bias))
        weight += np.where(is_parent, np.outer(error, state), 0.0)
        bias += error
        if averaged and number >= len(states) // 2:
            sums[0] += weight
            sums[1] += bias
            num_summed += 1
    if averaged:
        return BeliefNetwork(sums[0] / num_summed, sums[1] / num_summed)
    return BeliefNetwork(weight, bias)
