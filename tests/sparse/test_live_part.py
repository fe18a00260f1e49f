"""Leaving out what is the same for all samples changes nothing."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sparsight.network import FullyConnected, NetworkSettings, initialise_
from sparsight.sparse import SparseSequential
from sparsight.sparse._live_part import LivePart, constant_units, unused_pixels
from sparsight.train import Trainer, TrainingSettings
from tests.toy import in_precision, linear_task, small_network

NUM_INPUTS, WIDTHS = 90, (40, 36, 30)


def severed_masks(network, seed=0):
    """Most pixels are unused, most of the first units have no input, and some later ones have only these."""
    stream = np.random.default_rng(seed)
    masks = {}
    for name in ("linear_0", "linear_1", "linear_2"):
        shape = tuple(network.get_parameter(f"{name}.weight").shape)
        masks[f"{name}.weight"] = torch.from_numpy(stream.random(shape) < 0.3)
    masks["linear_0.weight"][:, stream.permutation(NUM_INPUTS)[:75]] = False
    masks["linear_0.weight"][stream.permutation(40)[:30]] = False
    has_input = masks["linear_0.weight"].any(dim=1)
    masks["linear_1.weight"][:12, has_input] = False  # sees units without inputs only
    masks["linear_1.weight"][12:20] = False
    for name, mask in masks.items():
        network.get_parameter(name).data *= mask
    return masks


def built(batch_norm, activation="relu", bias=True):
    settings = NetworkSettings(widths=WIDTHS, batch_norm=batch_norm, activation=activation, bias=bias)
    network = FullyConnected(NUM_INPUTS, 5, settings).double()
    initialise_(network, "torch", 0)
    stream = np.random.default_rng(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.copy_(torch.from_numpy(stream.normal(size=len(tensor))))
            module.running_var.copy_(torch.from_numpy(stream.uniform(0.5, 2, len(module.running_var))))
    return network, severed_masks(network)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh", "linear"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_outputs_gradients_and_statistics_are_those_of_the_network(batch_norm, bias, activation, is_training):
    network, masks = built(batch_norm, activation, bias)
    dense = copy.deepcopy(network).train(is_training)
    sparse = SparseSequential(network.train(is_training), masks, ["linear_0", "linear_1", "linear_2"])
    inputs = torch.from_numpy(np.random.default_rng(1).normal(1, 2, (70, NUM_INPUTS)))
    outputs, expected = sparse(inputs), dense(inputs)
    torch.testing.assert_close(outputs, expected, rtol=1e-10, atol=1e-10)
    ours = torch.autograd.grad((outputs**2).sum(), sparse.parameters())
    theirs = torch.autograd.grad((expected**2).sum(), list(dense.parameters()))
    scale = max(float(whole.abs().max()) for whole in theirs)
    for (name, _), mine, whole in zip(dense.named_parameters(), ours, theirs, strict=True):
        kept = whole[masks[name]] if name in masks else whole
        torch.testing.assert_close(mine, kept, rtol=1e-8, atol=1e-11 * scale, msg=name)
    for mine, other in zip(network.buffers(), dense.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


def test_the_masks_of_these_tests_leave_units_and_pixels_out():
    _, masks = built("hidden")
    pixels = unused_pixels(masks["linear_0.weight"])
    assert 60 < int(pixels.sum()) < NUM_INPUTS
    first = LivePart.of(masks["linear_0.weight"], pixels, leaves_units_out=True)
    assert len(first.constant_units) == int((~masks["linear_0.weight"].any(dim=1)).sum()) >= 30
    assert first.constants is None
    second = LivePart.of(masks["linear_1.weight"], constant_units(first, 40), leaves_units_out=True)
    assert len(second.constant_units) >= 20  # though 12 of them have inputs
    assert len(second.constants.values) + len(second.values) == int(masks["linear_1.weight"].sum())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("batch_norm", ["none", "hidden", "input"])
def test_training_ends_where_masked_dense_training_in_float64_ends(batch_norm, dtype, tolerance):
    """BatchNorm's eps is one that does not blow rounding up: at 1e-5 dense float32 is far away, too."""
    task = linear_task(num_inputs=60)
    ends = []
    for kernel, precision in (("dense", torch.float64), ("csr", dtype)):
        network = small_network(task, widths=(40, 30), batch_norm=batch_norm, batch_norm_eps=0.01).to(
            precision
        )
        if batch_norm != "none":  # off the edge of the ReLU, where rounding would decide what passes
            for module in network.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.bias.data.fill_(0.5)
        stream = torch.Generator().manual_seed(0)
        masks = {
            name: torch.rand(network.get_parameter(name).shape, generator=stream) < 0.3
            for name in ("linear_0.weight", "linear_1.weight")
        }
        masks["linear_0.weight"][:, 10:] = False
        masks["linear_0.weight"][:25] = False
        settings = TrainingSettings(
            steps=100, batch_size=50, learning_rate=0.05, momentum=0.9, weight_decay=1e-3, kernel=kernel
        )
        trainer = Trainer(network, in_precision(task, precision), settings, masks, seed=1)
        trainer.run()
        ends.append((network, trainer.curve))
    (dense, of_dense), (sparse, of_sparse) = ends
    assert of_sparse.train_loss == pytest.approx(of_dense.train_loss, rel=tolerance)
    assert of_sparse.test_loss == pytest.approx(of_dense.test_loss, rel=tolerance)
    ours, theirs = (nn.utils.parameters_to_vector(n.parameters()).detach().double() for n in (sparse, dense))
    assert (ours - theirs).norm() < tolerance * theirs.norm()
    for mine, other in zip(sparse.buffers(), dense.buffers(), strict=True):
        torch.testing.assert_close(mine.double(), other.double(), rtol=10 * tolerance, atol=10 * tolerance)


def test_nothing_is_left_out_where_little_is_constant():
    mask = torch.ones(40, 20, dtype=torch.bool)
    mask[:4] = False
    part = LivePart.of(mask, unused_pixels(mask), leaves_units_out=True)
    assert part.units is None
    assert part.inputs is None
    assert unused_pixels(torch.zeros(40, 20, dtype=torch.bool)) is None
    nothing_left = LivePart.of(torch.zeros(40, 20, dtype=torch.bool), None, leaves_units_out=True)
    assert nothing_left.units is None
