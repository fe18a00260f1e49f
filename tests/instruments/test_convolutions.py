"""Instruments on convolutions: those of the linear map on patches, position by position."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis
from torch import nn
from torch.nn import functional

import sparsight
from sparsight.errors import InputError
from sparsight.instruments import INSTRUMENTS, NetworkObservation, measure_level, measure_network, observe
from sparsight.instruments._kept_loss import KeptLoss
from sparsight.instruments._sharpness import measure_sharpness
from sparsight.instruments._stability import measure_stability
from sparsight.measure import initialisation_trace, mask_graph, mask_overlap
from sparsight.prune import PruningSettings, imp
from sparsight.train import TrainingSettings
from tests.convolutional import convolutional, masked, pictures

TASK = pictures()
TRAINING = TrainingSettings(steps=6, batch_size=32, learning_rate=0.05)
PRUNING = PruningSettings(rate=0.4, max_levels=1)
MEASURED = ["0", "3"]  # without groups


@pytest.fixture(scope="module")
def level():
    network = convolutional()
    network[1].running_mean.normal_(generator=torch.Generator().manual_seed(0))
    return list(imp(network, TASK, TRAINING, PRUNING, layers=MEASURED, seed=3))[1]


def measured(level, instruments, **options):
    return measure_network(
        level.network,
        TASK,
        masks=level.masks,
        next_masks=level.next_masks,
        instruments=instruments,
        **options,
    )


def received(network, layer, inputs):
    caught = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _m, given, _o: caught.append(given[0]))
    with torch.no_grad():
        network.eval()(inputs)
    handle.remove()
    return caught[0]


def unfolded(network, layer, inputs):
    """Another implementation's patches, (n · positions, in)."""
    module = network.get_submodule(layer)
    patches = functional.unfold(
        received(network, layer, inputs), module.kernel_size, module.dilation, module.padding, module.stride
    )
    return patches.transpose(1, 2).flatten(0, 1)


def outputs_by_position(network, layer, inputs):
    """Pre-activations that the convolution itself returns: (n · positions, units)."""
    module = network.get_submodule(layer)
    with torch.no_grad():
        outputs = module(received(network, layer, inputs))
    return outputs.flatten(2).transpose(1, 2).flatten(0, 1).double().numpy()


