"""A convolution as a linear map: its patches, against loops over positions and against torch's unfolding."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sparsight.errors import InputError
from sparsight.geometry import Geometry
from sparsight.network import as_matrix, initialise_, linear_maps
from sparsight.network._linear_maps import patches
from sparsight.streams import generator

STREAM = generator(0, "patches")
CONVOLUTIONS = {
    "1d": lambda: nn.Conv1d(2, 3, 4),
    "1d, everything": lambda: nn.Conv1d(4, 6, 3, stride=2, padding=3, dilation=2, groups=2),
    "1d, one step": lambda: nn.Conv1d(3, 2, 1),
    "1d, same": lambda: nn.Conv1d(2, 3, 4, padding="same", dilation=3),
    "2d": lambda: nn.Conv2d(2, 3, 3),
    "2d, rectangles": lambda: nn.Conv2d(
        2, 3, (2, 3), stride=(1, 2), padding=(2, 1), dilation=(3, 1), bias=False
    ),
    "2d, depthwise": lambda: nn.Conv2d(3, 6, 3, padding=1, groups=3),
    "2d, same": lambda: nn.Conv2d(2, 3, (2, 4), padding="same"),
    "2d, valid": lambda: nn.Conv2d(2, 3, 2, padding="valid"),
    "2d, circular": lambda: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="circular"),
    "2d, reflect": lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", stride=2),
    "2d, replicate": lambda: nn.Conv2d(2, 3, 3, padding="same", padding_mode="replicate"),
}
ZEROS = ["1d", "1d, everything", "1d, one step", "2d", "2d, rectangles", "2d, depthwise"]


def made(kind):
    torch.manual_seed(0)
    layer = CONVOLUTIONS[kind]()
    size = (9, 8)[: len(layer.kernel_size)]
    return layer, torch.randn(5, layer.in_channels, *size)


def map_of(layer):
    return linear_maps(nn.Sequential(layer))["0"]


def patches_by_loops(layer, inputs):
    """Every patch picked entry by entry, with zeros outside the input."""
    sides = zip(inputs.shape[2:], layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True)
    counts = [(n + 2 * pad - step * (k - 1) - 1) // stride + 1 for n, pad, step, k, stride in sides]
    found = []
    for sample, position in itertools.product(inputs, itertools.product(*map(range, counts))):
        for channel, tap in itertools.product(sample, itertools.product(*map(range, layer.kernel_size))):
            place = [
                at * stride + offset * step - pad
                for at, stride, offset, step, pad in zip(
                    position, layer.stride, tap, layer.dilation, layer.padding, strict=True
                )
            ]
            inside = all(0 <= each < n for each, n in zip(place, channel.shape, strict=True))
            found.append(float(channel[tuple(place)]) if inside else 0.0)
    return torch.tensor(found).view(len(inputs), int(np.prod(counts)), -1)


@pytest.mark.parametrize("kind", ZEROS)
def test_patches_are_those_of_a_loop_over_positions_channels_and_the_kernel(kind):
    layer, inputs = made(kind)
    assert torch.equal(patches(layer, inputs, 10**6, STREAM), patches_by_loops(layer, inputs))


@pytest.mark.parametrize("kind", [kind for kind in ZEROS if kind.startswith("2d")])
def test_patches_are_those_that_torch_unfolds(kind):
    layer, inputs = made(kind)
    expected = functional.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    assert torch.equal(patches(layer, inputs, 10**6, STREAM), expected.transpose(1, 2))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_the_matrix_times_the_patches_is_what_the_convolution_returns(kind):
    layer, inputs = made(kind)
    seen = map_of(layer)
    rows = seen.vectors(inputs, STREAM)
    of_groups = zip(seen.matrix.chunk(seen.num_groups), rows.chunk(seen.num_groups, dim=2), strict=True)
    products = torch.cat([read @ weight.T for weight, read in of_groups], dim=2)
    outputs = layer(inputs).flatten(2).transpose(1, 2)
    bias = 0 if layer.bias is None else layer.bias
    torch.testing.assert_close(products + bias, outputs, rtol=1e-5, atol=1e-5)
    assert as_matrix(layer.weight).shape == (len(layer.weight), rows.shape[2] // seen.num_groups)


def test_the_geometry_of_a_kernel_places_its_flattened_weight():
    layer, _ = made("2d, rectangles")
    geometry = map_of(layer).geometry
    assert geometry == Geometry(2, (2, 3))
    index = np.arange(geometry.num_inputs)
    channel, pixel = index // geometry.num_pixels, index % geometry.num_pixels
    row, column = geometry.positions()[pixel].T
    torch.testing.assert_close(layer.weight[:, channel, row, column], as_matrix(layer.weight))
    assert map_of(made("2d, depthwise")[0]).geometry == Geometry(1, (3, 3))
    assert linear_maps(nn.Sequential(nn.Linear(3, 2)))["0"].geometry is None


def test_with_too_many_positions_some_of_each_sample_are_drawn_without_replacement():
    layer, inputs = made("2d")
    whole = patches(layer, inputs, 42, STREAM)
    assert whole.shape[1] == 42
    few = patches(layer, inputs, 10, generator(1, "some"))
    assert few.shape == (5, 10, 18)
    places = []
    for sample, drawn in zip(whole, few, strict=True):
        equal = (sample[None] == drawn[:, None]).all(2)
        assert (equal.sum(1) == 1).all()
        places.append(equal.nonzero()[:, 1].tolist())
        assert places[-1] == sorted(set(places[-1]))
    assert len(set(map(tuple, places))) > 1  # other positions in other samples
    assert torch.equal(few, patches(layer, inputs, 10, generator(1, "some")))
    assert not torch.equal(few, patches(layer, inputs, 10, generator(2, "some")))


def test_the_numbers_that_are_measured_together_are_bounded(monkeypatch):
    layer, inputs = made("2d, depthwise")
    monkeypatch.setattr("sparsight.network._linear_maps.MOST_NUMBERS", 1000)
    found = map_of(layer).vectors(inputs, STREAM)
    assert found.shape == (5, 1000 // (27 * 5), 27)
    monkeypatch.setattr("sparsight.network._linear_maps.MOST_NUMBERS", 1)
    assert map_of(layer).vectors(inputs, STREAM).shape == (5, 1, 27)


def test_a_linear_layer_multiplies_what_it_receives():
    seen = linear_maps(nn.Sequential(nn.Linear(6, 2)))["0"]
    tokens = torch.randn(5, 4, 6)
    assert torch.equal(seen.vectors(tokens, STREAM), tokens)
    assert torch.equal(seen.vectors(tokens[:, 0], STREAM), tokens[:, :1])


def test_inputs_without_an_axis_of_samples_are_refused():
    layer, inputs = made("2d")
    with pytest.raises(InputError, match="a Conv2d receives .*samples, channels and 2 axes of positions"):
        patches(layer, inputs[0], 10, STREAM)


def test_initial_weights_of_convolutions_have_the_spread_of_their_fans():
    network = nn.Sequential(nn.Conv2d(8, 64, (3, 5), groups=2), nn.BatchNorm2d(64), nn.Conv1d(30, 40, 7))
    with torch.no_grad():
        network[1].weight.fill_(3)
    spreads = {
        init: [
            float(layer.weight.detach().std())
            for layer in map(initialise_(network, init, 0).get_submodule, ("0", "2"))
        ]
        for init in ("xavier", "he", "torch")
    }
    assert (network[1].weight == 1).all()
    fans = [(4 * 15, 64 * 15), (30 * 7, 40 * 7)]
    for found, (fan_in, fan_out) in zip(zip(*spreads.values(), strict=True), fans, strict=True):
        expected = [np.sqrt(2 / (fan_in + fan_out)), np.sqrt(2 / fan_in), np.sqrt(1 / (3 * fan_in))]
        assert found == pytest.approx(expected, rel=0.05)
    for layer in (network[0], network[2]):
        bound = 1 / np.sqrt(layer.weight[0].numel())
        assert float(layer.bias.detach().abs().max()) <= bound
    # torch's own draw has this spread and this fan.
    reference = nn.Conv2d(8, 64, (3, 5), groups=2).weight.detach()
    assert float(reference.std()) == pytest.approx(spreads["torch"][0], rel=0.05)
    assert nn.init._calculate_fan_in_and_fan_out(reference) == fans[0]
