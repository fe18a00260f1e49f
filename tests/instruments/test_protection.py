"""Own instruments get copies, and shipped ones change nothing."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from sparsight.instruments import (
    INSTRUMENTS,
    NETWORK_INSTRUMENTS,
    NetworkObservation,
    Quantity,
    instrument,
    measure_whole_network,
    network_instrument,
)
from sparsight.instruments._network import measure_level
from sparsight.prune import PruningSettings, imp
from sparsight.train import TrainingSettings
from tests.toy import linear_task, small_network


def arrays_of(observation):
    values = {each.name: getattr(observation, each.name) for each in fields(observation)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray | torch.Tensor)}


def copied(value):
    return value.numpy().copy() if isinstance(value, torch.Tensor) else value.copy()


@pytest.fixture(scope="module")
def level():
    task = linear_task()
    training = TrainingSettings(steps=8, batch_size=20, learning_rate=0.1)
    return next(imp(small_network(task), task, training, PruningSettings(max_levels=1), seed=1))


def whole(level):
    return NetworkObservation(
        level=level,
        task=linear_task(),
        num_samples=50,
        loss="cross_entropy",
        training=TrainingSettings(steps=8, batch_size=20, learning_rate=0.1),
        pruning=PruningSettings(max_levels=1),
    )


def tensors_of(observation):
    """Every tensor of a level and its network, by where it is."""
    level = observation.level
    states = {
        "network": level.network.state_dict(),
        "masks": level.masks,
        "next_masks": level.next_masks,
        "initial": level.initial,
        "final": level.final,
        "rewind": level.rewind or {},
    }
    return {(where, name): value for where, state in states.items() for name, value in state.items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for place, value in expected.items():
        np.testing.assert_array_equal(found[place], value, err_msg=str(place))


def test_what_an_own_instrument_changes_nothing_else_sees(level):
    seen = []

    def spoil(observation):
        for value in arrays_of(observation).values():
            value[...] = 0
        return {"zero": Quantity(0.0, (), "nothing")}

    def look(observation):
        seen.append({name: copied(value) for name, value in arrays_of(observation).items()})
        return {"one": Quantity(1.0, (), "nothing")}

    for function in (spoil, look):
        instrument(function.__name__)(function)
    try:
        for order in (["look"], ["spoil", "look"]):
            measure_level(level, linear_task(), linear_task(), order, num_samples=50)
    finally:
        for name in ("spoil", "look"):
            del INSTRUMENTS[name]
    before, after = seen
    assert set(before) >= {"weight", "mask", "next_mask", "inputs", "labels", "twin_inputs", "paths"}
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    assert level.masks["linear_0.weight"].all()


@pytest.mark.parametrize("name", sorted(name for name in INSTRUMENTS if INSTRUMENTS.is_shipped(name)))
def test_shipped_instruments_change_nothing(level, name, monkeypatch):
    function = INSTRUMENTS[name]

    def watched(observation):
        before = {key: copied(value) for key, value in arrays_of(observation).items()}
        found = function(observation)
        for key, value in arrays_of(observation).items():
            np.testing.assert_array_equal(copied(value), before[key], err_msg=key)
        return found

    watched.__module__ = function.__module__
    monkeypatch.setitem(INSTRUMENTS, name, watched)
    assert measure_level(level, linear_task(), linear_task(seed=1), [name], num_samples=50)


def test_what_an_own_instrument_of_the_whole_network_changes_nothing_else_sees(level):
    before, seen = {place: copied(value) for place, value in tensors_of(whole(level)).items()}, []

    def spoil_all(observation):
        with torch.no_grad():
            for value in [*tensors_of(observation).values(), *observation.network.parameters()]:
                value.zero_()
        return {"zero": Quantity(0.0, (), "nothing")}

    def look_at_all(observation):
        seen.append({place: copied(value) for place, value in tensors_of(observation).items()})
        return {"one": Quantity(1.0, (), "nothing")}

    for function in (spoil_all, look_at_all):
        network_instrument(function.__name__)(function)
    try:
        measure_whole_network(whole(level), ["spoil_all", "look_at_all"])
    finally:
        for name in ("spoil_all", "look_at_all"):
            del NETWORK_INSTRUMENTS[name]
    assert_same(seen[0], before)
    assert_same({place: copied(value) for place, value in tensors_of(whole(level)).items()}, before)


@pytest.mark.parametrize("name", sorted(name for name in NETWORK_INSTRUMENTS))
def test_shipped_instruments_of_the_whole_network_change_nothing(level, name):
    observation = whole(level)
    before = {place: copied(value) for place, value in tensors_of(observation).items()}
    arrays = {key: copied(value) for key, value in arrays_of(observation.task).items()}
    was_training = observation.network.training
    assert measure_whole_network(observation, [name])
    assert observation.network.training == was_training
    assert_same({place: copied(value) for place, value in tensors_of(observation).items()}, before)
    assert_same({key: copied(value) for key, value in arrays_of(observation.task).items()}, arrays)