@pytest.mark.parametrize("layer", MEASURED)
def test_an_observation_is_the_matrix_and_the_patches(level, layer):
    (seen,) = [each for each in observe(level, TASK, TASK, num_samples=50) if each.layer == layer]
    inputs, labels = TASK.representative("test", 50, level.seed)
    patches = unfolded(level.network, layer, inputs)
    assert torch.equal(seen.inputs, patches)
    assert torch.equal(seen.twin_inputs, patches)
    assert torch.equal(seen.labels, labels.repeat_interleave(len(patches) // 50))
    assert torch.equal(seen.twin_labels, seen.labels)
    weight = level.network.get_submodule(layer).weight.detach()
    np.testing.assert_array_equal(seen.weight, weight.flatten(1))
    np.testing.assert_array_equal(seen.weight_before, level.initial[f"{layer}.weight"].flatten(1))
    np.testing.assert_array_equal(seen.mask, level.masks[f"{layer}.weight"].flatten(1))
    np.testing.assert_array_equal(seen.next_mask, level.next_masks[f"{layer}.weight"].flatten(1))
    products = seen.inputs @ torch.from_numpy(seen.weight).T
    if seen.bias is not None:
        products += torch.from_numpy(seen.bias)
    expected = outputs_by_position(level.network, layer, inputs)
    np.testing.assert_allclose(products.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert seen.geometry == sparsight.Geometry(weight.shape[1], weight.shape[2:])
    assert (seen.depth, seen.outgoing) == (0, None)


@pytest.mark.parametrize("layer", MEASURED)
def test_gaussianity_is_that_of_all_positions(level, layer):
    found = measured(level, ["gaussianity"])[layer]
    inputs, labels = TASK.representative("test", 2000, level.seed)
    expected = outputs_by_position(level.network, layer, inputs)
    np.testing.assert_allclose(
        found["gaussianity.excess_kurtosis_per_unit"], kurtosis(expected), rtol=1e-3, atol=1e-5
    )
    of_position = labels.repeat_interleave(len(expected) // len(labels)).numpy()
    by_class = np.stack([kurtosis(expected[of_position == label]) for label in range(2)])
    np.testing.assert_allclose(
        found["gaussianity.excess_kurtosis_per_class_unit"], by_class, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("layer", MEASURED)
def test_the_cavity_of_a_weight_is_what_the_convolution_loses_without_it(level, layer):
    found = measured(level, ["cavity"])[layer]
    network, inputs = level.network, TASK.representative("test", 2000, level.seed)[0]
    module, mask = network.get_submodule(layer), level.masks[f"{layer}.weight"]
    effect = found["cavity.delta_kurtosis"].values.reshape(module.weight.shape)
    assert np.isnan(effect[~mask.numpy()]).all()
    whole = kurtosis(outputs_by_position(network, layer, inputs))
    for index in map(tuple, mask.nonzero()[::5].tolist()):
        with torch.no_grad():
            value = module.weight[index].clone()
            module.weight[index] = 0
            without = kurtosis(outputs_by_position(network, layer, inputs)[:, index[0]])
            module.weight[index] = value
        assert effect[index] == pytest.approx(whole[index[0]] - without, rel=1e-2, abs=2e-3)


def test_locality_is_that_of_the_kernel_with_its_channels():
    network = nn.Sequential(nn.Conv2d(2, 3, 5), nn.Flatten(), nn.Linear(6, 2))
    kept = torch.zeros(3, 2, 5, 5, dtype=torch.bool)
    kept[0, 1, 1:3, 1:3] = kept[1, 0, 3:, :2] = kept[2, 1, 2, 1:5] = True  # compact, each in one channel
    (found,) = measure_network(network, TASK, masks={"0.weight": kept}, instruments=["locality"]).values()
    same = near = 0
    for unit in kept:
        places = unit.nonzero().tolist()
        for i, (channel, row, column) in enumerate(places):
            for j, (other, there, here) in enumerate(places):
                same += i != j and channel == other
                near += i != j and channel == other and (row - there) ** 2 + (column - here) ** 2 <= 1.5**2
    expected = sparsight.locality(kept.flatten(1).numpy(), sparsight.Geometry(2, (5, 5)))
    pairs = found["locality.pairs_same_channel"].values
    distance = sparsight.Geometry(2, (5, 5)).distances()
    assert pairs[distance > 0].sum() == same
    assert pairs[(distance > 0) & (distance <= 1.5)].sum() == near
    assert float(found["locality.near"]) == pytest.approx(expected.near)
    assert expected.near > 2
    # The same number of weights in each unit, scattered over channels and kernel, is at chance.
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    scattered = kept.flatten(1)[:, order].view(kept.shape)
    (chance,) = measure_network(
        network, TASK, masks={"0.weight": scattered}, instruments=["locality"]
    ).values()
    assert float(chance["locality.near"]) < 1.6


@pytest.mark.parametrize("instrument", sorted(name for name in INSTRUMENTS if INSTRUMENTS.is_shipped(name)))
def test_every_instrument_of_layers_measures_kernels_without_a_warning(level, instrument):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure_level(level, TASK, TASK, [instrument], num_samples=40)
    assert list(found) == MEASURED
    assert all(quantities for quantities in found.values())


@pytest.mark.parametrize("size", [1, (1, 3), 2])
def test_the_smallest_kernels_have_quantities(size):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, size), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(3, 2))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = measure_network(
            network, TASK, layers=["0"], instruments=["locality", "shape_fits", "mask_graph", "cavity"]
        ).values()
    assert float(found["locality.connected_units"]) == 3


def test_traces_and_graphs_are_those_of_the_matrix(level):
    found = measure_level(level, TASK, None, ["initialisation", "mask_graph"], num_samples=40)["3"]
    name = "3.weight"
    matrices = [each.flatten(1).numpy() for each in (
        level.initial[name], level.final[name], level.masks[name], level.next_masks[name]
    )]  # fmt: skip
    trace = initialisation_trace(*matrices)
    assert found["initialisation.rank_correlation"].value == trace.rank_correlation
    graph = mask_graph(matrices[2])
    assert found["mask_graph.second_singular_value"].value == graph.second_singular_value
    assert found["mask_graph.num_paths"].value == matrices[2].sum()  # from the layer's own patch
    assert mask_overlap(matrices[2], matrices[2]).iou == 1
    with pytest.raises(InputError, match="a .*out.*in"):
        mask_overlap(level.masks[name].numpy(), level.masks[name].numpy())


def test_curvature_and_stability_are_those_of_the_kept_kernels(level):
    observation = NetworkObservation(
        level=level, task=TASK, num_samples=60, loss="cross_entropy", training=TRAINING, pruning=PRUNING
    )
    found = measure_sharpness(observation)
    kept = sum(int(mask.sum()) for mask in level.masks.values())
    others = sum(each.numel() for name, each in level.network.named_parameters() if name not in level.masks)
    assert found["num_parameters"].value == kept + others
    assert found["largest_eigenvalue"].value > 0
    assert measure_stability(observation)["loss"].value.shape == (11,)
    same = replace(observation, training=TRAINING.model_copy(update={"learning_rate": 1e-12}))
    assert measure_stability(same)["loss_barrier"].value == pytest.approx(0, abs=1e-5)


def test_the_hessian_of_kernel_entries_is_the_second_difference_of_the_loss():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(36, 2)).double()
    inputs, labels = torch.randn(20, 2, 6, 5, dtype=torch.float64), torch.arange(20) % 2
    mask = torch.rand(3, 2, 3, 3) < 0.5
    kept = KeptLoss(network, {"0.weight": mask}, inputs, labels, "cross_entropy")
    places, step = mask.nonzero().tolist(), 1e-4
    for number in (0, 7, len(places) - 1):
        direction = np.zeros(kept.size)
        direction[number] = 1.0
        moves = torch.zeros(mask.shape, dtype=torch.float64)
        moves[tuple(places[number])] = step
        losses = [kept.value({"0.weight": way * moves}) for way in (1, 0, -1)]
        second = (losses[0] - 2 * losses[1] + losses[2]) / step**2
        assert kept.hessian_product(direction)[number] == pytest.approx(second, rel=1e-3, abs=1e-6)


def test_the_mask_is_that_of_the_weights_and_default_layers_are_linear():
    network = convolutional()
    masks = masked(network, 0.5, ["0"])
    (found,) = measure_network(network, TASK, layers=["0"], instruments=["cavity"]).values()
    kept = ~np.isnan(found["cavity.delta_kurtosis"].values)
    np.testing.assert_array_equal(kept, masks["0.weight"].flatten(1))
    assert list(measure_network(network, TASK, instruments=["gaussianity"])) == ["9"]


def test_weights_outside_the_masks_count_as_zero():
    network, mask = convolutional(), {"3.weight": torch.rand(6, 4, 2, 3) < 0.5}
    zeroed = convolutional()
    with torch.no_grad():
        zeroed[3].weight.mul_(mask["3.weight"])
    one, other = (
        measure_network(each, TASK, masks=mask, instruments=["gaussianity"])["3"]
        for each in (network, zeroed)
    )
    assert one.identical(other)


def test_groups_are_refused_by_name_and_left_out_where_their_masks_come_along():
    network = convolutional()
    masks = masked(network, 0.5)
    with pytest.raises(InputError, match="layers: '6' is a convolution of 2 groups, .* leave it out"):
        measure_network(network, TASK, layers=["0", "6"])
    with pytest.warns(UserWarning, match="layer '6' is not measured: it is a convolution of 2 groups"):
        found = measure_network(network, TASK, masks=masks, instruments=["gaussianity"])
    assert list(found) == ["0", "3"]
    whole = measure_network(network, TASK, layers=["0", "6"], masks=masks, instruments=["sharpness"])[
        "network"
    ]
    removed = sum(int((~masks[f"{name}.weight"]).sum()) for name in ("0", "6"))
    parameters = sum(each.numel() for each in network.parameters())
    assert float(whole["sharpness.num_parameters"]) == parameters - removed


def test_a_geometry_that_does_not_fit_the_kernel_is_refused():
    with pytest.raises(InputError, match=r"geometries\['0'\] has 9 inputs; the layer has 18"):
        measure_network(convolutional(), TASK, geometries={"0": sparsight.Geometry(1, (3, 3))})


def test_of_many_positions_the_same_are_drawn_for_the_twin(monkeypatch, level):
    monkeypatch.setattr("sparsight.network._linear_maps.MOST_NUMBERS", 18 * 50 * 4)
    twin = replace(TASK, name="twin", test_inputs=2 * TASK.test_inputs)
    seen = next(observe(level, TASK, twin, num_samples=50))
    assert seen.inputs.shape == (50 * 4, 18)
    torch.testing.assert_close(seen.twin_inputs, 2 * seen.inputs)
    inputs, labels = TASK.representative("test", 50, level.seed)
    patches = unfolded(level.network, "0", inputs).view(50, -1, 18)
    for sample, drawn in zip(patches, seen.inputs.view(50, 4, 18), strict=True):
        assert all((sample == row).all(1).any() for row in drawn)
    assert torch.equal(seen.labels, labels.repeat_interleave(4))
