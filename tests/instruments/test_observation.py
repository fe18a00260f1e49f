import inspect
from typing import get_args

import numpy as np
import pytest
import torch

from sparsight.data import SOURCES, clone_task
from sparsight.instruments._observation import MaskedNetwork, observe
from sparsight.recipe import DataSettings
from tests.toy import SmallTransformer, linear_task, small_network


def sources_that_know_their_twin():
    names = []
    for name in SOURCES:
        parameter = inspect.signature(SOURCES.look_up(name), eval_str=True).parameters.get("clone")
        if parameter is not None and "gaussian" in get_args(parameter.annotation):
            names.append(name)
    return names


def first_observation(network, masks, task, twin):
    subject = MaskedNetwork(network=network, masks=masks, next_masks=masks, seed=0)
    return next(iter(observe(subject, task, twin, num_samples=40)))


@pytest.mark.parametrize("name", sources_that_know_their_twin())
@pytest.mark.parametrize("changes", [{}, {"label_noise": 0.5}])
def test_the_twin_of_a_field_has_the_labels_of_the_field_in_the_same_order(name, changes):
    """Else the twin within classes would be that of the wrong classes."""
    settings = DataSettings(source=name, num_train=40, num_test=60, **changes)
    twin = settings.twin()
    assert twin is not None
    task, of_twin = settings.build(seed=3), twin.build(seed=3)
    np.testing.assert_array_equal(of_twin.test_labels, task.test_labels)
    np.testing.assert_array_equal(of_twin.train_labels, task.train_labels)
    assert (of_twin.test_inputs != task.test_inputs).any()


@pytest.mark.parametrize("kind", ["gaussian", "gaussian_shared", "phase"])
def test_a_clone_has_the_labels_of_its_task_in_the_same_order(kind):
    task = linear_task()
    network = small_network(task)
    masks = {"linear_0.weight": torch.ones(12, 24, dtype=torch.bool)}
    found = first_observation(network, masks, task, clone_task(task, kind, 0))
    assert torch.equal(found.twin_labels, found.labels)
    assert found.twin_inputs.shape == found.inputs.shape


def test_labels_of_the_callers_own_twin_are_its_own_and_repeat_at_every_token():
    task, twin = linear_task(), linear_task(num_test=30, seed=1)
    torch.manual_seed(0)
    masks = {"block.linear1.weight": torch.ones(16, 8, dtype=torch.bool)}
    found = first_observation(SmallTransformer(), masks, task, twin)
    assert len(found.labels) == len(found.inputs) == 4 * 40
    np.testing.assert_array_equal(found.twin_labels, np.repeat(twin.test_labels, 4))
    assert len(found.twin_inputs) == 4 * 30
    without = first_observation(SmallTransformer(), masks, task, None)
    assert without.twin_labels is without.twin_inputs is None
