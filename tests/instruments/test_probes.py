"""Instruments of the whole network: what holds for all that measure a level and train nothing."""

import numpy as np
import pytest
import torch

from sparsight.instruments import NETWORK, NETWORK_INSTRUMENTS, measure_network
from tests.toy import NETWORKS, linear_task, small_network

PROBES = ("calibration", "extrapolation", "noise", "ood", "readout")


def _measured(probe, network=None, **options):
    task = linear_task()
    network = small_network(task) if network is None else network
    return measure_network(network, task, instruments=[probe], num_samples=60, **options)[NETWORK]


def test_they_are_registered():
    assert set(PROBES) <= NETWORK_INSTRUMENTS.keys()


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_repeats_and_leaves_the_network_as_it_was(probe):
    network = small_network(linear_task(), batch_norm="hidden")
    network.train()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    first, again = (_measured(probe, network, twin=linear_task(seed=1)) for _ in range(2))
    assert first.identical(again)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name])


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
@pytest.mark.parametrize("activation", ["relu", "erf", "sigmoid"])
def test_a_probe_measures_every_network_of_a_recipe(probe, activation, batch_norm):
    network = small_network(linear_task(), widths=(12, 8), activation=activation, batch_norm=batch_norm)
    found = _measured(probe, network)
    assert any(np.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_probe_measures_what_it_can_of_other_modules_and_says_what_not(probe, name, recwarn):
    make, layers = NETWORKS[name]
    torch.manual_seed(0)
    task = linear_task()
    found = measure_network(make(), task, layers=layers, instruments=[probe], num_samples=60)
    assert (NETWORK in found) == (probe in ("calibration", "ood", "readout"))
    assert any("chain of linear layers" in str(each.message) for each in recwarn) == (probe != "calibration")


@pytest.mark.parametrize("probe", PROBES)
def test_of_a_network_cut_to_nothing_a_probe_has_no_error(probe):
    task = linear_task()
    network = small_network(task)
    masks = {
        f"linear_{each}.weight": torch.zeros_like(network.get_parameter(f"linear_{each}.weight"), dtype=bool)
        for each in range(2)
    }
    assert len(_measured(probe, network, masks=masks))
