"""Random chains for tests of bounds."""

import itertools

import numpy as np

from sparsight.measure import Chain

METHODS = ("interval", "linear", "crown_interval", "crown_linear", "crown")


def random_chain(stream, widths, density=1.0, activations="relu"):
    """A chain with weights of variance 2 / fan-in, each kept with probability `density`."""
    weights, biases = [], []
    for fan_in, fan_out in itertools.pairwise(widths):
        drawn = stream.normal(0, np.sqrt(2 / fan_in), (fan_out, fan_in))
        weights.append(drawn * (stream.random(drawn.shape) < density))
        biases.append(stream.normal(0, 0.1, fan_out))
    return Chain(weights, biases, activations)


def points_of_ball(stream, num_inputs, epsilon, norm, number=400):
    """Points of the ball around 0, (number, num_inputs); half of them on its border."""
    if norm == "inf":
        inside = stream.uniform(-1, 1, (number, num_inputs))
        inside[number // 2 :] = np.sign(inside[number // 2 :])
        return epsilon * inside
    drawn = stream.normal(size=(number, num_inputs))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn[: number // 2] *= stream.random((number // 2, 1))
    return epsilon * drawn
