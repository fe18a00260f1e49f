"""Epinets: the formula, what training changes, and what it must not."""

import numpy as np
import pytest
import torch

from sparsight.errors import InputError
from sparsight.measure import joint_nll, marginal_nll
from sparsight.network import Epinet, layer_inputs, linear_layers
from sparsight.train import EpinetTraining, train_epinet_
from tests.toy import linear_task, small_network

FEATURES, CLASSES, INDEX = 6, 3, 4


def drawn(number=9, seed=0):
    stream = torch.Generator().manual_seed(seed)
    return (
        torch.randn(number, FEATURES, generator=stream),
        torch.randn(number, CLASSES, generator=stream),
        torch.randn(5, INDEX, generator=stream),
    )


def test_the_output_is_that_of_the_formula():
    features, logits, index = drawn()
    epinet = Epinet(FEATURES, CLASSES, index_size=INDEX, width=7, prior_scale=0.5, seed=3)
    found = epinet(features, logits, index)
    assert found.shape == (5, 9, CLASSES)
    for z, phi, mu, out in (
        (index[k], features[i], logits[i], found[k, i]) for k in range(5) for i in range(9)
    ):
        both = torch.cat([phi, z])
        learned, prior = (net(both).reshape(CLASSES, INDEX) @ z for net in (epinet.learned, epinet.prior))
        assert torch.allclose(out, mu + learned + 0.5 * prior, atol=1e-5)


def test_without_prior_and_parameters_it_is_the_network_bit_for_bit():
    features, logits, index = drawn()
    epinet = Epinet(FEATURES, CLASSES, index_size=INDEX, prior_scale=0.0)
    assert not torch.equal(epinet(features, logits, index)[0], logits)
    with torch.no_grad():
        for parameter in epinet.learned.parameters():
            parameter.zero_()
    assert torch.equal(epinet(features, logits, index), logits.expand(5, -1, -1))


def test_no_gradient_reaches_the_network_or_the_prior():
    task = linear_task()
    network = small_network(task)
    inputs, labels = task.samples("train", 0, 20)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    features = inputs @ network.linear_0.weight.T  # a graph that leads to the network's parameters
    logits = network(inputs)
    assert features.requires_grad
    assert logits.requires_grad
    epinet = Epinet(features.shape[1], 2, index_size=INDEX)
    prior = [each.clone() for each in epinet.prior.parameters()]
    found = epinet(features, logits, torch.randn(3, INDEX))
    torch.nn.functional.cross_entropy(found.flatten(0, 1), labels.repeat(3)).backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.grad is None for parameter in epinet.prior.parameters())
    assert all(parameter.grad is not None for parameter in epinet.learned.parameters())
    train_epinet_(epinet, features, logits, labels, EpinetTraining(steps=5))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(prior, epinet.prior.parameters(), strict=True))


def trained(prior_scale, steps=400, seed=0):
    """An epinet on features that say the class, beside logits that do not."""
    stream = torch.Generator().manual_seed(1)
    features = torch.randn(300, 2, generator=stream)
    labels = (features[:, 0] > 0).long()
    logits = torch.zeros(300, 2)
    epinet = Epinet(2, 2, index_size=INDEX, prior_scale=prior_scale, seed=seed)
    train_epinet_(
        epinet, features, logits, labels, EpinetTraining(steps=steps, learning_rate=0.01), seed=seed
    )
    return epinet


def members(epinet, features):
    index = torch.randn(40, INDEX, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return epinet(features, torch.zeros(len(features), 2), index).double().numpy()


def test_it_learns_what_the_features_say_and_its_members_stay_apart():
    near = torch.randn(200, 2, generator=torch.Generator().manual_seed(3))
    labels = (near[:, 0] > 0).long().numpy()
    epinet = trained(prior_scale=1.0)
    before = members(Epinet(2, 2, index_size=INDEX, prior_scale=1.0), near)
    after = members(epinet, near)
    assert marginal_nll(after, labels) < 0.9 * marginal_nll(before, labels)
    assert joint_nll(after, labels) < 10 * marginal_nll(after, labels)


def test_it_is_a_function_of_its_seed():
    first, again, other = (trained(1.0, steps=5, seed=seed) for seed in (0, 0, 1))
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not any(torch.equal(a, c) for a, _, c in pairs)


def test_penultimate_features_and_the_last_layer_are_the_network():
    """What `sparsight.run.epinets` takes for φ and μ."""
    task = linear_task()
    network = small_network(task).eval()
    inputs, _ = task.samples("test")
    name, last = list(linear_layers(network).items())[-1]
    features = layer_inputs(network, [name], inputs)[name]
    with torch.no_grad():
        assert torch.allclose(last(features), network(inputs), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"index_size": 0}, "index_size is 0; 1 or more"),
        ({"width": 0}, "width is 0"),
        ({"prior_scale": -1.0}, "prior_scale is -1.0; 0 or more"),
        ({"prior_scale": np.inf}, "prior_scale is inf"),
        ({"num_classes": 1}, "num_classes is 1; 2 or more"),
    ],
)
def test_wrong_sizes_are_named(options, words):
    with pytest.raises(InputError, match=words):
        Epinet(**{"num_features": 2, "num_classes": 2} | options)


@pytest.mark.parametrize(
    ("training", "number", "words"),
    [
        ({"steps": -1}, 9, "steps is -1"),
        ({"batch_size": 0}, 9, "batch_size is 0"),
        ({"num_indices": 0}, 9, "num_indices is 0"),
        ({}, 8, "labels are of 9, 9 and 8 samples"),
    ],
)
def test_wrong_training_is_named(training, number, words):
    features, logits, _ = drawn()
    epinet = Epinet(FEATURES, CLASSES, index_size=INDEX)
    with pytest.raises(InputError, match=words):
        train_epinet_(epinet, features, logits, torch.zeros(number).long(), EpinetTraining(**training))
