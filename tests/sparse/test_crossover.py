import itertools

import pytest
import torch
from torch import nn

from sparsight.errors import InputError
from sparsight.sparse import crossover_measurements, sparse_layers
from sparsight.sparse._crossover import FIXED_CROSSOVER, SMALLEST, crossing, rounded_down

WIDE = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 3))


def masks_at(density):
    """Masks with exactly that share of True, to a whole weight."""
    masks = {}
    for name in ("0", "2"):
        size = WIDE.get_parameter(f"{name}.weight").numel()
        masks[f"{name}.weight"] = (torch.arange(size) < int(density * size)).view_as(WIDE[int(name)].weight)
    return masks


def test_auto_takes_large_layers_at_or_below_their_crossover():
    assert SMALLEST > 256 * 128
    at, above = masks_at(FIXED_CROSSOVER), masks_at(FIXED_CROSSOVER + 0.01)
    assert sparse_layers(WIDE, at, "auto") == ["0"]
    assert sparse_layers(WIDE, above, "auto") == []
    assert sparse_layers(WIDE, above, "auto", {"256x512": 0.5}) == ["0"]
    assert sparse_layers(WIDE, at, "auto", {"256x512": 0.05}) == []


def test_a_layer_beside_a_larger_dense_one_stays_dense():
    network = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 3))
    few = torch.arange(256 * 512).view(256, 512) < 1000
    masks = {"0.weight": few, "2.weight": few.view(512, 256)}
    assert sparse_layers(network, masks, "auto") == ["0", "2"]
    assert sparse_layers(network, masks | {"2.weight": ~few.view(512, 256)}, "auto") == ["0"]
    third = torch.arange(256 * 512).view(512, 256) % 3 == 0
    crossovers = {"256x512": 0.1, "512x256": 0.25}  # the second rounded down
    assert sparse_layers(network, masks | {"2.weight": third}, "auto", crossovers) == ["0", "2"]
    assert sparse_layers(network, masks | {"0.weight": ~few, "2.weight": third}, "auto", crossovers) == []
    wider = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 1024), nn.ReLU(), nn.Linear(1024, 3))
    assert sparse_layers(wider, {"0.weight": few}, "auto") == []
    assert sparse_layers(wider, {"0.weight": few}, "csr") == ["0"]


def test_the_kernel_can_be_named():
    assert sparse_layers(WIDE, masks_at(0.9), "csr") == ["0", "2"]
    assert sparse_layers(WIDE, masks_at(1.0), "csr") == []
    assert sparse_layers(WIDE, masks_at(0.001), "dense") == []


def test_networks_without_a_sparse_step_are_dense_or_say_so():
    network = nn.ModuleDict({"0": nn.Linear(512, 256)})
    masks = {"0.weight": masks_at(0.01)["0.weight"]}
    assert sparse_layers(network, masks, "auto") == []
    with pytest.raises(InputError, match="training.kernel is 'csr', but ModuleDict is not a plain"):
        sparse_layers(network, masks, "csr")


def test_the_crossing_is_where_the_line_meets_the_dense_time():
    low, high = (1 + 40 * density for density in (0.1, 0.3))
    assert crossing(11.0, low, high) == pytest.approx(0.25)
    assert crossing(3.0, low, high) == pytest.approx(0.05)
    assert crossing(5.0, 4.0, 4.0) > 1e6  # a time that does not rise is never too long


def test_crossovers_are_rounded_down_to_half_octaves():
    assert rounded_down(0.25) == 0.25
    assert rounded_down(0.2499) == pytest.approx(2**-2.5)
    assert rounded_down(25.0) == 0.5
    assert rounded_down(-0.1) == 0.0


def test_crossover_rises_with_the_dense_time():
    found = [rounded_down(crossing(dense, 5.0, 13.0)) for dense in range(1, 50)]
    assert all(before <= after for before, after in itertools.pairwise(found))


def test_large_shapes_are_measured_once_each():
    measurements = crossover_measurements([(256, 512), (256, 512), (10, 256)], torch.device("cpu"))
    assert list(measurements) == ["256x512"]
    assert 0 <= measurements["256x512"]() <= 1
