"""Everything about the CUDA graph except CUDA's own part, for which a stand-in on the CPU is used."""

import pytest
import torch

from sparsight.errors import InputError
from sparsight.prune import Acceleration, PruningSettings, imp
from sparsight.train import Trainer, train_together
from sparsight.train._cuda_graph import recorded
from tests.toy import linear_task, small_network
from tests.train.test_together import assert_equal_states, by_slot, masks_of, settings_of, trainers_of
from tests.train.test_trainer import OPTIMIZERS


def stand_in(network, place):
    """Do what ``torch.cuda.make_graphed_callables`` does, running the network in place of a recording.

    It warms up on garbage, replaces the module's ``forward``, reads batches from one place in memory, returns
    outputs in one place, and knows the shape and the casts of the recording only.
    """
    assert network.training
    assert not (torch.is_autocast_enabled("cpu") and torch.is_autocast_cache_enabled())
    casts = torch.is_autocast_enabled("cpu")
    original = network.forward
    for _ in range(3):
        outputs = original(place)
        torch.autograd.grad(outputs.sum(), list(network.parameters()), allow_unused=True)

    def replay(inputs):
        assert inputs.shape == place.shape
        assert casts == torch.is_autocast_enabled("cpu")
        place.copy_(inputs)
        return original(place)

    network.forward = replay
    return network


@pytest.fixture
def on_cpu(monkeypatch):
    """How often a pass was recorded."""
    recordings = []

    def make_graphed_callables(network, sample_args, *, allow_unused_input):
        assert allow_unused_input
        (place,) = sample_args
        recordings.append(tuple(place.shape))
        return stand_in(network, place)

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", make_graphed_callables)
    for module in ("_cuda_graph", "_trainer"):
        monkeypatch.setattr(f"sparsight.train.{module}.check_device", lambda device: None)
    return recordings


@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_recording_leaves_the_network_as_it_was_and_gives_its_outputs_and_gradients(on_cpu, batch_norm):
    network, twin = (small_network(linear_task(), batch_norm=batch_norm) for _ in range(2))
    inputs = torch.randn(32, 24, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    given = inputs.clone()
    forward = recorded(network, given)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert "forward" not in vars(network)
    for batch in (inputs, 2 * inputs):
        ours, theirs = forward(batch), twin(batch)
        assert torch.equal(ours, theirs)
        ours.square().sum().backward()
        theirs.square().sum().backward()
    assert torch.equal(given, inputs)
    for mine, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine.grad, other.grad)
    for name, value in twin.named_buffers():
        assert torch.equal(network.get_buffer(name), value)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_through_a_recording_is_training(on_cpu, name, precision):
    task, ends = linear_task(), []
    settings = settings_of(20, precision=precision, **OPTIMIZERS[name])
    for graph in (False, True):
        network = small_network(task, batch_norm="hidden")
        masks = masks_of(network, 0.5, 0)
        trainer = Trainer(network, task, settings, masks, 0, layers_on_kept_weights=(), cuda_graph=graph)
        trainer.run()
        ends.append(trainer)
    assert_equal_states(*ends)
    assert on_cpu == [(32, 24)]


def test_networks_trained_together_are_recorded_as_one(on_cpu):
    settings = settings_of(20, **OPTIMIZERS["momentum"])
    graphed, plain = (trainers_of(settings, batch_norm="hidden", cuda_graph=graph) for graph in (True, False))
    train_together(by_slot(graphed))
    train_together(by_slot(plain))
    for ours, theirs in zip(graphed, plain, strict=True):
        assert_equal_states(ours, theirs)
    assert on_cpu == [(4, 32, 24)]


def test_every_level_is_recorded_anew_and_those_on_kept_weights_are_not(on_cpu):
    task, pruning = linear_task(), PruningSettings(max_levels=2)
    for kernel, expected in (("dense", [(32, 24)] * 3), ("csr", [(32, 24)])):
        on_cpu.clear()
        settings = settings_of(12, kernel=kernel)
        plain = list(imp(small_network(task), task, settings, pruning))
        acceleration = Acceleration(cuda_graph=True)
        graphed = list(imp(small_network(task), task, settings, pruning, acceleration=acceleration))
        assert on_cpu == expected
        for ours, theirs in zip(graphed, plain, strict=True):
            assert all(torch.equal(value, theirs.final[name]) for name, value in ours.final.items())


def test_a_cpu_knows_no_cuda_graphs():
    task = linear_task()
    with pytest.raises(InputError, match="cuda_graph is for device = 'cuda', but the network is on 'cpu'"):
        Trainer(small_network(task), task, settings_of(3), {}, 0, cuda_graph=True)
    with pytest.raises(InputError, match="leave it out"):
        recorded(small_network(task), torch.zeros(2, 24))
