"""A hidden node of a Bayesian network as the label: a task whose relevant inputs are known."""

import dataclasses
from typing import Annotated

import numpy as np
from pydantic import Field

from sparsight.data._sources import Count, data_source
from sparsight.data._task import Task
from sparsight.data.fields._belief_network import BeliefNetwork, Blanket
from sparsight.data.fields._drawn_task import drawn_task
from sparsight.data.fields._field_source import Positive, Size
from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.streams import generator

_WEAKEST, _STRONGEST = 0.75, 1.25
"""Bounds of a weight's size in units of `strength`. Weights that are all equal can cancel exactly."""


@data_source("belief")
def belief(
    *,
    size: Size = (64,),
    num_parents: Annotated[int, Field(ge=1)] = 3,
    num_children: Annotated[int, Field(ge=1)] = 3,
    reach: Positive = 6.0,
    strength: Positive = 3.0,
    num_train: Count = 10_000,
    num_test: Count = 5_000,
    online: bool = False,
    seed: int,
) -> Task:
    r"""Make the task of telling the state of a hidden node of a Bayesian network from all other nodes.

    Every pixel is a binary node. Its parents are drawn among the pixels before it, in the order of rows, that
    are at most `reach` away. It is switched on with the probability :math:`\sigma(\sum_j w_j (x_j -
    \tfrac12))`, x in {0, 1}; the weights have random signs and sizes of 0.75 to 1.25 times `strength`. One
    more node, which is no pixel, is the label. It stands at a random pixel, has parents like every other
    node, and is a parent of `num_children` pixels after it. A node is on half of the time, and so is the
    label. Inputs are +1 where a node is on and −1 where it is off.

    With all pixels in view, only the label's **Markov blanket** tells about it: its parents, its children and
    the other parents of its children. Other pixels correlate with the label, because they correlate with the
    blanket; some of the blanket hardly do, because a child's other parents matter only together with the
    child. `card["support"]` lists the blanket, so that `recovery` can compare a mask with it;
    `card["support_kinds"]` lists its kinds, where co-parents are those that are neither parents nor children;
    `card["best_test_accuracy"]` is the accuracy of the exact posterior on the test split. Network and label
    depend on the seed, and every replicate has its own.

    Parameters
    ----------
    size : sequence of int
        ``(length,)`` or ``(height, width)``, in pixels. Opposite borders do not touch.
    num_parents : int
        Of every node, where there are as many pixels before it within reach.
    num_children : int
        Of the label.
    reach : float
        Largest distance between a node and its parents, in pixels.
    strength : float
        Mean size of a weight.
    online : bool
        Draw fresh samples at every step of training.

    Raises
    ------
    InputError
        If no pixel has `num_parents` pixels up to it and `num_children` after it within reach.

    Notes
    -----
    After Xu et al., arXiv 2504.08257, whose nodes are switched by weighted sums. The question is ours.
    """
    geometry = Geometry(1, tuple(size))
    network, label = planted_network(
        geometry,
        num_parents=num_parents,
        num_children=num_children,
        reach=reach,
        strength=strength,
        rng=generator(seed, "belief", "network"),
    )

    def samples(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        states = network.sample(rng, number)
        inputs = np.where(np.delete(states, label, axis=1), np.float32(1), np.float32(-1))
        return inputs.reshape(number, *geometry.shape), states[:, label].astype(np.int64)

    blanket = network.blanket(label)
    task = drawn_task(
        "belief",
        geometry,
        samples,
        num_train=num_train,
        num_test=num_test,
        online=online,
        seed=seed,
        card={
            "source": "a hidden node of a Bayesian network",
            "support": [_as_inputs(blanket.nodes(), label)],
            "support_kinds": _kinds(blanket, label),
        },
    )
    states = np.insert(task.test_inputs.reshape(num_test, -1) > 0, label, False, axis=1)
    is_right = (network.log_odds(states, label) > 0) == task.test_labels
    return dataclasses.replace(task, card={**task.card, "best_test_accuracy": float(is_right.mean())})


def planted_network(
    geometry: Geometry,
    *,
    num_parents: int,
    num_children: int,
    reach: float,
    strength: float,
    rng: np.random.Generator,
) -> tuple[BeliefNetwork, int]:
    """Return a network with a node for each pixel and one for the label, and the number of the label's.

    Nodes are the pixels in order, with the label's node after the pixel at which it stands.
    """
    num_pixels = geometry.num_pixels
    is_near = geometry.squared_distances_from(np.arange(num_pixels)) <= reach**2
    num_after = np.triu(is_near, 1).sum(axis=1)
    num_up_to = np.tril(is_near).sum(axis=1)
    places = np.flatnonzero((num_after >= num_children) & (num_up_to >= num_parents))
    if not len(places):
        raise InputError(
            f"no pixel of {geometry.size} has {num_parents} pixels up to it and {num_children} after it "
            f"within {reach:g}; choose a larger reach or size, or fewer parents or children"
        )
    place = int(rng.choice(places))
    label = place + 1
    nodes = np.arange(num_pixels) + (np.arange(num_pixels) > place)  # pixel → node
    after = np.flatnonzero(is_near[place] & (np.arange(num_pixels) > place))
    children = set(rng.choice(after, num_children, replace=False).tolist())
    weight = np.zeros((num_pixels + 1,) * 2)
    for pixel in range(num_pixels):
        before = np.flatnonzero(is_near[pixel, :pixel])
        own = [label] if pixel in children else []
        number = min(num_parents - len(own), len(before))
        parents = [*own, *nodes[rng.choice(before, number, replace=False)]]
        weight[nodes[pixel], parents] = _random_weights(rng, len(parents), strength)
    up_to = np.flatnonzero(is_near[place, : place + 1])
    weight[label, nodes[rng.choice(up_to, num_parents, replace=False)]] = _random_weights(
        rng, num_parents, strength
    )
    return BeliefNetwork(weight, -weight.sum(axis=1) / 2), label


def _random_weights(rng: np.random.Generator, number: int, strength: float) -> np.ndarray:
    sizes = strength * rng.uniform(_WEAKEST, _STRONGEST, number)
    weights: np.ndarray = sizes * rng.choice([-1, 1], number)
    return weights


def _kinds(blanket: Blanket, label: int) -> dict[str, list[int]]:
    """Return the inputs of each kind; one that is of two is no co-parent."""
    parents, children, co_parents = (_as_inputs(nodes, label) for nodes in blanket)
    only_co_parents = sorted(set(co_parents) - {*parents, *children})
    return {"parents": parents, "children": children, "co_parents": only_co_parents}


def _as_inputs(nodes: tuple[int, ...], label: int) -> list[int]:
    """Return the numbers of the inputs of nodes, none of which is the label's."""
    return [node - (node > label) for node in nodes]
